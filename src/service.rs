//! The service: it asks for the key of a request, and registers the caller on a flight.

use std::{
    fmt,
    hash::Hash,
    mem::replace,
    sync::Arc,
    task::{Context, Poll},
};

use tower_service::Service;

use crate::{
    Group, KeyFn, ResponseFuture, dry_run::Shadow, group::ShareIf, layer_fleet::LayerFleet, observe::Inspects,
    work::ServiceWork,
};

/// A service that coalesces concurrent calls with equal keys; made by [`SingleflightLayer`](crate::SingleflightLayer).
///
/// Clones share the group: give one to each connection or task.
///
/// # Cancel safety
///
/// Dropping the response future leaves the flight, which goes on for the others; when the last caller has left, the
/// call of the wrapped service is dropped.
///
/// # Panics
///
/// A panic of the wrapped service, in `poll_ready`, in `call` or in its future, is raised again in every caller of that
/// flight. A panic of the key function is its caller's alone.
///
/// # Errors
///
/// Those of the wrapped service, cloned for every caller of the flight. It has none of its own.
pub struct Singleflight<S, F, K, T> {
    pub(crate) inner: S,
    pub(crate) key_fn: F,
    pub(crate) group: Group<K, T>,
    pub(crate) share_if: Option<ShareIf<T>>,
    pub(crate) inspect: Option<Arc<Inspects>>,
    /// `Some` if the layer only tries what it would do.
    pub(crate) shadow: Option<Shadow<K, T>>,
    /// `Some` if flights are shared with other processes.
    pub(crate) fleet: Option<LayerFleet<K, T>>,
}

impl<S, F, K, T> Singleflight<S, F, K, T> {
    /// Wraps a service, with a group of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use std::convert::Infallible;
    /// use tower::{Service, service_fn};
    /// use tower_singleflight::Singleflight;
    ///
    /// let backend = service_fn(|id: u64| async move { Ok::<_, Infallible>(format!("row {id}")) });
    /// let mut service = Singleflight::new(backend, |id: &u64| Some(*id));
    /// let (a, b) = (service.call(7), service.call(7)); // registered: one call of the backend
    /// assert_eq!(service.group().callers(&7), 2);
    /// assert_eq!(a.await, b.await);
    /// # }
    /// ```
    pub fn new(inner: S, key_fn: F) -> Self {
        Self { inner, key_fn, group: Group::new(), share_if: None, inspect: None, shadow: None, fleet: None }
    }

    /// Returns the group: who is in flight, and what to forget.
    pub fn group(&self) -> &Group<K, T> {
        &self.group
    }

    /// Returns the wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the wrapped service, to change it. Flights that are under way have clones of their own.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, F, K, Res, Err, Req> Service<Req> for Singleflight<S, F, K, Result<Res, Err>>
where
    S: Service<Req, Response = Res, Error = Err> + Clone + Send + 'static,
    S::Future: Send + 'static,
    F: KeyFn<Req, Key = K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    Req: Send + 'static,
    Res: Clone + Send + Sync + 'static,
    Err: Clone + Send + Sync + 'static,
{
    type Response = Res;
    type Error = Err;
    type Future = ResponseFuture<S, K, Req, Result<Res, Err>>;

    /// Always ready: a follower needs nothing of the wrapped service, and whether a caller will follow is not known
    /// before its request. In a dry run, as ready as the wrapped service: each call goes there.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Err>> {
        if self.shadow.is_some() {
            return self.inner.poll_ready(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        if let Some(shadow) = &self.shadow {
            let watched = shadow.watch(|| (self.key_fn.key(&request), self.key_fn.is_fresh(&request)));
            // To the service that has been polled ready.
            let next = self.inner.clone();
            let work = ServiceWork { service: replace(&mut self.inner, next), request, share_if: None, fleet: None };
            return ResponseFuture::watched(Group::<K, _>::run_beside(work), watched);
        }
        let key = self.key_fn.key(&request);
        let fresh = self.key_fn.is_fresh(&request);
        let fleet = match (&self.fleet, &key) {
            (Some(fleet), Some(key)) if !fresh => Some(fleet.of(key.clone(), &self.group)),
            _ => None,
        };
        let work = ServiceWork { service: self.inner.clone(), request, share_if: self.share_if.clone(), fleet };
        let call = match key {
            Some(key) if fresh => self.group.run_fresh_in_context(key, work),
            Some(key) => self.group.run_in_context(key, work),
            None => self.group.run_without_key(work),
        };
        ResponseFuture::new(call, self.inspect.clone())
    }
}

impl<S: Clone, F: Clone, K, T> Clone for Singleflight<S, F, K, T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            key_fn: self.key_fn.clone(),
            group: self.group.clone(),
            share_if: self.share_if.clone(),
            inspect: self.inspect.clone(),
            shadow: self.shadow.clone(),
            fleet: self.fleet.clone(),
        }
    }
}

impl<S: fmt::Debug, F, K, T> fmt::Debug for Singleflight<S, F, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Singleflight").field("inner", &self.inner).field("group", &self.group).finish_non_exhaustive()
    }
}
