//! One call of the wrapped service, a flight's work or its caller's own, and the verdict on its answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderName, Request, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    body::BodySource,
    config::Shared,
    fence::Fence,
    key::HttpKey,
    policy::{Asked, Verdict},
    release::{Permit, Turn},
};
use crate::group::{BoxedWork, Drive, Share, Work};

pin_project! {
    /// One call of the wrapped service, in the box that it stays in: a flight's work, or its caller's own.
    pub(crate) struct Fetch<S: Service<Request<B>>, B, RB, E> {
        // `None` once the answer is there.
        #[pin]
        call: Option<Oneshot<S, Request<B>>>,
        // `Some` until a released follower may begin.
        turn: Option<Turn>,
        // `Some` while a released follower makes its call.
        permit: Option<Permit>,
        // Held until the answer is there, or given up.
        fence: Option<Fence>,
        // `None` once the answer is there.
        asker: Option<Asker>,
        landed: Option<Landed<RB, E>>,
    }
}

/// A `Fetch` in its box, before or after it is known who drives it.
pub(crate) type BoxedFetch<S, B, RB, E> = Pin<Box<Fetch<S, B, RB, E>>>;

/// What is known of a caller when its answer is judged.
pub(super) struct Asker {
    pub(super) shared: Arc<Shared>,
    /// `None` if the request bypasses: its answer is judged for nobody.
    pub(super) key: Option<HttpKey>,
    pub(super) asked: Asked,
}

/// What a flight lands with.
pub(crate) struct Landed<RB, E> {
    pub(super) answer: Result<(response::Parts, BodySource<RB>), E>,
    pub(super) sharing: Sharing,
    /// The leader's.
    pub(super) shared: Arc<Shared>,
}

/// Who may have an answer.
#[derive(Clone)]
pub(super) enum Sharing {
    All,
    /// Whoever agrees with the leader in the request fields that `Vary` named (S9).
    Matching(Arc<Vary>),
    /// The leader only.
    Nobody,
}

/// What followers compare: one for all of them.
pub(super) struct Vary {
    names: Vec<HeaderName>,
    leader: HttpKey,
}

impl<RB: Body, E: Clone> Clone for Landed<RB, E> {
    fn clone(&self) -> Self {
        Self { answer: self.answer.clone(), sharing: self.sharing.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl Sharing {
    /// Returns the key under which a follower asks again if it may not have the leader's answer.
    pub(super) fn mismatch(&self, follower: &HttpKey) -> Option<HttpKey> {
        let Self::Matching(vary) = self else { return None };
        (!follower.agrees(&vary.leader, &vary.names)).then(|| follower.variant(&vary.names))
    }
}

impl Asker {
    /// Judges the head of an answer; keeps the memory of unshareable keys.
    fn judge(&self, head: &response::Parts, others_wait: impl FnOnce(&HttpKey) -> bool) -> Sharing {
        let Some(key) = &self.key else { return Sharing::Nobody };
        let config = &self.shared.config;
        let unshareable = self.shared.group.unshareable();
        let sharing = match config.policy.verdict(self.asked, head) {
            Verdict::All => Sharing::All,
            Verdict::Matching(mut names) => {
                names.retain(|name| !config.recipe.covers(name));
                match names.is_empty() {
                    true => Sharing::All,
                    false => Sharing::Matching(Arc::new(Vary { names, leader: key.clone() })),
                }
            }
            Verdict::Nobody => Sharing::Nobody,
        };
        match sharing {
            // A failing or overloaded origin is no reason to send it the next burst (D4).
            Sharing::Nobody if head.status.is_server_error() || matches!(head.status.as_u16(), 408 | 425 | 429) => {}
            Sharing::Nobody if others_wait(key) => unshareable.remember(key, config.remember),
            Sharing::Nobody => {}
            Sharing::All | Sharing::Matching(_) => unshareable.clear(key),
        }
        sharing
    }
}

impl<S: Service<Request<B>>, B, RB, E> Fetch<S, B, RB, E> {
    pub(super) fn new(service: S, request: Request<B>, fence: Option<Fence>, asker: Asker) -> BoxedFetch<S, B, RB, E> {
        let call = Some(Oneshot::new(service, request));
        Box::pin(Self { call, turn: None, permit: None, fence, asker: Some(asker), landed: None })
    }

    /// Returns what is known of the caller.
    ///
    /// # Panics
    ///
    /// Panics once the answer is there.
    pub(super) fn asker(&self) -> &Asker {
        match &self.asker {
            Some(asker) => asker,
            None => unreachable!("asked of a call that has not been answered"),
        }
    }

    /// Lets the call wait for its turn, if it is that of a released follower and there is a limit (D3).
    pub(super) fn line_up(self: Pin<&mut Self>, released: bool) {
        let this = self.project();
        let Some(asker) = this.asker else { return };
        *this.turn = if released { asker.shared.turn() } else { None };
    }

    /// Gives it the key of those who agree with it in the fields that `Vary` names.
    pub(super) fn regroup(self: Pin<&mut Self>, variant: HttpKey) {
        if let Some(asker) = self.project().asker {
            asker.key = Some(variant);
        }
    }
}

impl<S, B, RB, E> Work<Landed<RB, E>> for BoxedFetch<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Send + 'static,
    E: Send + Sync + 'static,
{
    fn boxed(self) -> BoxedWork<Landed<RB, E>> {
        self
    }
}

impl<S, B, RB, E> Drive<Landed<RB, E>> for Fetch<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send,
    S::Future: Send,
    B: Send,
    RB: Send + 'static,
    E: Send + Sync + 'static,
{
    fn poll_end(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let Some(turn) = this.turn {
            *this.permit = ready!(turn.as_mut().poll(cx));
            *this.turn = None;
        }
        let Some(call) = this.call.as_mut().as_pin_mut() else { panic!("a call was polled after it had completed") };
        let polling = this.permit.as_ref().map(Permit::enter);
        let result = ready!(call.poll(cx));
        drop(polling);
        this.call.set(None);
        *this.permit = None;
        *this.fence = None;
        let Some(asker) = this.asker.take() else { unreachable!("it goes with the call") };
        let config = &asker.shared.config;
        let (answer, sharing) = match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let group = || &asker.shared.group.flights::<RB, E>().group;
                // More than a leader: somebody follows.
                let sharing = asker.judge(&head, |key| group().callers(key) > 1);
                let body = BodySource::new(body).window(config.window).stall(config.stall);
                (Ok((head, body)), sharing)
            }
            Err(error) => {
                let share = config.policy.shares_errors(asker.asked);
                (Err(error), if share { Sharing::All } else { Sharing::Nobody })
            }
        };
        *this.landed = Some(Landed { answer, sharing, shared: asker.shared });
        Poll::Ready(())
    }

    fn sharing(&self) -> Share {
        match self.landed.as_ref().map(|landed| &landed.sharing) {
            Some(Sharing::All | Sharing::Matching(_)) => Share::All,
            Some(Sharing::Nobody) | None => Share::Nobody(None),
        }
    }

    fn take_value(self: Pin<&mut Self>) -> Landed<RB, E> {
        match self.project().landed.take() {
            Some(landed) => landed,
            None => unreachable!("the value is taken once, when the work has ended"),
        }
    }
}
