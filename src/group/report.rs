//! What a transition tells the group's observers, once the lock is released (invariant 6).

use std::time::Duration;

use super::{
    flight::{Ending, Flight},
    shard::Shard,
};
use crate::{End, Event, FlightId, observe::Observers};

/// An event that waits for the unlocking.
pub(super) struct Report<'a> {
    observers: &'a Observers,
    event: Event<'static>,
}

impl<'a> Report<'a> {
    /// Tells how a flight's work has ended.
    #[inline]
    pub(super) fn on_landing<K, T>(shard: &'a Shard<K, T>, flight: &Flight<K, T>, ending: &Ending<T>) -> Option<Self> {
        Self::of(shard, flight, |flight_id, took| {
            let callers = flight.callers;
            match ending {
                Ending::Panic(_) => Event::Ended { flight: flight_id, how: End::Panicked, took },
                Ending::Value { share: false, .. } if flight.followers() > 0 => {
                    Event::Ended { flight: flight_id, how: End::NotShareable, took }
                }
                Ending::Value { .. } => Event::Landed { flight: flight_id, took, callers, shared: callers > 1 },
            }
        })
    }

    /// Tells that a flight ends without its work having ended.
    #[inline]
    pub(super) fn on_end<K, T>(shard: &'a Shard<K, T>, flight: &Flight<K, T>, how: End) -> Option<Self> {
        Self::of(shard, flight, |flight, took| Event::Ended { flight, how, took })
    }

    /// `None` if nobody observes the group, or nobody did when the flight began.
    #[inline]
    fn of<K, T>(
        shard: &'a Shard<K, T>,
        flight: &Flight<K, T>,
        event: impl FnOnce(FlightId, Duration) -> Event<'static>,
    ) -> Option<Self> {
        let called = flight.called()?;
        let observers = shard.observers.any()?;
        let id = FlightId { shard: shard.number, serial: flight.serial };
        Some(Self { observers, event: event(id, called.elapsed()) })
    }

    pub(super) fn tell(self) {
        self.observers.tell(&self.event);
    }
}
