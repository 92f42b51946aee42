//! The seam to `tracing` for flights and those who wait for them: without the feature nothing is compiled for it.
//!
//! A subscriber that panics fails nobody: its panic goes no further than from here.

#[cfg(feature = "tracing")]
mod platform {
    use std::{mem::replace, ops::Deref, sync::Arc, time::Duration};

    use tracing::{Level, Span, debug, field::Empty, level_filters::LevelFilter, span, warn};

    use crate::{
        FlightId,
        panic::{discard, quietly},
    };

    /// Returns whether a span can be current: one load.
    #[inline]
    pub(crate) fn may_be_traced() -> bool {
        LevelFilter::current() != LevelFilter::OFF
    }

    /// A span that is held. Dropping it runs a subscriber's code, which may panic.
    #[derive(Debug)]
    pub(crate) struct HeldSpan(Span);

    impl HeldSpan {
        /// Returns the current one, if there is one.
        pub(crate) fn current() -> Option<Self> {
            quietly(|| Some(Self(Span::current())).filter(|span| !span.is_none())).flatten()
        }
    }

    impl Deref for HeldSpan {
        type Target = Span;

        fn deref(&self) -> &Span {
            &self.0
        }
    }

    impl Drop for HeldSpan {
        #[inline]
        fn drop(&mut self) {
            discard(replace(&mut self.0, Span::none()));
        }
    }

    /// The span in which a flight's leader called. It is in an `Arc`, since cloning a span runs a subscriber's code,
    /// and this is cloned under a lock (invariant 6).
    #[derive(Clone, Debug)]
    pub(crate) struct LeaderSpan(Option<Arc<HeldSpan>>);

    impl LeaderSpan {
        #[inline]
        pub(crate) fn current() -> Self {
            Self(if may_be_traced() { Self::of_thread() } else { None })
        }

        #[cold]
        fn of_thread() -> Option<Arc<HeldSpan>> {
            HeldSpan::current().map(Arc::new)
        }

        pub(crate) fn is_some(&self) -> bool {
            self.0.is_some()
        }

        /// Notes in the span what its flight came to: in its fields, if it has any for that, and by an event if others
        /// shared it.
        #[inline]
        pub(crate) fn landed(&self, flight: FlightId, callers: usize) {
            if let Some(span) = &self.0 {
                Self::record(span, flight, callers);
            }
        }

        #[cold]
        fn record(span: &Span, flight: FlightId, callers: usize) {
            quietly(|| {
                span.record("flight", tracing::field::display(flight));
                span.record("callers", callers);
            });
            if callers > 1 {
                quietly(|| debug!(parent: span, %flight, callers, "others shared the outcome of this call"));
            }
        }
    }

    /// The span of a follower, from its joining to its end; `None` if nobody listens.
    #[derive(Debug, Default)]
    pub(crate) struct WaitSpan(Option<Box<HeldSpan>>);

    impl WaitSpan {
        /// Returns whether anybody may listen: one load.
        #[inline]
        pub(crate) fn is_wanted() -> bool {
            LevelFilter::current() >= LevelFilter::DEBUG
        }

        /// Begins the span of a wait, and says whose flight it follows.
        #[cold]
        pub(crate) fn begin(
            leader: Option<&LeaderSpan>,
            flight: FlightId,
            age: Option<Duration>,
            callers: usize,
        ) -> Self {
            let age_ms = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            let begin =
                || HeldSpan(span!(Level::DEBUG, "singleflight.wait", %flight, age_ms, callers, outcome = Empty));
            let Some(span) = quietly(begin).filter(|span| !span.is_disabled()) else { return Self(None) };
            if let Some(leader) = leader.and_then(|leader| leader.0.as_ref()) {
                quietly(|| {
                    span.follows_from(leader.id());
                });
            }
            Self(Some(Box::new(span)))
        }

        /// Notes what the wait came to, and ends the span.
        #[inline]
        pub(crate) fn end(&mut self, outcome: impl FnOnce() -> &'static str) {
            if self.0.is_some() {
                self.record(outcome());
            }
        }

        #[cold]
        fn record(&mut self, outcome: &'static str) {
            if let Some(span) = self.0.take() {
                quietly(|| {
                    span.record("outcome", outcome);
                });
            }
        }
    }

    /// A request goes alone.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn alone(rule: crate::http::Rule) {
        if LevelFilter::current() >= LevelFilter::DEBUG {
            log_alone(rule);
        }
    }

    #[cfg(feature = "http")]
    #[cold]
    fn log_alone(rule: crate::http::Rule) {
        quietly(|| tracing::debug!(rule = rule.name(), "a rule sends a request alone"));
    }

    /// A flight has lost its task.
    pub(crate) fn lost(flight: FlightId) {
        quietly(|| warn!(%flight, "the task of a flight died without an outcome"));
    }

    /// Readers were cut.
    #[cfg(feature = "http")]
    pub(crate) fn lagged(readers: usize) {
        quietly(|| warn!(readers, "readers of a shared body were cut: they held the others up"));
    }
}

#[cfg(not(feature = "tracing"))]
mod platform {
    use std::time::Duration;

    use crate::FlightId;

    pub(crate) fn may_be_traced() -> bool {
        false
    }

    #[derive(Clone, Debug)]
    pub(crate) struct LeaderSpan(());

    impl LeaderSpan {
        pub(crate) fn current() -> Self {
            Self(())
        }

        pub(crate) fn is_some(&self) -> bool {
            false
        }

        pub(crate) fn landed(&self, _: FlightId, _: usize) {}
    }

    #[derive(Debug, Default)]
    pub(crate) struct WaitSpan(());

    impl WaitSpan {
        pub(crate) fn is_wanted() -> bool {
            false
        }

        pub(crate) fn begin(_: Option<&LeaderSpan>, _: FlightId, _: Option<Duration>, _: usize) -> Self {
            Self(())
        }

        pub(crate) fn end(&mut self, _: impl FnOnce() -> &'static str) {}
    }

    #[cfg(feature = "http")]
    pub(crate) fn alone(_: crate::http::Rule) {}

    pub(crate) fn lost(_: FlightId) {}

    #[cfg(feature = "http")]
    pub(crate) fn lagged(_: usize) {}
}

#[cfg(feature = "tracing")]
pub(crate) use platform::HeldSpan;
pub(crate) use platform::{LeaderSpan, WaitSpan, lost, may_be_traced};
#[cfg(feature = "http")]
pub(crate) use platform::{alone, lagged};
