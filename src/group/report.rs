//! What a transition tells those who watch, once the lock is released (invariant 6).

use std::{sync::Arc, time::Duration};

use super::{
    flight::{Ending, Flight, Waiting},
    shard::Shard,
};
use crate::{
    End, Event, FlightId,
    observe::{LeaderCall, Observers},
};

/// What waits for the unlocking.
pub(super) struct Report<'a> {
    /// `None` if nobody observes the group, or nobody did when the flight began.
    observers: Option<&'a Observers>,
    event: Event<'static>,
    leader_call: Arc<LeaderCall>,
}

impl<'a> Report<'a> {
    /// Tells how a flight's work has ended.
    #[inline]
    pub(super) fn on_landing<K, T>(shard: &'a Shard<K, T>, flight: &Flight<K, T>, ending: &Ending<T>) -> Option<Self> {
        Self::of(shard, flight, |flight_id, took| {
            let callers = flight.callers;
            let how = match ending {
                Ending::Panic(_) => End::Panicked,
                Ending::Value { share: false, .. } if flight.followers() > 0 => End::NotShareable,
                Ending::Value { .. } => {
                    return Event::Landed { flight: flight_id, took, callers, shared: callers > 1 };
                }
            };
            Event::Ended { flight: flight_id, how, took }
        })
    }

    /// Likewise, where the leader has ended it, and will read no other clock.
    pub(super) fn on_own_landing<K, T>(
        shard: &'a Shard<K, T>,
        flight: &Flight<K, T>,
        ending: &Ending<T>,
    ) -> Option<Self> {
        let report = Self::on_landing(shard, flight, ending)?;
        if let Event::Landed { took, .. } = report.event {
            report.leader_call.landed_after(took);
        }
        Some(report)
    }

    /// Tells that a flight ends without its work having ended.
    #[inline]
    pub(super) fn on_end<K, T>(shard: &'a Shard<K, T>, flight: &Flight<K, T>, how: End) -> Option<Self> {
        Self::of(shard, flight, |flight, took| Event::Ended { flight, how, took })
    }

    /// Tells that the work goes on in a task, without a caller.
    pub(super) fn on_move<K, T>(shard: &'a Shard<K, T>, flight: &Flight<K, T>) -> Option<Self> {
        Self::of(shard, flight, |flight, _| Event::Moved { flight })
    }

    /// `None` if nobody watches.
    #[inline]
    fn of<K, T>(
        shard: &'a Shard<K, T>,
        flight: &Flight<K, T>,
        event: impl FnOnce(FlightId, Duration) -> Event<'static>,
    ) -> Option<Self> {
        let leader_call = Arc::clone(flight.leader_call()?);
        let id = FlightId { shard: shard.number, serial: flight.serial };
        Some(Self { observers: shard.observers.any(), event: event(id, leader_call.age()), leader_call })
    }

    #[cold]
    pub(super) fn tell(self) {
        // Before the span: a subscriber may panic.
        if let Some(observers) = self.observers {
            observers.tell(self.leader_call.observers, &self.event);
        }
        match self.event {
            Event::Landed { flight, callers, .. } => self.leader_call.span.landed(flight, callers),
            Event::Ended { flight, how: End::NotShareable, .. } => self.leader_call.span.landed(flight, 1),
            _ => {}
        }
    }
}

impl<T> Waiting<T> {
    /// Returns whether nothing is kept of the flight but when and where its leader called.
    pub(super) fn is_of_call_alone(&self) -> bool {
        let Self { outcome, own, waiters, task, blocked_by, successor, turn, grace, .. } = self;
        let told = outcome.is_none() && own.is_none() && waiters.is_empty() && task.is_none();
        told && blocked_by.is_none() && successor.is_none() && turn.is_none() && grace.is_none()
    }
}
