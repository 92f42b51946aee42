//! The seam between the generic layer and a fleet: without the feature `fleet` its types have no values, and take no room.

#[cfg(feature = "fleet")]
mod platform {
    use std::sync::Arc;

    use crate::{
        Limits,
        context::Context,
        fleet::{Abroad as FleetAbroad, KeyAbroad, elsewhere},
        group::{BoxedWork, Closure, ShareIf},
    };

    /// The fleet of a layer, and how its keys and outcomes travel.
    pub(crate) struct Abroad<K, T>(pub(crate) Arc<FleetAbroad<K, T>>);

    impl<K, T> Abroad<K, T> {
        /// Returns what the work of one key takes along.
        pub(crate) fn of(&self, key: K, limits: Limits) -> WorkAbroad<K, T> {
            WorkAbroad(Box::new(self.0.of(key, limits)))
        }
    }

    impl<K, T> Clone for Abroad<K, T> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    /// What the work of one key takes along; apart, since the work is moved about.
    pub(crate) struct WorkAbroad<K, T>(Box<KeyAbroad<K, T>>);

    impl<K, T> WorkAbroad<K, T>
    where
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
    {
        /// Boxes work that asks the fleet first.
        pub(crate) fn boxed<F, Fut>(self, start: F, share_if: Option<ShareIf<T>>, context: Context) -> BoxedWork<T>
        where
            F: FnOnce() -> Fut + Send + 'static,
            Fut: Future<Output = T> + Send + 'static,
        {
            let abroad = self.0.share_if(share_if.clone());
            let began = abroad.began_elsewhere();
            elsewhere(Closure::boxed(move || abroad.run(start), share_if, context), began)
        }
    }
}

#[cfg(not(feature = "fleet"))]
mod platform {
    use std::{convert::Infallible, marker::PhantomData};

    use crate::{
        Limits,
        context::Context,
        group::{BoxedWork, ShareIf},
    };

    pub(crate) struct Abroad<K, T>(Infallible, PhantomData<fn(K) -> T>);

    impl<K, T> Abroad<K, T> {
        pub(crate) fn of(&self, _: K, _: Limits) -> WorkAbroad<K, T> {
            match self.0 {}
        }
    }

    impl<K, T> Clone for Abroad<K, T> {
        fn clone(&self) -> Self {
            match self.0 {}
        }
    }

    pub(crate) struct WorkAbroad<K, T>(Infallible, PhantomData<fn(K) -> T>);

    impl<K, T> WorkAbroad<K, T> {
        pub(crate) fn boxed<F>(self, _: F, _: Option<ShareIf<T>>, _: Context) -> BoxedWork<T> {
            match self.0 {}
        }
    }
}

pub(crate) use self::platform::{Abroad, WorkAbroad};
