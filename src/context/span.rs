//! The seam to `tracing`: without the feature there is no span, and nothing is compiled for it.

#[cfg(feature = "tracing")]
mod platform {
    use tracing::Span;

    use crate::trace::{HeldSpan, may_be_traced};

    /// A span that work is polled in; `None` if there is none.
    #[derive(Debug, Default)]
    pub(in crate::context) struct CallSpan(Option<HeldSpan>);

    impl CallSpan {
        pub(in crate::context) fn current() -> Self {
            Self(if may_be_traced() { HeldSpan::current() } else { None })
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
