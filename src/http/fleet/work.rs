//! The work of a local flight, as its fleet sees it.

use std::{
    error::Error,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Body;
use tokio::time::Instant;

use super::{InVain, asked::FleetQuestion};
use crate::{
    fleet::{FleetReason, FleetRole},
    http::{answer::Answer, membership::Wish, requester::Requester},
};

/// What a call has to do with the fleet.
pub(in crate::http) enum FleetWork {
    /// Nothing: the layer has none.
    None,
    /// It asks when it is polled first, as the work of a flight.
    Wanted,
    /// It runs without the fleet.
    Stays(FleetReason),
    Asked(Box<FleetQuestion>),
}

impl FleetWork {
    #[inline(always)]
    pub(in crate::http) fn new(wish: Wish) -> Self {
        match wish {
            Wish::None => Self::None,
            Wish::Ask => Self::Wanted,
            Wish::Stay(reason) => Self::Stays(reason),
        }
    }

    /// Lets the call run without the fleet: it is not the work of a flight that others may join.
    #[inline(always)]
    pub(in crate::http) fn stay(&mut self) {
        if matches!(self, Self::Wanted) {
            *self = Self::Stays(FleetReason::NotWanted);
        }
    }

    /// Returns whether it is to ask, and has not been polled yet.
    #[inline(always)]
    pub(in crate::http) fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted)
    }

    /// Says, once, that it has waited for another process and makes its own call all the same.
    #[inline(always)]
    pub(in crate::http) fn in_vain(&mut self) -> Option<InVain> {
        match self {
            Self::Asked(asked) => asked.in_vain.take(),
            _ => None,
        }
    }

    /// Returns whether the work may come to the answer of another process.
    pub(in crate::http) fn may_ask(&self) -> bool {
        matches!(self, Self::Wanted | Self::Asked(_))
    }

    /// Returns since when another process has run what it waits for.
    pub(in crate::http) fn began_elsewhere(&self) -> Option<Instant> {
        match self {
            Self::Asked(asked) => asked.began.get(),
            _ => None,
        }
    }

    /// Waits for the engine's word, and for the flight of another process if there is one; returns its answer, if that is for
    /// this caller. `None`: the work runs here.
    #[inline(always)]
    pub(in crate::http) fn poll_ask<RB, E>(
        &mut self,
        requester: &Requester,
        began: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Box<Answer<RB, E>>>>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Send + Sync + 'static,
    {
        if matches!(self, Self::None) {
            return Poll::Ready(None);
        }
        self.poll_ask_of_fleet(requester, began, cx)
    }

    #[cold]
    fn poll_ask_of_fleet<RB, E>(
        &mut self,
        requester: &Requester,
        began: &mut Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Box<Answer<RB, E>>>>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
        E: Send + Sync + 'static,
    {
        if matches!(self, Self::Wanted) {
            *self = FleetQuestion::new::<RB, E>(requester).map_or(Self::Stays(FleetReason::Private), Self::Asked);
        }
        let Self::Asked(asked) = self else { return Poll::Ready(None) };
        let since = asked.since;
        let polled = asked.poll_ask(requester, cx);
        began.get_or_insert(since);
        polled
    }

    /// Polls the work, which the fleet leads if it has a part in it.
    #[inline(always)]
    pub(in crate::http) fn poll_work<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self {
            Self::Asked(asked) => asked.poll_work(cx, poll),
            _ => poll(cx),
        }
    }

    /// Ends the time in which other processes can join, and lets them have the answer if they may.
    #[inline(always)]
    pub(in crate::http) fn poll_close<RB, E>(
        &mut self,
        requester: &Requester,
        answer: &mut Answer<RB, E>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        match self {
            Self::None => Poll::Ready(()),
            Self::Wanted => unreachable!("it has asked when it was polled first"),
            Self::Stays(reason) => {
                answer.audience.fleet = Some(FleetRole::Local(*reason));
                Poll::Ready(())
            }
            Self::Asked(asked) => asked.poll_close(requester, answer, cx),
        }
    }
}
