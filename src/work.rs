//! One call of the wrapped service, as the work of a flight.

use tower::util::Oneshot;
use tower_service::Service;

use crate::{
    context::Context,
    group::{BoxedWork, Closure, ShareIf, Work},
};

/// One call of the wrapped service, readiness first.
pub(crate) struct ServiceWork<S, Req, T> {
    pub(crate) service: S,
    pub(crate) request: Req,
    pub(crate) share_if: Option<ShareIf<T>>,
}

impl<S, Req, Res, Err> Work<Result<Res, Err>> for ServiceWork<S, Req, Result<Res, Err>>
where
    S: Service<Req, Response = Res, Error = Err> + Send + 'static,
    S::Future: Send + 'static,
    Req: Send + 'static,
    Res: Send + 'static,
    Err: Send + 'static,
{
    fn boxed(self, context: Context) -> BoxedWork<Result<Res, Err>> {
        let Self { service, request, share_if } = self;
        Closure::boxed(move || Oneshot::new(service, request), share_if, context)
    }
}
