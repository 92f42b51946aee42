//! The response future over HTTP: from a seat on a flight to a response of the caller's own.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    body::SharedBody,
    bypass::Bypass,
    fetch::{BoxedFetch, Fetch},
    key::HttpKey,
    landed::{Landed, Sharing, Step, Tried},
    policy::Forwarded,
    rule::{Coalesced, Rule},
    shared::Shared,
    write::Write,
};
use crate::{
    Outcome, Reason, Role,
    group::{Call, Drive, Landing},
};

/// The response future of [`HttpSingleflight`](crate::HttpSingleflight).
///
/// # Cancel safety
///
/// Dropping it leaves the flight, which goes on for the others; the last one to leave drops the call of the wrapped
/// service, and so does one that goes alone.
///
/// # Panics
///
/// A panic of the wrapped service is raised again in every caller of the flight. Panics if polled after it has completed.
#[must_use = "futures do nothing unless you await or poll them"]
pub struct HttpResponseFuture<S: Service<Request<B>>, B, RB, E> {
    state: State<S, B, RB, E>,
}

enum State<S: Service<Request<B>>, B, RB, E> {
    /// On a flight.
    Aboard { call: Flown<S, B, RB, E>, joined: Joined },
    /// In a call that shares nothing.
    Bypass { bypass: Pin<Box<Bypass<S, B>>> },
    /// In a call of its own: its request is sent once (S23).
    Alone { fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded, rule: Option<Rule> },
}

type Flown<S, B, RB, E> = Call<HttpKey, Landed<RB, E>, BoxedFetch<S, B, RB, E>>;

/// How a caller came to its flight.
#[derive(Clone, Copy)]
struct Joined {
    /// When it called; `None`: it leads its first flight.
    at: Option<Instant>,
    tried: Tried,
}

impl<S: Service<Request<B>>, B, RB, E> HttpResponseFuture<S, B, RB, E> {
    pub(super) fn aboard(call: Flown<S, B, RB, E>) -> Self {
        let at = if call.is_leader() { None } else { Some(Instant::now()) };
        Self { state: State::Aboard { call, joined: Joined { at, tried: Tried::default() } } }
    }

    pub(super) fn bypass(
        service: S,
        request: Request<B>,
        write: Option<Write>,
        shared: Arc<Shared>,
        rule: Rule,
    ) -> Self {
        Self { state: State::Bypass { bypass: Box::pin(Bypass::new(service, request, write, shared, rule)) } }
    }

    pub(super) fn alone(fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded, rule: Rule) -> Self {
        Self { state: State::Alone { fetch, reason, forwarded, rule: Some(rule) } }
    }
}

impl<S: Service<Request<B>>, B, RB, E> State<S, B, RB, E> {
    /// Returns the state of a caller that no flight serves.
    fn grounded(mut fetch: BoxedFetch<S, B, RB, E>, reason: Reason, rule: Option<Rule>, tried: Tried) -> Self {
        if reason == Reason::NotShareable {
            fetch.as_mut().release();
        }
        let has_waited = match reason {
            Reason::NotShareable | Reason::WaitedTooLong | Reason::Lost => true,
            // A call that its own waits for may hold the last permit.
            Reason::Reentrant => false,
            // It was released before.
            _ => tried.regrouped || tried.again,
        };
        fetch.as_mut().line_up(has_waited);
        let forwarded = if has_waited { Forwarded::Released } else { Forwarded::Bypass };
        Self::Alone { fetch, reason, forwarded, rule }
    }
}

