//! A request that goes alone from the start: a call of its own, whose answer waits for no verdict.

use std::{
    mem::forget,
    pin::Pin,
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
    membership::{FleetPart, Hold},
    passed::Inside,
    plan::Alone,
    policy::Forwarded,
    rule::{Coalesced, Rule},
    watch::HttpWatch,
    write::{FenceOnPanic, Write},
};
use crate::{Reason, Role, rare::Rare};

/// A call that shares nothing. It stays in its caller's task, so it takes no context along.
#[pin_project]
pub(super) struct Bypass<S: Service<Request<B>>, B> {
    #[pin]
    call: Oneshot<S, Request<B>>,
    /// What the answer will fence (S21).
    write: Option<Write>,
    /// The answer, while the fleet is told of what it has changed.
    held: Hold<Result<S::Response, S::Error>>,
    rule: Rule,
    /// The request was marked as one that has passed.
    marked: bool,
}

impl<S: Service<Request<B>>, B> Bypass<S, B> {
    #[inline(always)]
    pub(super) fn new(service: S, request: Request<B>, write: Option<Write>, alone: Alone) -> Self {
        let Alone { rule, marked, .. } = alone;
        Self { call: Oneshot::new(service, request), write, held: Hold::none(), rule, marked }
    }

    /// Inlined, since an answer is large.
    #[inline(always)]
    pub(super) fn poll<RB>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        coalescer: &Coalescer,
        watch: &mut Rare<HttpWatch>,
    ) -> Poll<Result<Response<SharedBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        SharedBody<RB>: Body,
    {
        if self.held.is_held() {
            return self.poll_held(cx, coalescer, watch);
        }
        let this = self.project();
        let on_panic = FenceOnPanic(this.write);
        let inside = Inside::enter(coalescer.marking(), *this.marked);
        let polled = this.call.poll(cx);
        forget(on_panic);
        drop(inside);
        let mut result = ready!(polled);
        // The fences go up before anyone has the answer, and before `inspect` is told.
        let mut at_end = None;
        if let Some(write) = this.write.as_ref() {
            let fencing = match &result {
                Ok(response) => write.answered(response.status(), response.headers()),
                Err(_) => Some(write.failed()),
            };
            match fencing {
                Some(mut fencing) => {
                    if fencing.poll(cx).is_pending() {
                        this.held.keep(result, fencing);
                        return Poll::Pending;
                    }
                }
                // Moved only now, since it is large.
                None => at_end = this.write.take(),
            }
        }
        tell(&mut result, *this.rule, coalescer, watch);
        Poll::Ready(lone(result, at_end))
    }

    /// Waits until the fleet has been told.
    #[cold]
    fn poll_held<RB>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        coalescer: &Coalescer,
        watch: &mut Rare<HttpWatch>,
    ) -> Poll<Result<Response<SharedBody<RB>>, S::Error>>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        SharedBody<RB>: Body,
    {
        let this = self.project();
        let mut result = ready!(this.held.poll(cx));
        tell(&mut result, *this.rule, coalescer, watch);
        // The head of what is held has fenced already, and its end has nothing to add.
        Poll::Ready(lone(result, None))
    }
}

/// Says in an answer what became of its request.
#[inline(always)]
fn tell<RB, E>(result: &mut Result<Response<RB>, E>, rule: Rule, coalescer: &Coalescer, watch: &mut Rare<HttpWatch>) {
    let role = Role::Alone(Reason::NoKey);
    if watch.is_some() {
        HttpWatch::answered(watch, role, 1);
    }
    coalescer.inspected(role, 1);
    let forwarded = if rule == Rule::S1Method { Forwarded::Method } else { Forwarded::Bypass };
    let coalesced = Coalesced::new(role, Some(rule), FleetPart::default());
    // In place, since a response is large.
    if let Ok(response) = result {
        mark(response.extensions_mut(), coalesced);
        coalescer.report(response.headers_mut(), coalesced, forwarded);
    }
}

/// Gives an answer the body of a caller that shares nothing. `at_end`: what its end fences.
#[inline(always)]
fn lone<RB, E>(result: Result<Response<RB>, E>, at_end: Option<Write>) -> Result<Response<SharedBody<RB>>, E>
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
