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
    answer::{Answer, Audience},
    body::BodySource,
    fleet::FleetWork,
    judge::{AtHead, Judging, Until},
    key::HttpKey,
    passed::Inside,
    release::{Permit, PermitWait},
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
    #[pin]
    stage: FetchStage<S, B, RB, E>,
    /// `Some` until a caller that has waited may make its call.
    permit_wait: Option<Box<PermitWait>>,
    /// `Some` while a caller that has waited makes its call.
    permit: Option<Permit>,
    fleet: FleetWork,
    /// When the call was polled first, if it did not answer at once.
    began: Option<Instant>,
    /// `None` once the answer has been judged.
    requester: Option<Requester>,
}

/// How far a call has come. One field, since a call and its answer are never there together: two took 60 instructions
/// more to move about.
#[pin_project(project = FetchStageProj)]
enum FetchStage<S: Service<Request<B>>, B, RB, E> {
    /// Calling => (Judging | Answered): when the head of the answer is there.
    Calling(#[pin] Inner<S, Request<B>>),
    /// Judging => Answered: when enough of the body has been read.
    Judging(Box<Judging<RB>>),
    /// `None` once the answer has been taken.
    Answered(Option<Answer<RB, E>>),
}

/// A `Fetch` in its box, before or after it is known who drives it.
pub(crate) type BoxedFetch<S, B, RB, E> = Pin<Box<Fetch<S, B, RB, E>>>;

impl<S: Service<Request<B>>, B, RB, E> Fetch<S, B, RB, E> {
    #[inline(always)]
    pub(super) fn new(service: S, request: Request<B>, requester: Requester) -> BoxedFetch<S, B, RB, E> {
        let context = Context::of_call(requester.coalescer.config.scope.as_ref());
        let stage = FetchStage::Calling(InContext::new(Oneshot::new(service, request), context));
        let fleet = FleetWork::new(requester.fleet);
        Box::pin(Self { stage, permit_wait: None, permit: None, fleet, began: None, requester: Some(requester) })
    }

    /// Keeps the call in this process: it is not the work of a flight that other processes may join.
    pub(super) fn stay(self: Pin<&mut Self>) {
        self.project().fleet.stay();
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

    /// Returns with whom the answer is shared; `None` before it has been judged, and once it has been taken.
    fn audience(&self) -> Option<&Audience> {
        match &self.stage {
            FetchStage::Answered(answer) => answer.as_ref().map(|answer| &answer.audience),
            FetchStage::Calling(_) | FetchStage::Judging(_) => None,
        }
    }

    /// Lets the call wait for a permit, if its caller has waited in vain and there is a limit (D3, D10).
    pub(super) fn line_up(self: Pin<&mut Self>, has_waited: bool) {
        let this = self.project();
        this.fleet.stay();
        let Some(requester) = this.requester else { return };
        *this.permit_wait = if has_waited { requester.coalescer.permit_wait(requester.place) } else { None };
    }

    /// Notes that the caller was released: what its own answer says of sharing is evidence (D3).
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

impl<S, B, RB, E> FetchStage<S, B, RB, E>
where
    S: Service<Request<B>>,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Send + Sync + 'static,
{
    /// Returns the stage after the call. Where the head of the answer does not tell who may have it, some of the body is read
    /// ahead.
    #[inline(always)]
    fn answered(requester: &Requester, result: Result<Response<RB>, E>, began: Option<Instant>) -> Self {
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let audience = requester.judge_error(began);
                return Self::Answered(Some(Answer { result: Err(error), audience }));
            }
        };
        let others_wait = |key: &HttpKey| {
            // More than a leader: somebody follows, or waits for the next run.
            let group = &requester.group().flights::<RB, E>().group;
            group.callers(key) > 1 || group.waiting(key) > 0
        };
        let (head, body) = response.into_parts();
        let said = AtHead::of(requester, &head, &body, others_wait);
        if said.until != Until::Head {
            return Self::Judging(Box::new(Judging::new(head, body, said)));
        }
        let audience = requester.judge(said.verdict, head.status, said.has_length, began);
        let source = requester.source(BodySource::new(body).announced(said.announced));
        Self::Answered(Some(Answer { result: Ok((head, source)), audience }))
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
        let Some(requester) = this.requester.as_ref() else { panic!("a call was polled after it had completed") };
        // D12: the call is made later, perhaps in another task, but it still runs in what surrounds this poll.
        if this.permit_wait.is_some() || this.fleet.is_wanted() {
            if let FetchStageProj::Calling(call) = this.stage.as_mut().project() {
                call.begin();
            }
        }
        if let Some(answer) = ready!(this.fleet.poll_ask(requester, this.began, cx)) {
            this.stage.set(FetchStage::Answered(Some(*answer)));
        }
        let requester = match this.fleet.in_vain() {
            None => requester,
            Some(in_vain) => {
                // It has waited for another process, as a caller that is released here has waited for another caller.
                *this.permit_wait = requester.coalescer.permit_wait_within(requester.place, Some(in_vain.max_wait));
                let Some(requester) = this.requester.as_mut() else { unreachable!("it was there a moment ago") };
                requester.released |= in_vain.is_evidence;
                requester
            }
        };
        if let Some(permit_wait) = this.permit_wait {
            *this.permit = ready!(permit_wait.poll(cx));
            *this.permit_wait = None;
        }
        if let FetchStageProj::Calling(call) = this.stage.as_mut().project() {
            let inside = Inside::enter(requester.coalescer.marking(), requester.marked);
            let polling = this.permit.as_ref().map(Permit::enter);
            let Poll::Ready(result) = this.fleet.poll_work(cx, |cx| call.poll(cx)) else {
                // Nobody comes late to an answer that is there at once, so the clock is not read for it.
                if this.began.is_none() {
                    *this.began = Some(Instant::now());
                }
                return Poll::Pending;
            };
            drop((polling, inside));
            this.stage.set(FetchStage::answered(requester, result, *this.began));
        }
        if let FetchStageProj::Judging(judging) = this.stage.as_mut().project() {
            let answer = ready!(this.fleet.poll_work(cx, |cx| judging.poll(requester, *this.began, cx)));
            this.stage.set(FetchStage::Answered(Some(answer)));
        }
        *this.permit = None;
        if let FetchStageProj::Answered(Some(answer)) = this.stage.project() {
            ready!(this.fleet.poll_close(requester, answer, cx));
        }
        *this.requester = None;
        Poll::Ready(())
    }

    fn moved(self: Pin<&mut Self>) {
        if let FetchStageProj::Calling(call) = self.project().stage.project() {
            call.moved();
        }
    }

    fn speaks_for_next(&self) -> bool {
        self.audience().is_some_and(Audience::speaks_for_next)
    }

    fn may_be_older(&self) -> bool {
        self.fleet.may_ask()
    }

    fn began_elsewhere(&self) -> Option<Instant> {
        self.fleet.began_elsewhere()
    }

    fn may_share(&self) -> bool {
        self.audience().is_some_and(|audience| audience.rule.is_none())
    }

    fn note(&self) -> Option<Note> {
        self.audience().map(|audience| Arc::new(audience.clone()) as Note)
    }

    fn take_value(self: Pin<&mut Self>) -> Answer<RB, E> {
        match self.project().stage.project() {
            FetchStageProj::Answered(answer) => answer.take(),
            FetchStageProj::Calling(_) | FetchStageProj::Judging(_) => None,
        }
        .unwrap_or_else(|| unreachable!("the value is taken once, when the work has ended"))
    }
}