impl<S, B, RB, E> State<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    /// Returns the state of a follower that takes this step, or its work back if it takes what its flight landed with.
    fn after(step: Step, mut fetch: BoxedFetch<S, B, RB, E>, joined: Joined) -> Result<Self, BoxedFetch<S, B, RB, E>> {
        let Joined { at, mut tried } = joined;
        let regroups = matches!(step, Step::Regroup(_));
        let key = match step {
            Step::Take => return Err(fetch),
            Step::Alone(rule) => return Ok(Self::grounded(fetch, Reason::NotShareable, Some(rule), tried)),
            Step::Again => {
                tried.again = true;
                fetch.asker().key.clone()
            }
            Step::Regroup(variant) => {
                tried.regrouped = true;
                fetch.as_mut().regroup(variant.clone());
                variant
            }
        };
        let (shared, place) = (Arc::clone(&fetch.asker().shared), fetch.asker().place);
        let group = shared.group(place);
        // The leader of a flight of those who were released waits for a permit.
        let waits_for_itself = regroups && shared.counts_already(place);
        if waits_for_itself || group.unshareable().contains(&key) {
            let rule = if waits_for_itself { Rule::S9Vary } else { Rule::D3Remembered };
            return Ok(Self::grounded(fetch, Reason::NotShareable, Some(rule), tried));
        }
        if regroups {
            fetch.as_mut().line_up(true);
        }
        let called = at.unwrap_or_else(Instant::now);
        let call = group.flights::<RB, E>().group.run_since(called, key, fetch);
        Ok(Self::Aboard { call, joined: Joined { at: Some(called), tried } })
    }

    /// Returns what a follower does with what its flight landed with.
    fn step(sharing: &Sharing, fetch: &Fetch<S, B, RB, E>, joined: Joined) -> Step {
        let asker = fetch.asker();
        sharing.step(&asker.key, asker.asked.http10, joined.at.unwrap_or_else(Instant::now), joined.tried)
    }
}

/// Makes a caller's own response of what its flight, or its own call, came to. `own` is what the follower's layer was
/// told, if it is a follower: it may have come by another layer of the group than its leader.
fn respond<RB, E>(
    landed: Landed<RB, E>,
    coalesced: Coalesced,
    callers: usize,
    forwarded: Forwarded,
    own: Option<&Shared>,
) -> Result<Response<SharedBody<RB>>, E> {
    let shared = own.unwrap_or(&landed.shared);
    if let Some(inspect) = &shared.config.inspect {
        inspect(coalesced.role, callers);
    }
    let (mut head, body) = landed.answer?;
    shared.head(&mut head, coalesced, forwarded);
    Ok(Response::from_parts(head, body.into_reader()))
}

impl<S, B, RB, E> Future for HttpResponseFuture<S, B, RB, E>
where
    S: Service<Request<B>, Response = Response<RB>, Error = E> + Send + 'static,
    S::Future: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
    E: Clone + Send + Sync + 'static,
{
    type Output = Result<Response<SharedBody<RB>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let next = match &mut self.state {
                State::Aboard { call, joined } => {
                    let joined = *joined;
                    match ready!(call.poll_landing(cx)) {
                        Landing::Value(landed, role, own) => {
                            let Outcome { value: landed, callers, .. } = landed.take(role);
                            let step = own.as_ref().map(|own| State::step(&landed.sharing, own, joined));
                            let own = match (step, own) {
                                (Some(step), Some(own)) => match State::after(step, own, joined) {
                                    Ok(next) => {
                                        self.state = next;
                                        continue;
                                    }
                                    Err(own) => Some(own),
                                },
                                _ => None,
                            };
                            let forwarded = match role {
                                Role::Leader if joined.tried.regrouped => Forwarded::Released,
                                Role::Leader => Forwarded::Leader,
                                Role::Follower => Forwarded::Follower,
                                _ => Forwarded::Bypass,
                            };
                            let coalesced = Coalesced { role, rule: landed.sharing.rule };
                            let own = own.as_ref().map(|own| &*own.asker().shared);
                            return Poll::Ready(respond(landed, coalesced, callers, forwarded, own));
                        }
                        Landing::Grounded(fetch, reason, note) => {
                            let sharing = note.and_then(|note| note.downcast::<Sharing>().ok());
                            let step = sharing.map_or(Step::Take, |sharing| State::step(&sharing, &fetch, joined));
                            match State::after(step, fetch, joined) {
                                Ok(next) => next,
                                Err(fetch) => {
                                    let rule = (reason == Reason::MayNotJoin).then_some(Rule::S13Reload);
                                    State::grounded(fetch, reason, rule, joined.tried)
                                }
                            }
                        }
                    }
                }
                State::Bypass { bypass } => return bypass.as_mut().poll(cx),
                State::Alone { fetch, reason, forwarded, rule } => {
                    ready!(fetch.as_mut().poll_end(cx));
                    let landed = fetch.as_mut().take_value();
                    let coalesced = Coalesced { role: Role::Alone(*reason), rule: *rule };
                    return Poll::Ready(respond(landed, coalesced, 1, *forwarded, None));
                }
            };
            self.state = next;
        }
    }
}

impl<S: Service<Request<B>>, B, RB, E> fmt::Debug for HttpResponseFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponseFuture").finish_non_exhaustive()
    }
}
