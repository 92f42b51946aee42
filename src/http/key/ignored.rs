//! Fields that the application leaves out of the key, beside those of the list.

use http::HeaderName;

/// Whole names, and beginnings of names.
#[derive(Clone, Debug, Default)]
pub(super) struct Ignored {
    names: Vec<Box<str>>,
    prefixes: Vec<Box<str>>,
}

impl Ignored {
    /// # Panics
    ///
    /// Panics if the name, or what stands before the `*` at its end, is no field name.
    #[track_caller]
    pub(super) fn add(&mut self, name: &str) {
        let prefix = name.strip_suffix('*');
        let valid = HeaderName::from_bytes(prefix.unwrap_or(name).as_bytes());
        let Ok(valid) = valid else { panic!("neither a field name nor the beginning of one: {name:?}") };
        assert!(!valid.as_str().contains('*'), "a `*` stands at the end of a name only: {name:?}");
        let kind = if prefix.is_some() { &mut self.prefixes } else { &mut self.names };
        kind.push(valid.as_str().into());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.prefixes.is_empty()
    }

    /// Looks a name in small letters up.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|ignored| **ignored == *name)
            || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }
}
