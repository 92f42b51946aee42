//! What a layer was told of its fleet: the low half of the one seam of the feature `fleet` over HTTP.

#[cfg(feature = "fleet")]
mod settings;
#[cfg(feature = "fleet")]
mod writes;

#[cfg(not(feature = "fleet"))]
pub(super) use self::off::{Fencing, FleetPart, Membership, Wish, WriteFleet};
#[cfg(feature = "fleet")]
pub(super) use self::{
    settings::{FleetPart, Membership, Wish},
    writes::{Fencing, WriteFleet},
};

/// Without the feature nothing is asked, and what would ask is compiled away.
#[cfg(not(feature = "fleet"))]
mod off {
    use std::task::{Context, Poll};

    use http::request;

    #[derive(Clone, Default)]
    pub(in crate::http) struct Membership {}

    #[derive(Clone, Copy)]
    pub(in crate::http) struct Wish;

    #[derive(Clone, Copy, Default)]
    pub(in crate::http) struct FleetPart {}

    pub(in crate::http) struct WriteFleet {}

    #[derive(Default)]
    pub(in crate::http) struct Fencing {}

    impl Membership {
        #[inline(always)]
        pub(in crate::http) fn wish(&self, _: &request::Parts, _: bool) -> Wish {
            Wish
        }
    }

    impl WriteFleet {
        #[inline(always)]
        pub(in crate::http) fn new(_: &Membership) -> Self {
            Self {}
        }

        #[inline(always)]
        pub(in crate::http) fn fence<'a>(&self, _: bool, _: impl IntoIterator<Item = &'a str>) -> Fencing {
            Fencing {}
        }
    }

    impl Fencing {
        #[inline(always)]
        pub(in crate::http) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
}
