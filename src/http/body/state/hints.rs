//! What a reader is told of the rest of its body.

use http_body::SizeHint;

use super::{BodyEnd, Hints, State};

impl<B> State<B> {
    /// Keeps what the inner body says of itself after a poll that brought nothing.
    pub(in crate::http::body) fn told(&mut self, hints: Hints) {
        self.hints = hints;
    }

    /// Returns whether the inner body was at its end at the point where a reader is. A reader that has an error to come
    /// is not at the end: if it were told so, it would read no further.
    pub(in crate::http::body) fn is_over(&self, reader: usize) -> bool {
        let failed = matches!(self.end, Some(BodyEnd::Error(_)));
        self.said_to(reader).is_some_and(|(hints, is_last)| hints.is_end_stream && !(failed && is_last))
    }

    /// Returns what the inner body said at the point where a reader is, however much has come since: the end of a body
    /// of unknown length does not make its length known (S16).
    pub(in crate::http::body) fn size_hint(&self, reader: usize) -> SizeHint {
        self.said_to(reader).map_or_else(SizeHint::new, |(hints, _)| hints.size)
    }

    /// Returns what the inner body said there, and whether the reader has taken all frames; `None` if it was cut.
    fn said_to(&self, reader: usize) -> Option<(Hints, bool)> {
        let place = &self.readers[reader];
        if place.cut {
            return None;
        }
        if let Some(behind) = place.behind {
            return Some((self.log.said(behind), false));
        }
        let kept = self.frames.get(self.passed(place.next));
        Some(kept.map_or_else(|| (self.hints.clone(), true), |kept| (kept.before.clone(), false)))
    }
}
