//! A layer's settings for its fleet: the lower half of the one seam of the feature `fleet` over HTTP. The upper half,
//! in `fleet`, is what the work of a flight asks.

#[cfg(feature = "fleet")]
mod settings;
#[cfg(feature = "fleet")]
mod writes;

#[cfg(not(feature = "fleet"))]
pub(super) use self::off::{Fencing, FleetPart, Fleets, Hold, Membership, Wish};
#[cfg(feature = "fleet")]
pub(super) use self::{
    settings::{FleetPart, Membership, Wish},
    writes::{Fencing, Fleets, Hold},
};

/// Without the feature nothing is asked, and what would ask is compiled away.
#[cfg(not(feature = "fleet"))]
mod off {
    use std::{
        marker::PhantomData,
        task::{Context, Poll},
    };

    use http::request;

    #[derive(Clone, Default)]
    pub(in crate::http) struct Membership {}

    #[derive(Clone, Copy)]
    pub(in crate::http) struct Wish;

    #[derive(Clone, Copy, Default)]
    pub(in crate::http) struct FleetPart {}

    #[derive(Default)]
    pub(in crate::http) struct Fleets {}

    #[derive(Default)]
    pub(in crate::http) struct Fencing {}

    impl Membership {
        #[inline(always)]
        pub(in crate::http) fn wish(&self, _: &request::Parts, _: bool) -> Wish {
            Wish
        }
    }

    pub(in crate::http) struct Hold<T>(PhantomData<fn() -> T>);

    impl<T> Hold<T> {
        pub(in crate::http) const fn none() -> Self {
            Self(PhantomData)
        }

        #[inline(always)]
        pub(in crate::http) const fn is_held(&self) -> bool {
            false
        }

        pub(in crate::http) fn keep(&mut self, _: T, _: Fencing) {}

        pub(in crate::http) fn poll(&mut self, _: &mut Context<'_>) -> Poll<T> {
            unreachable!("nothing is held")
        }
    }

    impl Fleets {
        #[inline(always)]
        pub(in crate::http) fn add(&self, _: &Membership) {}

        #[inline(always)]
        pub(in crate::http) fn fence<'a>(&self, _: bool, _: impl Iterator<Item = &'a str> + Clone) -> Fencing {
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
