//! The seam to `tracing`: without the feature there is no span, and nothing is compiled for it.

#[cfg(feature = "tracing")]
mod platform {
    use tracing::{Span, level_filters::LevelFilter};

    use crate::trace::HeldSpan;

    /// A span that work is polled in; `None` if there is none.
    #[derive(Debug, Default)]
    pub(in crate::context) struct CallSpan(Option<HeldSpan>);

    impl CallSpan {
        /// Returns whether no span can be current: one load.
        #[inline]
        pub(in crate::context) fn nobody_listens() -> bool {
            LevelFilter::current() == LevelFilter::OFF
        }

        pub(in crate::context) fn current() -> Self {
            Self(if Self::nobody_listens() { None } else { HeldSpan::current() })
        }

        pub(in crate::context) fn is_none(&self) -> bool {
            self.0.is_none()
        }

        /// Runs a poll in the span; enters it only where it is not the current one already.
        pub(in crate::context) fn run<R>(&self, poll: impl FnOnce() -> R) -> R {
            match &self.0 {
                Some(span) if Span::current() != **span => span.in_scope(poll),
                _ => poll(),
            }
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod platform {
    #[derive(Debug, Default)]
    pub(in crate::context) struct CallSpan;

    impl CallSpan {
        pub(in crate::context) fn nobody_listens() -> bool {
            true
        }

        pub(in crate::context) fn current() -> Self {
            Self
        }

        pub(in crate::context) fn is_none(&self) -> bool {
            true
        }

        pub(in crate::context) fn run<R>(&self, poll: impl FnOnce() -> R) -> R {
            poll()
        }
    }
}

pub(super) use platform::CallSpan;
