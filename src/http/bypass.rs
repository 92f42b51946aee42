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
    membership::{Fencing, FleetPart},
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
    held: Option<Box<Held<S::Response, S::Error>>>,
    rule: Rule,
    /// The request was marked as one that has passed.
    marked: bool,
}

/// An answer that nobody gets before the fleet has been told.
struct Held<R, E> {
    result: Result<R, E>,
    at_end: Option<Write>,
    fencing: Fencing,
}

impl<S: Service<Request<B>>, B> Bypass<S, B> {
    pub(super) fn new(service: S, request: Request<B>, alone: Alone) -> Self {
        let Alone { rule, write, marked, place: _ } = alone;
        Self { call: Oneshot::new(service, request), write, held: None, rule, marked }
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
        let this = self.project();
        let (mut result, at_end, mut fencing) = match this.held.take() {
            Some(held) => {
                let Held { result, at_end, fencing } = *held;
                (result, at_end, fencing)
            }
            None => {
                let on_panic = OnPanic(this.write);
                let inside = Inside::enter(coalescer.marking(), *this.marked);
                let result = ready!(this.call.poll(cx));
                drop((inside, on_panic));
                // The fences go up before anyone has the answer, and before `inspect`, which may panic.
                let (at_end, fencing) = match (&result, this.write.take()) {
                    (Ok(response), Some(write)) => write.answered(response.status(), response.headers()),
                    (Err(_), Some(write)) => (None, write.failed()),
                    (_, None) => (None, Fencing::default()),
                };
                (result, at_end, fencing)
            }
        };
        if fencing.poll(cx).is_pending() {
            *this.held = Some(Box::new(Held { result, at_end, fencing }));
            return Poll::Pending;
        }
        let role = Role::Alone(Reason::NoKey);
        if watch.is_some() {
            HttpWatch::answered(watch, role, 1);
        }
        if let Some(inspect) = &coalescer.config.inspect {
            inspect(role, 1);
        }
        let forwarded = if *this.rule == Rule::S1Method { Forwarded::Method } else { Forwarded::Bypass };
        let coalesced = Coalesced::new(role, Some(*this.rule), FleetPart::default());
        // In place, since a response is large.
        if let Ok(response) = &mut result {
            coalescer.mark(response.extensions_mut(), coalesced);
            coalescer.report(response.headers_mut(), coalesced, forwarded);
        }
        Poll::Ready(match result {
            Ok(response) => Ok(response.map(|body| {
                let body = SharedBody::lone(body);
                match at_end {
                    Some(write) => write.watch(body),
                    None => body,
                }
            })),
            Err(error) => Err(error),
        })
    }
}
