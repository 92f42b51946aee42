//! One call of the wrapped service, a flight's work or its caller's own, and the verdict on its answer.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tokio::time::Instant;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    answer::Answer,
    body::BodySource,
    judge::{AtHead, Judged, Judging, Until},
    key::HttpKey,
    release::{Permit, Turn},
    requester::Requester,
};
use crate::{
    context::{Context, InContext},
    group::{BoxedWork, Drive, Note, Work},
};

/// The wrapped service's readiness and its answer, in the context of the call.
type Inner<S, R> = InContext<Oneshot<S, R>, Result<<S as Service<R>>::Response, <S as Service<R>>::Error>>;

/// One call of the wrapped service, in the box that it stays in: a flight's work, or its caller's own.
#[pin_project]
pub(crate) struct Fetch<S: Service<Request<B>>, B, RB, E> {
    /// `None` once the head of the answer is there.
    #[pin]
    call: Option<Inner<S, Request<B>>>,
    /// `Some` from the head on until the answer has been judged.
    judging: Option<Box<Judging<RB>>>,
    /// `Some` until one who has waited may begin.
    turn: Option<Box<Turn>>,
    /// `Some` while one who has waited makes its call.
    permit: Option<Permit>,
    /// When the call was polled first, if it did not answer at once.
    began: Option<Instant>,
    /// `None` once the answer has been judged.
    requester: Option<Requester>,
    answer: Option<Answer<RB, E>>,
}

/// A `Fetch` in its box, before or after it is known who drives it.
pub(crate) type BoxedFetch<S, B, RB, E> = Pin<Box<Fetch<S, B, RB, E>>>;

impl<S: Service<Request<B>>, B, RB, E> Fetch<S, B, RB, E> {
    pub(super) fn new(service: S, request: Request<B>, requester: Requester) -> BoxedFetch<S, B, RB, E> {
        let context = Context::of_call(requester.coalescer.config.scope.as_ref());
        let call = Some(InContext::new(Oneshot::new(service, request), context));
        let requester = Some(requester);
        Box::pin(Self { call, judging: None, turn: None, permit: None, began: None, requester, answer: None })
    }

    /// Returns what is known of the caller.
    ///
    /// # Panics
    ///
    /// Panics once the answer has been judged.
    pub(super) fn requester(&self) -> &Requester {
        match &self.requester {
            Some(requester) => requester,
            None => unreachable!("asked of a call that has not been answered"),
        }
    }

    /// Lets the call wait for its turn, if it is that of one who has waited and there is a limit (D3, D10).
    pub(super) fn line_up(self: Pin<&mut Self>, has_waited: bool) {
        let this = self.project();
        let Some(requester) = this.requester else { return };
        *this.turn = if has_waited { requester.coalescer.turn(requester.place) } else { None };
    }

    /// Notes that the caller was released: what its own answer says of audience is evidence (D3).
    pub(super) fn release(self: Pin<&mut Self>) {
        if let Some(requester) = self.project().requester {
            requester.released = true;
        }
    }

    /// Gives it the key of those who agree with it in the fields that `Vary` names.
    pub(super) fn regroup(self: Pin<&mut Self>, variant: HttpKey) {
        if let Some(requester) = self.project().requester {
            requester.key = variant;
        }
    }
}

impl<S, B, RB, E> Work<Answer<RB, E>> for BoxedFetch<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Send + Sync + 'static,
{
    /// It has the context of its call already.
    fn boxed(self, _: Context) -> BoxedWork<Answer<RB, E>> {
        self
    }

    fn is_scoped(&self) -> bool {
        self.requester().coalescer.config.scope.is_some()
    }
}

impl<S, B, RB, E> Drive<Answer<RB, E>> for Fetch<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Send + Sync + 'static,
{
    fn poll_end(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(turn) = this.turn {
            *this.permit = ready!(turn.poll(cx));
            *this.turn = None;
        }
        let Some(requester) = this.requester.as_ref() else { panic!("a call was polled after it had completed") };
        let others_wait = |key: &HttpKey| {
            // More than a leader: somebody follows.
            requester.coalescer.group(requester.place).flights::<RB, E>().group.callers(key) > 1
        };
        if let Some(call) = this.call.as_mut().as_pin_mut() {
            let polling = this.permit.as_ref().map(Permit::enter);
            let Poll::Ready(result) = call.poll(cx) else {
                // An answer that is there at once has no late comers, and asks no clock.
                if this.began.is_none() {
                    *this.began = Some(Instant::now());
                }
                return Poll::Pending;
            };
            drop(polling);
            this.call.set(None);
            match result {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let said = AtHead::of(requester, &head, &body, others_wait);
                    if said.until == Until::Head {
                        let audience = requester.judge(said.verdict, &head, said.has_length, *this.began);
                        let source = requester.source(BodySource::new(body).announced(said.announced));
                        *this.answer = Some(Answer { result: Ok((head, source)), audience });
                    } else {
                        *this.judging = Some(Box::new(Judging::new(head, body, said)));
                    }
                }
                Err(error) => {
                    let audience = requester.judge_error(*this.began);
                    *this.answer = Some(Answer { result: Err(error), audience });
                }
            }
        }
        if let Some(judging) = this.judging {
            let Judged { audience, answer } = ready!(judging.poll(requester, *this.began, cx));
            *this.judging = None;
            *this.answer = Some(Answer { result: Ok(answer), audience });
        }
        *this.permit = None;
        *this.requester = None;
        Poll::Ready(())
    }

    fn moved(self: Pin<&mut Self>) {
        if let Some(call) = self.project().call.as_pin_mut() {
            call.moved();
        }
    }

    fn may_share(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| answer.audience.rule.is_none())
    }

    fn note(&self) -> Option<Note> {
        self.answer.as_ref().map(|answer| Arc::new(answer.audience.clone()) as Note)
    }

    fn take_value(self: Pin<&mut Self>) -> Answer<RB, E> {
        match self.project().answer.take() {
            Some(answer) => answer,
            None => unreachable!("the value is taken once, when the work has ended"),
        }
    }
}
