//! The response future over HTTP: from a seat on a flight to a response of the caller's own.

use std::{
    error::Error,
    fmt,
    mem::forget,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    answer::{Answer, Audience, Step, Tried},
    body::SharedBody,
    bypass::Bypass,
    coalescer::Coalescer,
    fetch::{BoxedFetch, Fetch},
    key::HttpKey,
    policy::Forwarded,
    respond::respond,
    rule::Rule,
    shadow::ShadowCall,
    watch::{HttpWatch, OnPanic},
};
use crate::{
    Outcome, Reason, Role,
    group::{Caller, Drive, Resolution},
    rare::Rare,
};

/// The response future of [`HttpSingleflight`](crate::http::HttpSingleflight).
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
    /// What the caller's own layer was told: it may have come by another layer of the group than its leader.
    coalescer: Arc<Coalescer>,
    /// `Some` if the layer is observed; `None` once the request has been answered.
    watch: Rare<HttpWatch>,
}

enum State<S: Service<Request<B>>, B, RB, E> {
    /// On a flight.
    OnFlight { call: Flown<S, B, RB, E>, joined: Joined },
    /// In a call that shares nothing.
    Bypass { bypass: Pin<Box<Bypass<S, B>>> },
    /// In a call as it would be without the layer, which only tries what it would do.
    Shadow { call: ShadowCall<S, B> },
    /// In a call of its own: its request is sent once (S23).
    Alone { fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded, rule: Option<Rule> },
}

type Flown<S, B, RB, E> = Caller<HttpKey, Answer<RB, E>, BoxedFetch<S, B, RB, E>>;

/// How a caller came to its flight.
#[derive(Clone, Copy)]
struct Joined {
    /// When it called; `None`: it leads its first flight.
    at: Option<Instant>,
    tried: Tried,
    /// It may not have what began before it came (S13).
    fresh: bool,
}

impl<S: Service<Request<B>>, B, RB, E> HttpResponseFuture<S, B, RB, E> {
    /// Inlined, since a call that is moved once more takes 60 instructions.
    #[inline(always)]
    pub(super) fn on_flight(call: Flown<S, B, RB, E>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        let at = if call.role() == Role::Leader { None } else { Some(Instant::now()) };
        let joined = Joined { at, tried: Tried::default(), fresh: false };
        Self { state: State::OnFlight { call, joined }, coalescer, watch }
    }

    /// On a flight whose work begins after the request came.
    pub(super) fn on_next_flight(call: Flown<S, B, RB, E>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        let mut future = Self::on_flight(call, coalescer, watch);
        if let State::OnFlight { joined, .. } = &mut future.state {
            joined.fresh = true;
        }
        future
    }

    #[inline(always)]
    pub(super) fn bypass(bypass: Bypass<S, B>, coalescer: Arc<Coalescer>, watch: Rare<HttpWatch>) -> Self {
        Self { state: State::Bypass { bypass: Box::pin(bypass) }, coalescer, watch }
    }

    pub(super) fn shadow(call: ShadowCall<S, B>, coalescer: Arc<Coalescer>) -> Self {
        Self { state: State::Shadow { call }, coalescer, watch: Rare::NONE }
    }

    /// Of late, answers to its key could not be shared (D3).
    pub(super) fn unshareable(
        fetch: BoxedFetch<S, B, RB, E>,
        coalescer: Arc<Coalescer>,
        watch: Rare<HttpWatch>,
    ) -> Self {
        let (reason, rule) = (Reason::NotShareable, Some(Rule::D3Remembered));
        Self { state: State::Alone { fetch, reason, forwarded: Forwarded::Bypass, rule }, coalescer, watch }
    }
}

