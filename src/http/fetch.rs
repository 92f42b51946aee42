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
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    asker::Asker,
    body::BodySource,
    judge::{AtHead, Judged, Judging, Until},
    key::HttpKey,
    landed::Landed,
    release::{Permit, Turn},
};
use crate::{
    context::{Context, InContext},
    group::{BoxedWork, Drive, Note, Work},
};

pin_project! {
    /// One call of the wrapped service, in the box that it stays in: a flight's work, or its caller's own.
    pub(crate) struct Fetch<S: Service<Request<B>>, B, RB, E> {
        // `None` once the head of the answer is there.
        #[pin]
        call: Option<InContext<Oneshot<S, Request<B>>, Result<S::Response, S::Error>>>,
        // `Some` from the head on until the answer has been judged.
        judging: Option<Box<Judging<RB>>>,
        // `Some` until one who has waited may begin.
        turn: Option<Box<Turn>>,
        // `Some` while one who has waited makes its call.
        permit: Option<Permit>,
        // When the call was polled first, if it did not answer at once.
        began: Option<Instant>,
        // `None` once the answer has been judged.
        asker: Option<Asker>,
        landed: Option<Landed<RB, E>>,
    }
}

/// A `Fetch` in its box, before or after it is known who drives it.
pub(crate) type BoxedFetch<S, B, RB, E> = Pin<Box<Fetch<S, B, RB, E>>>;

impl<S: Service<Request<B>>, B, RB, E> Fetch<S, B, RB, E> {
    pub(super) fn new(service: S, request: Request<B>, asker: Asker) -> BoxedFetch<S, B, RB, E> {
        let context = Context::of_call(asker.shared.config.scope.as_ref());
        let call = Some(InContext::new(Oneshot::new(service, request), context));
        let asker = Some(asker);
        Box::pin(Self { call, judging: None, turn: None, permit: None, began: None, asker, landed: None })
    }

    /// Returns what is known of the caller.
    ///
    /// # Panics
    ///
    /// Panics once the answer has been judged.
    pub(super) fn asker(&self) -> &Asker {
        match &self.asker {
            Some(asker) => asker,
            None => unreachable!("asked of a call that has not been answered"),
        }
    }

    /// Lets the call wait for its turn, if it is that of one who has waited and there is a limit (D3, D10).
    pub(super) fn line_up(self: Pin<&mut Self>, has_waited: bool) {
        let this = self.project();
        let Some(asker) = this.asker else { return };
        *this.turn = if has_waited { asker.shared.turn(asker.place) } else { None };
    }

    /// Notes that the caller was released: what its own answer says of sharing is evidence (D3).
    pub(super) fn release(self: Pin<&mut Self>) {
        if let Some(asker) = self.project().asker {
            asker.released = true;
        }
    }

    /// Gives it the key of those who agree with it in the fields that `Vary` names.
    pub(super) fn regroup(self: Pin<&mut Self>, variant: HttpKey) {
        if let Some(asker) = self.project().asker {
            asker.key = variant;
        }
    }
}

impl<S, B, RB, E> Work<Landed<RB, E>> for BoxedFetch<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Send + Sync + 'static,
{
    /// It has the context of its call already.
    fn boxed(self, _: Context) -> BoxedWork<Landed<RB, E>> {
        self
    }

    fn is_scoped(&self) -> bool {
        self.asker().shared.config.scope.is_some()
    }
}

impl<S, B, RB, E> Drive<Landed<RB, E>> for Fetch<S, B, RB, E>
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
        let Some(asker) = this.asker.as_ref() else { panic!("a call was polled after it had completed") };
        let others_wait = |key: &HttpKey| {
            // More than a leader: somebody follows.
            asker.shared.group(asker.place).flights::<RB, E>().group.callers(key) > 1
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
                    let said = AtHead::of(asker, &head, &body, others_wait);
                    if said.until == Until::Head {
                        let sharing = asker.judge(said.verdict, &head, said.has_length, *this.began);
                        let source = asker.source(BodySource::new(body).announced(said.announced));
                        let shared = Arc::clone(&asker.shared);
                        *this.landed = Some(Landed { answer: Ok((head, source)), sharing, shared });
                    } else {
                        *this.judging = Some(Box::new(Judging::new(head, body, said)));
                    }
                }
                Err(error) => {
                    let sharing = asker.judge_error(*this.began);
                    *this.landed = Some(Landed { answer: Err(error), sharing, shared: Arc::clone(&asker.shared) });
                }
            }
        }
        if let Some(judging) = this.judging {
            let Judged { sharing, answer } = ready!(judging.poll(asker, *this.began, cx));
            *this.judging = None;
            *this.landed = Some(Landed { answer: Ok(answer), sharing, shared: Arc::clone(&asker.shared) });
        }
        *this.permit = None;
        *this.asker = None;
        Poll::Ready(())
    }

    fn moved(self: Pin<&mut Self>) {
        if let Some(call) = self.project().call.as_pin_mut() {
            call.moved();
        }
    }

    fn may_share(&self) -> bool {
        self.landed.as_ref().is_some_and(|landed| landed.sharing.rule.is_none())
    }

    fn note(&self) -> Option<Note> {
        self.landed.as_ref().map(|landed| Arc::new(landed.sharing.clone()) as Note)
    }

    fn take_value(self: Pin<&mut Self>) -> Landed<RB, E> {
        match self.project().landed.take() {
            Some(landed) => landed,
            None => unreachable!("the value is taken once, when the work has ended"),
        }
    }
}
