//! A request that goes alone from the start: its own call, on whose answer nobody waits for a verdict.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    body::SharedBody,
    coalescer::Coalescer,
    mark::mark,
    membership::{Fencing, FleetPart, Hold},
    passed::Inside,
    plan::Alone,
    policy::Forwarded,
    rule::{Coalesced, Rule},
    watch::HttpWatch,
    write::{OnPanic, Write},
};
use crate::{Reason, Role};

/// A call that shares nothing. It stays in its caller's task, so it takes no context along.
#[pin_project]
pub(super) struct Bypass<S: Service<Request<B>>, B> {
    #[pin]
    call: Oneshot<S, Request<B>>,
    /// What the answer will fence (S21).
    write: Option<Write>,
    /// The answer, while the fleet is told of what it has changed.
    held: Hold<Answered<S::Response, S::Error>>,
    rule: Rule,
    /// The request was marked as one that has passed.
    marked: bool,
}

/// The answer, and what its end will fence.
type Answered<R, E> = (Result<R, E>, Option<Write>);

impl<S: Service<Request<B>>, B> Bypass<S, B> {
    pub(super) fn new(service: S, request: Request<B>, alone: Alone) -> Self {
        let Alone { rule, write, marked, place: _ } = alone;
        Self { call: Oneshot::new(service, request), write, held: Hold::none(), rule, marked }
    }

    /// Inlined, since an answer is large.
    #[inline(always)]
    pub(super) fn poll<RB>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        coalescer: &Coalescer,
        watch: &mut Option<Arc<HttpWatch>>,
    ) -> Poll<Result<Response<SharedBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        SharedBody<RB>: Body,
    {
        if self.held.is_held() {
            return self.poll_held(cx, coalescer, watch);
        }
        let this = self.project();
        let on_panic = OnPanic(this.write);
        let inside = Inside::enter(coalescer.marking(), *this.marked);
        let mut result = ready!(this.call.poll(cx));
        drop((inside, on_panic));
        // The fences go up before anyone has the answer, and before `inspect`, which may panic.
        let (at_end, mut fencing) = match (&result, this.write.take()) {
            (Ok(response), Some(write)) => write.answered(response.status(), response.headers()),
            (Err(_), Some(write)) => (None, write.failed()),
            (_, None) => (None, Fencing::default()),
        };
        if fencing.poll(cx).is_pending() {
            this.held.keep((result, at_end), fencing);
            return Poll::Pending;
        }
        tell(&mut result, *this.rule, coalescer, watch);
        Poll::Ready(lone((result, at_end)))
    }

    /// Waits until the fleet has been told.
    #[cold]
    fn poll_held<RB>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        coalescer: &Coalescer,
        watch: &mut Option<Arc<HttpWatch>>,
    ) -> Poll<Result<Response<SharedBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        SharedBody<RB>: Body,
    {
        let this = self.project();
        let (mut result, at_end) = ready!(this.held.poll(cx));
        tell(&mut result, *this.rule, coalescer, watch);
        Poll::Ready(lone((result, at_end)))
    }
}

/// Says in an answer what became of its request.
#[inline(always)]
fn tell<RB, E>(
    result: &mut Result<Response<RB>, E>,
    rule: Rule,
    coalescer: &Coalescer,
    watch: &mut Option<Arc<HttpWatch>>,
) {
    let role = Role::Alone(Reason::NoKey);
    if watch.is_some() {
        HttpWatch::answered(watch, role, 1);
    }
    if let Some(inspect) = &coalescer.config.inspect {
        inspect(role, 1);
    }
    let forwarded = if rule == Rule::S1Method { Forwarded::Method } else { Forwarded::Bypass };
    let coalesced = Coalesced::new(role, Some(rule), FleetPart::default());
    // In place, since a response is large.
    if let Ok(response) = result {
        mark(response.extensions_mut(), coalesced);
        coalescer.report(response.headers_mut(), coalesced, forwarded);
    }
}

/// Gives an answer the body of a caller that shares nothing.
#[inline(always)]
fn lone<RB, E>((result, at_end): Answered<Response<RB>, E>) -> Result<Response<SharedBody<RB>>, E>
where
    SharedBody<RB>: Body,
{
    result.map(|response| {
        response.map(|body| {
            let body = SharedBody::lone(body);
            match at_end {
                Some(write) => write.watch(body),
                None => body,
            }
        })
    })
}
