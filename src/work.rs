//! One call of the wrapped service, as the work of a flight.

use tower::util::Oneshot;
use tower_service::Service;

use crate::{
    context::Context,
    group::{BoxedWork, Closure, ShareIf, Work},
    layer_fleet::CallFleet,
};

/// One call of the wrapped service, readiness first.
pub(crate) struct ServiceWork<S, K, Req, T> {
    pub(crate) service: S,
    pub(crate) request: Req,
    pub(crate) share_if: Option<ShareIf<T>>,
    /// `Some` if a fleet is asked before the call is made.
    pub(crate) fleet: Option<CallFleet<K, T>>,
}

impl<S, K, Req, Res, Err> Work<Result<Res, Err>> for ServiceWork<S, K, Req, Result<Res, Err>>
where
    K: Send + Sync + 'static,
    S: Service<Req, Response = Res, Error = Err> + Send + 'static,
    S::Future: Send + 'static,
    Req: Send + 'static,
    Res: Clone + Send + Sync + 'static,
    Err: Clone + Send + Sync + 'static,
{
    fn boxed(self, context: Context) -> BoxedWork<Result<Res, Err>> {
        let Self { service, request, share_if, fleet } = self;
        let start = move || Oneshot::new(service, request);
        match fleet {
            Some(fleet) => fleet.boxed(start, share_if, context),
            None => Closure::boxed(start, share_if, context),
        }
    }

    fn boxed_alone(mut self, context: Context) -> BoxedWork<Result<Res, Err>> {
        self.fleet = None;
        self.boxed(context)
    }
}
