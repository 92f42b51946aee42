//! What a reader is told of what it has to come.

use http_body::SizeHint;

use super::{End, State};

impl<B> State<B> {
    /// Returns whether a reader is at the end, and the end is clean. One that has yet to take the trailers is not,
    /// though it has all bytes; a cut one has an error to come.
    pub(in crate::http::body) fn is_over(&self, reader: usize) -> bool {
        let place = &self.readers[reader];
        self.hints.is_end_stream && !place.cut && self.passed(place.next) == self.frames.len()
    }

    /// Returns what a reader has to come. Nothing is known of it if there is an error to come: a server that was told a
    /// size sends so much, and takes it for the whole (S16).
    pub(in crate::http::body) fn size_hint(&self, reader: usize) -> SizeHint {
        let place = &self.readers[reader];
        let mut hint = SizeHint::new();
        if place.cut || matches!(self.end, Some(End::Error(_))) {
            return hint;
        }
        let ahead = self.came - place.taken;
        hint.set_lower(self.hints.size.lower().saturating_add(ahead));
        if let Some(upper) = self.hints.size.upper() {
            hint.set_upper(upper.saturating_add(ahead));
        }
        hint
    }
}
