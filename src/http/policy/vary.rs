//! `Vary` (S9; RFC 9110, section 12.5.5).

use http::HeaderName;

use super::list::{elements, is_token};

/// Adds the fields that one line names; `None` if it names all (`*`), or something that is no field.
pub(super) fn vary(line: &[u8], names: &mut Vec<HeaderName>) -> Option<()> {
    for element in elements(line) {
        if element == b"*" || !is_token(element) {
            return None;
        }
        let name = HeaderName::from_bytes(element).ok()?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(())
}
