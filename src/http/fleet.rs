//! The work of a local flight, as its fleet sees it: the upper half of the one seam of the feature `fleet` over HTTP. What a
//! layer is told of its fleet is the lower half, in `membership`.
//!
//! The fleet wraps the work of a local flight: a [`Fetch`](super::fetch::Fetch) asks it before it calls the wrapped service,
//! and tells it what came of that.
//!
//! ```text
//! plan ─ may it leave the process? ─► Wish ─► Fetch ─► FleetWork ─ poll_ask ──► an answer from elsewhere, judged again
//!                                                          ├────── poll_work ──► the call, led
//!                                                          └────── poll_close ─► landed, if somebody elsewhere follows
//! ```

#[cfg(feature = "fleet")]
mod asked;
#[cfg(feature = "fleet")]
mod landing;
#[cfg(feature = "fleet")]
mod message;
#[cfg(feature = "fleet")]
mod received;
#[cfg(feature = "fleet")]
mod work;

use std::time::Duration;

#[cfg(not(feature = "fleet"))]
pub(super) use self::off::FleetWork;
#[cfg(feature = "fleet")]
pub(super) use self::work::FleetWork;

/// What a call that has waited for another process in vain is told.
pub(super) struct InVain {
    /// How long it waits for its turn at most (D10): the holder of a permit may be waiting for this call.
    pub(super) max_wait: Duration,
    /// What its own answer says of sharing is evidence (D3).
    pub(super) is_evidence: bool,
}

/// Without the feature nothing is asked, and what would ask is compiled away.
#[cfg(not(feature = "fleet"))]
mod off {
    use std::task::{Context, Poll};

    use tokio::time::Instant;

    use super::InVain;
    use crate::http::{answer::Answer, membership::Wish, requester::Requester};

    pub(in crate::http) struct FleetWork;

    impl FleetWork {
        #[inline(always)]
        pub(in crate::http) fn new(_: Wish) -> Self {
            Self
        }

        #[inline(always)]
        pub(in crate::http) fn stay(&mut self) {}

        #[inline(always)]
        pub(in crate::http) fn is_wanted(&self) -> bool {
            false
        }

        #[inline(always)]
        pub(in crate::http) fn may_ask(&self) -> bool {
            false
        }

        #[inline(always)]
        pub(in crate::http) fn began_elsewhere(&self) -> Option<Instant> {
            None
        }

        #[inline(always)]
        pub(in crate::http) fn in_vain(&mut self) -> Option<InVain> {
            None
        }

        #[inline(always)]
        pub(in crate::http) fn poll_ask<RB, E>(
            &mut self,
            _: &Requester,
            _: &mut Option<Instant>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Box<Answer<RB, E>>>> {
            Poll::Ready(None)
        }

        #[inline(always)]
        pub(in crate::http) fn poll_work<T>(
            &mut self,
            cx: &mut Context<'_>,
            poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
        ) -> Poll<T> {
            poll(cx)
        }

        #[inline(always)]
        pub(in crate::http) fn poll_close<RB, E>(
            &mut self,
            _: &Requester,
            _: &mut Answer<RB, E>,
            _: &mut Context<'_>,
        ) -> Poll<()> {
            Poll::Ready(())
        }
    }
}