impl<S: Service<Request<B>>, B, RB, E> State<S, B, RB, E> {
    /// Returns the state of a caller that no flight serves.
    fn going_alone(
        mut fetch: BoxedFetch<S, B, RB, E>,
        reason: Reason,
        rule: Option<Rule>,
        tried: Tried,
        watch: Option<&HttpWatch>,
    ) -> Self {
        if let Some(watch) = watch {
            watch.released(fetch.requester().coalescer.marking().observers(), reason, rule);
        }
        if reason == Reason::NotShareable {
            fetch.as_mut().release();
        }
        let has_waited = match reason {
            Reason::NotShareable | Reason::WaitedTooLong | Reason::Lost => true,
            // A call that its own waits for may hold the last permit.
            Reason::Reentrant => false,
            // It was released before.
            _ => tried.any(),
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
    fn after(
        step: Step,
        mut fetch: BoxedFetch<S, B, RB, E>,
        joined: Joined,
        watch: Option<&HttpWatch>,
    ) -> Result<Self, BoxedFetch<S, B, RB, E>> {
        let Joined { at, mut tried, fresh } = joined;
        let regroups = matches!(step, Step::Regroup(_));
        let key = match step {
            Step::Take => return Err(fetch),
            Step::Alone(rule) => return Ok(Self::going_alone(fetch, Reason::NotShareable, Some(rule), tried, watch)),
            Step::Again => {
                tried.again = true;
                fetch.requester().key.clone()
            }
            Step::Regroup(variant) => {
                tried.regrouped = true;
                fetch.as_mut().regroup(variant.clone());
                variant
            }
        };
        let (coalescer, place) = (Arc::clone(&fetch.requester().coalescer), fetch.requester().place);
        let group = coalescer.group(place);
        // The leader of a flight of those who were released waits for a permit.
        let waits_for_itself = regroups && coalescer.counts_already(place);
        if waits_for_itself || group.unshareable().contains(&key) {
            let rule = if waits_for_itself { Rule::S9Vary } else { Rule::D3Remembered };
            return Ok(Self::going_alone(fetch, Reason::NotShareable, Some(rule), tried, watch));
        }
        if regroups {
            fetch.as_mut().line_up(true);
        }
        let called = at.unwrap_or_else(Instant::now);
        let calling = watch.map(HttpWatch::call_again);
        let profile = watch.zip(calling.as_ref()).map(|(watch, call)| watch.profile_again(call));
        let flights = &group.flights::<RB, E>().group;
        let call = if fresh {
            flights.run_fresh(key, fetch, coalescer.config.reloads.fresh_wait, profile.as_ref())
        } else {
            flights.run_since(called, key, fetch, profile.as_ref())
        };
        group.counts().count_again(call.role());
        Ok(Self::OnFlight { call, joined: Joined { at: Some(called), tried, fresh } })
    }

    /// Returns what a follower does with what its flight landed with.
    fn step(audience: &Audience, fetch: &Fetch<S, B, RB, E>, joined: Joined) -> Step {
        let requester = fetch.requester();
        audience.step(&requester.key, requester.facts.http10, joined.at.unwrap_or_else(Instant::now), joined.tried)
    }
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
        let Self { state, coalescer, watch } = &mut *self;
        let watching = OnPanic(watch);
        let watch = &mut *watching.0;
        let polled = loop {
            let next = match state {
                State::OnFlight { call, joined } => {
                    let joined = *joined;
                    let Poll::Ready(resolution) =
                        call.poll_resolution(cx, watch.as_deref_mut().map(HttpWatch::of_flight))
                    else {
                        break Poll::Pending;
                    };
                    match resolution {
                        Resolution::Value(answer, role, own) => {
                            let outcome = answer.take(role, None::<()>);
                            if let Some(own) = own {
                                let mut step = State::step(&outcome.value.audience, &own, joined);
                                if let (Step::Take, Some(rule)) = (&step, own.requester().declines(&outcome.value)) {
                                    step = Step::Alone(rule);
                                }
                                if !matches!(step, Step::Take) {
                                    own.requester().group().counts().count_declined();
                                }
                                if let Ok(next) = State::after(step, own, joined, watch.as_deref()) {
                                    *state = next;
                                    continue;
                                }
                            }
                            let forwarded = match role {
                                Role::Leader if joined.tried.regrouped => Forwarded::Released,
                                Role::Leader if joined.fresh => Forwarded::FreshLeader,
                                Role::Leader => Forwarded::Leader,
                                Role::Follower if joined.fresh => Forwarded::FreshFollower,
                                Role::Follower => Forwarded::Follower,
                                _ => Forwarded::Bypass,
                            };
                            let rule = outcome.value.audience.rule;
                            break respond(outcome, rule, forwarded, coalescer, watch);
                        }
                        Resolution::Alone(fetch, reason, note) => {
                            let audience = note.and_then(|note| note.downcast::<Audience>().ok());
                            let step = audience.map_or(Step::Take, |audience| State::step(&audience, &fetch, joined));
                            match State::after(step, fetch, joined, watch.as_deref()) {
                                Ok(next) => next,
                                Err(fetch) => {
                                    let rule = (reason == Reason::MayNotJoin).then_some(Rule::S13Reload);
                                    let followed = call.role() == Role::Follower || joined.tried.any();
                                    let watch = watch.as_deref().filter(|_| followed);
                                    State::going_alone(fetch, reason, rule, joined.tried, watch)
                                }
                            }
                        }
                    }
                }
                State::Shadow { call } => break call.poll(cx),
                State::Bypass { bypass } => break bypass.as_mut().poll(cx, coalescer, watch),
                State::Alone { fetch, reason, forwarded, rule } => {
                    if fetch.as_mut().poll_end(cx).is_pending() {
                        break Poll::Pending;
                    }
                    let role = Role::Alone(*reason);
                    let outcome = Outcome { value: fetch.as_mut().take_value(), role, callers: 1 };
                    break respond(outcome, *rule, *forwarded, coalescer, watch);
                }
            };
            *state = next;
        };
        forget(watching);
        polled
    }
}

impl<S: Service<Request<B>>, B, RB, E> fmt::Debug for HttpResponseFuture<S, B, RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponseFuture").finish_non_exhaustive()
    }
}
