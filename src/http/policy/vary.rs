//! `Vary` (S9; RFC 9110, section 12.5.5).

use http::HeaderName;

use super::tokens::elements;

/// The most names that are compared; an answer that names more is not meant for others. Origins are not always to be
/// trusted, and each name costs every follower a look (S26).
const MOST: usize = 64;

/// Adds the fields that one line names; `None` if it names all (`*`), too many, or something that is no field.
pub(super) fn vary(line: &[u8], names: &mut Vec<HeaderName>) -> Option<()> {
    for element in elements(line) {
        // A star is a star also within a name: it is a token, but no field is called so.
        if element.contains(&b'*') {
            return None;
        }
        let name = HeaderName::from_bytes(element).ok()?;
        if !names.contains(&name) {
            if names.len() == MOST {
                return None;
            }
            names.push(name);
        }
    }
    Some(())
}
