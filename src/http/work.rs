//! What a flight runs over HTTP: one call of the wrapped service, and the verdict on its answer.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderName, Request, Response, response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::sync::OwnedSemaphorePermit;
use tower::util::Oneshot;
use tower_service::Service;

use super::{
    body::BodySource,
    config::{Permit, Shared},
    key::HttpKey,
    policy::{Asked, Verdict},
};
use crate::group::{ShareIf, Work};

/// A caller's own request, with the service to send it to.
pub(crate) struct HttpWork<S, B> {
    pub(super) service: S,
    pub(super) request: Request<B>,
    pub(super) asker: Asker,
}

/// What is known of a caller when an answer is judged.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) shared: Arc<Shared>,
    pub(super) key: HttpKey,
    pub(super) asked: Asked,
    /// A follower that disagreed with its leader in a field that `Vary` names, and asks among its like (D3).
    pub(super) regrouped: bool,
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

impl<RB, E> Landed<RB, E> {
    pub(super) fn is_shareable(&self) -> bool {
        !matches!(self.sharing, Sharing::Nobody)
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
    pub(super) fn judge(&self, head: &response::Parts, others_wait: impl FnOnce(&HttpKey) -> bool) -> Sharing {
        let config = &self.shared.config;
        let unshareable = self.shared.group.unshareable();
        let sharing = match config.policy.verdict(self.asked, head) {
            Verdict::All => Sharing::All,
            Verdict::Matching(mut names) => {
                names.retain(|name| !config.recipe.covers(name));
                match names.is_empty() {
                    true => Sharing::All,
                    false => Sharing::Matching(Arc::new(Vary { names, leader: self.key.clone() })),
                }
            }
            Verdict::Nobody => Sharing::Nobody,
        };
        match sharing {
            // A failing or overloaded origin is no reason to send it the next burst (D4).
            Sharing::Nobody if head.status.is_server_error() || matches!(head.status.as_u16(), 408 | 425 | 429) => {}
            Sharing::Nobody if others_wait(&self.key) => unshareable.remember(&self.key, config.remember),
            Sharing::Nobody => {}
            Sharing::All | Sharing::Matching(_) => unshareable.clear(&self.key),
        }
        sharing
    }
}

pin_project! {
    /// The call of the wrapped service, as the work of a flight.
    pub(crate) struct Fetch<S: Service<Request<B>>, B> {
        #[pin]
        call: Oneshot<S, Request<B>>,
        // `Some` until a released follower that leads may begin.
        waits: Option<Permit>,
        permit: Option<OwnedSemaphorePermit>,
        // `Some` until the answer is there.
        asker: Option<Asker>,
    }
}

impl<S, B, RB, E> Work<Landed<RB, E>> for HttpWork<S, B>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Send + 'static,
    E: Send + Sync + 'static,
{
    type Future = Fetch<S, B>;

    fn start(self) -> (Self::Future, Option<ShareIf<Landed<RB, E>>>) {
        // Who regroups has been released, and makes a call of its own (D3).
        let waits = self.asker.regrouped.then(|| self.asker.shared.permit()).flatten();
        let call = Oneshot::new(self.service, self.request);
        (Fetch { call, waits, permit: None, asker: Some(self.asker) }, Some(ShareIf::Rule(Landed::is_shareable)))
    }
}

impl<S, B, RB, E> Future for Fetch<S, B>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E>,
    RB: Send + 'static,
    E: Send + Sync + 'static,
{
    type Output = Landed<RB, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(waits) = this.waits {
            *this.permit = ready!(waits.as_mut().poll(cx));
            *this.waits = None;
        }
        let result = ready!(this.call.poll(cx));
        *this.permit = None;
        let Some(asker) = this.asker.take() else { panic!("a call was polled after it had completed") };
        let config = &asker.shared.config;
        let (answer, sharing) = match result {
            Ok(response) => {
                let (head, body) = response.into_parts();
                let group = &asker.shared.group.flights::<RB, E>().group;
                let sharing = asker.judge(&head, |key| group.callers(key) > 1);
                let body = BodySource::new(body).window(config.window).stall(config.stall);
                (Ok((head, body)), sharing)
            }
            Err(error) => {
                let share = config.policy.shares_errors(asker.asked);
                (Err(error), if share { Sharing::All } else { Sharing::Nobody })
            }
        };
        Poll::Ready(Landed { answer, sharing, shared: asker.shared })
    }
}
