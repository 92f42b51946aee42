//! What a request over HTTP is doing: it is on a flight, or in a call of its own; and what it does when a flight has not
//! served it.

use std::{error::Error, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use crate::http::{
    answer::{Answer, Audience, Step, Tried},
    bypass::Bypass,
    fetch::{BoxedFetch, Fetch},
    key::HttpKey,
    policy::Forwarded,
    rule::Rule,
    shadow::ShadowCall,
    watch::HttpWatch,
};
use crate::{
    Reason, Role,
    group::{Caller, Note},
};

pub(super) enum State<S: Service<Request<B>>, B, RB, E> {
    /// On a flight.
    OnFlight { call: Flown<S, B, RB, E>, arrival: Arrival },
    /// In a call that shares nothing.
    Bypass { bypass: Pin<Box<Bypass<S, B>>> },
    /// In a call as it would be without the layer, which only tries what it would do.
    Shadow { call: ShadowCall<S, B> },
    /// In a call of its own: its request is sent once (S23).
    Alone { fetch: BoxedFetch<S, B, RB, E>, reason: Reason, forwarded: Forwarded, rule: Option<Rule> },
}

pub(super) type Flown<S, B, RB, E> = Caller<HttpKey, Answer<RB, E>, BoxedFetch<S, B, RB, E>>;

/// How a caller came to its flight.
#[derive(Clone, Copy)]
pub(super) struct Arrival {
    /// When it called; `None`: it leads its first flight.
    pub(super) at: Option<Instant>,
    pub(super) tried: Tried,
    /// It may not have what began before it came (S13).
    pub(super) fresh: bool,
}

impl Arrival {
    /// Returns what `Cache-Status` says of a caller that has taken its flight's answer in this role.
    #[inline]
    pub(super) fn forwarded(self, role: Role) -> Forwarded {
        match role {
            Role::Leader if self.tried.regrouped => Forwarded::Released,
            Role::Leader if self.fresh => Forwarded::FreshLeader,
            Role::Leader => Forwarded::Leader,
            Role::Follower if self.fresh => Forwarded::FreshFollower,
            Role::Follower => Forwarded::Follower,
            _ => Forwarded::Bypass,
        }
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
            // The call that waits for this one may hold the last permit.
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
    /// Returns the state of a follower after this step, or its work back if it takes what its flight landed with.
    fn after(
        step: Step,
        mut fetch: BoxedFetch<S, B, RB, E>,
        arrival: Arrival,
        watch: Option<&HttpWatch>,
    ) -> Result<Self, BoxedFetch<S, B, RB, E>> {
        let Arrival { at, mut tried, fresh } = arrival;
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
        // The leader of released followers waits for a permit. Within a call that has one it would wait for itself.
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
        Ok(Self::OnFlight { call, arrival: Arrival { at: Some(called), tried, fresh } })
    }

    /// Returns the state of a follower that does not take the answer it could have; `None` if it takes it.
    pub(super) fn declines(
        own: BoxedFetch<S, B, RB, E>,
        answer: &Answer<RB, E>,
        arrival: Arrival,
        watch: Option<&HttpWatch>,
    ) -> Option<Self> {
        let mut step = Self::step(&answer.audience, &own, arrival);
        if let (Step::Take, Some(rule)) = (&step, own.requester().declines(answer)) {
            step = Step::Alone(rule);
        }
        if !matches!(step, Step::Take) {
            own.requester().group().counts().count_declined();
        }
        Self::after(step, own, arrival, watch).ok()
    }

    /// Returns the state of a caller that its flight has not served. A follower may have a second try, if what the work
    /// noted of its answer lets it; else it goes alone.
    pub(super) fn unserved(
        fetch: BoxedFetch<S, B, RB, E>,
        reason: Reason,
        note: Option<Note>,
        arrival: Arrival,
        followed: bool,
        watch: Option<&HttpWatch>,
    ) -> Self {
        let audience = note.and_then(|note| note.downcast::<Audience>().ok());
        let step = audience.map_or(Step::Take, |audience| Self::step(&audience, &fetch, arrival));
        match Self::after(step, fetch, arrival, watch) {
            Ok(next) => next,
            Err(fetch) => {
                let rule = (reason == Reason::MayNotJoin).then_some(Rule::S13Reload);
                Self::going_alone(fetch, reason, rule, arrival.tried, watch.filter(|_| followed))
            }
        }
    }

    /// Returns what a follower does with what its flight landed with.
    fn step(audience: &Audience, fetch: &Fetch<S, B, RB, E>, arrival: Arrival) -> Step {
        let requester = fetch.requester();
        audience.step(&requester.key, requester.facts.http10, arrival.at.unwrap_or_else(Instant::now), arrival.tried)
    }
}
