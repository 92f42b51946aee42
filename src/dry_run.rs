//! A generic layer that only tries what it would do: the one seam of the feature `dry-run` there.
//!
//! Each call goes alone, as it would without the layer. Beside it a shadow is kept of the flights that there would be, and
//! each follower's outcome is compared with its leader's.

#[cfg(feature = "dry-run")]
mod flight;
#[cfg(feature = "dry-run")]
mod flights;
#[cfg(feature = "dry-run")]
mod sample;
#[cfg(feature = "dry-run")]
mod shadow;
#[cfg(feature = "dry-run")]
mod stats;
#[cfg(feature = "dry-run")]
mod watched;

#[cfg(feature = "dry-run")]
pub use self::stats::DryRunStats;
#[cfg(feature = "dry-run")]
pub(crate) use self::{sample::Sample, shadow::Shadow, watched::Watched};
#[cfg(not(feature = "dry-run"))]
pub(crate) use off::{Sample, Shadow, Watched};

/// Without the feature there is no shadow, and what asks for one is compiled away.
#[cfg(not(feature = "dry-run"))]
mod off {
    use std::{convert::Infallible, marker::PhantomData};

    use crate::{Limits, group::ShareIf};

    pub(crate) struct Shadow<K, T>(Infallible, PhantomData<fn() -> (K, T)>);

    pub(crate) struct Watched<K, T>(Infallible, PhantomData<fn() -> (K, T)>);

    #[derive(Clone, Copy)]
    pub(crate) struct Sample;

    impl Sample {
        pub(crate) const ALL: Self = Self;
    }

    impl<K, T> Shadow<K, T> {
        pub(crate) fn of_service(&self, _: Option<ShareIf<T>>, _: Sample, _: bool, _: Limits) -> Self {
            match self.0 {}
        }

        pub(crate) fn watch(&self, _: impl FnOnce() -> (Option<K>, bool)) -> Watched<K, T> {
            match self.0 {}
        }
    }

    impl<K, T> Clone for Shadow<K, T> {
        fn clone(&self) -> Self {
            match self.0 {}
        }
    }

    impl<K, T> Watched<K, T> {
        pub(crate) fn polling(&mut self) {
            match self.0 {}
        }

        pub(crate) fn end(self, _: &T) {
            match self.0 {}
        }
    }
}
