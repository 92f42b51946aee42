//! A layer that holds each request until it is let go: what is below it has not begun then, its timers not either.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::Semaphore;
use tower::{Layer, Service, util::ServiceExt};

#[derive(Clone)]
pub(crate) struct Hold(Arc<Semaphore>);

impl Hold {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    pub(crate) fn let_go(&self, requests: usize) {
        self.0.add_permits(requests);
    }
}

impl<S> Layer<S> for Hold {
    type Service = Held<S>;

    fn layer(&self, inner: S) -> Held<S> {
        Held { inner, gate: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(crate) struct Held<S> {
    inner: S,
    gate: Arc<Semaphore>,
}

impl<S, Req> Service<Req> for Held<S>
where
    S: Service<Req> + Clone + Send + 'static,
    S::Future: Send,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (inner, gate) = (self.inner.clone(), Arc::clone(&self.gate));
        Box::pin(async move {
            gate.acquire().await.expect("the gate is never closed").forget();
            inner.oneshot(request).await
        })
    }
}
