//! The seam between the generic layer and a fleet: without the feature `fleet` its types have no values, and take no room.

#[cfg(not(feature = "fleet"))]
pub(crate) use self::off::{CallFleet, LayerFleet};
#[cfg(feature = "fleet")]
pub(crate) use self::on::{CallFleet, LayerFleet};

#[cfg(feature = "fleet")]
mod on {
    use std::sync::Arc;

    use crate::fleet::{KeyedFleet, TypedFleet};

    /// The fleet of a layer, and how its keys and outcomes are sent.
    pub(crate) type LayerFleet<K, T> = Arc<TypedFleet<K, T>>;

    /// What the work of one key needs to ask the fleet.
    pub(crate) type CallFleet<K, T> = Box<KeyedFleet<K, T>>;
}

#[cfg(not(feature = "fleet"))]
mod off {
    use std::{convert::Infallible, marker::PhantomData};

    use crate::{
        Group,
        context::Context,
        group::{BoxedWork, ShareIf},
    };

    pub(crate) struct LayerFleet<K, T>(Infallible, PhantomData<fn(K) -> T>);

    impl<K, T> LayerFleet<K, T> {
        pub(crate) fn of(&self, _: K, _: &Group<K, T>) -> CallFleet<K, T> {
            match self.0 {}
        }
    }

    impl<K, T> Clone for LayerFleet<K, T> {
        fn clone(&self) -> Self {
            match self.0 {}
        }
    }

    pub(crate) struct CallFleet<K, T>(Infallible, PhantomData<fn(K) -> T>);

    impl<K, T> CallFleet<K, T> {
        pub(crate) fn boxed<F>(self, _: F, _: Option<ShareIf<T>>, _: Context) -> BoxedWork<T> {
            match self.0 {}
        }
    }
}
