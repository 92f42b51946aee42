//! A generic layer whose flights other processes share.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::SingleflightLayer;
use crate::fleet::{Codec, Fleet, TypedFleet};

impl<F, K, Res, Err> SingleflightLayer<F, K, Result<Res, Err>> {
    /// Lets the processes of a fleet share the flights of this layer: one of them calls the service, and the others get its
    /// response.
    ///
    /// `name` says what is behind the layer. Equal keys of layers with equal names are taken to ask for the same, in all
    /// processes: the name changes when the key function changes, or the codec. Keys are compared as `postcard` encodes them.
    /// Errors reach the callers of one process only, and so do responses that the codec does not encode.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::convert::Infallible;
    /// use tower::{Layer, Service, service_fn};
    /// use tower_singleflight::{SingleflightLayer, fleet::{Fleet, MemoryEngine, PostcardCodec}};
    ///
    /// let engine = MemoryEngine::new(); // in production an engine that all processes reach
    /// let process = || {
    ///     let fleet = Fleet::new(engine.clone(), [7; 32]); // in production 32 random bytes
    ///     let layer = SingleflightLayer::new(|id: &u64| Some(*id)).fleet(fleet, "rows", PostcardCodec::new());
    ///     layer.layer(service_fn(|id: u64| async move { Ok::<_, Infallible>(format!("row {id}")) }))
    /// };
    /// let (mut a, mut b) = (process(), process());
    /// assert_eq!(tokio::join!(a.call(7), b.call(7)), (Ok("row 7".to_owned()), Ok("row 7".to_owned())));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn fleet<C>(mut self, fleet: Fleet, name: &str, codec: C) -> Self
    where
        K: Serialize,
        C: Codec<Res>,
    {
        let fleet = match fleet.named(name) {
            Ok(fleet) => fleet,
            Err(error) => panic!("{error}"),
        };
        self.fleet = Some(Arc::new(TypedFleet::new(fleet, Arc::new(OfResponses(codec)))));
        self
    }
}

/// Errors stay in their process: each runs one call at most.
struct OfResponses<C>(C);

impl<C: Codec<Res>, Res, Err> Codec<Result<Res, Err>> for OfResponses<C> {
    fn encode(&self, value: &Result<Res, Err>) -> Option<Bytes> {
        self.0.encode(value.as_ref().ok()?)
    }

    fn decode(&self, bytes: &[u8]) -> Option<Result<Res, Err>> {
        self.0.decode(bytes).map(Ok)
    }
}
