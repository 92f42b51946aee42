//! What a transition tells those who watch, once the lock is released (invariant 6).

use std::time::Duration;

use super::{
    flight_ref::FlightRef,
    lifecycle::Ending,
    shard::{Shard, ShardFlight},
};
use crate::{
    End, Event, FlightId,
    observe::{LeaderCall, Observers, Watch},
};

/// One event, told once the lock is released.
pub(super) struct EventReport<'a> {
    event: Event<'static>,
    leader_call: LeaderCall,
    observers: &'a Observers,
}

impl<'a> EventReport<'a> {
    /// Tells how a flight's work has ended; `None` if nobody watches. Takes `leader_call` out of the flight, so that its end is
    /// told once.
    #[inline]
    pub(super) fn on_landing<K, T>(
        shard: &'a Shard<K, T>,
        flight: &mut ShardFlight<K, T>,
        ending: &Ending<T>,
    ) -> Option<Self> {
        let leader_call = flight.leader_call.take()?;
        let (callers, followers) = (flight.callers, flight.followers());
        Some(Self::now(shard, flight.serial, leader_call, |flight, took| {
            let how = match ending {
                Ending::Panic(_) => End::Panicked,
                Ending::Value { share: false, .. } if followers > 0 => End::NotShareable,
                Ending::Value { .. } => return Event::Landed { flight, took, callers, shared: callers > 1 },
            };
            Event::Ended { flight, how, took }
        }))
    }

    /// Tells that a flight ends without its work having ended. This, too, takes `leader_call` out of the flight.
    #[inline]
    pub(super) fn on_end<K, T>(shard: &'a Shard<K, T>, flight: &mut ShardFlight<K, T>, how: End) -> Option<Self> {
        let leader_call = flight.leader_call.take()?;
        Some(Self::now(shard, flight.serial, leader_call, |flight, took| Event::Ended { flight, how, took }))
    }

    /// Tells that the work goes on in a task, without a caller.
    pub(super) fn on_move<K, T>(shard: &'a Shard<K, T>, flight: &ShardFlight<K, T>) -> Option<Self> {
        let leader_call = flight.leader_call.clone()?;
        Some(Self::now(shard, flight.serial, leader_call, |flight, _| Event::Moved { flight }))
    }

    /// Makes the report of what happens now, from the flight's id and its age.
    #[inline]
    fn now<K, T>(
        shard: &'a Shard<K, T>,
        serial: u64,
        leader_call: LeaderCall,
        event: impl FnOnce(FlightId, Duration) -> Event<'static>,
    ) -> Self {
        let id = FlightId { shard: shard.number, serial };
        Self { event: event(id, leader_call.age()), leader_call, observers: &shard.observers }
    }

    #[cold]
    pub(super) fn tell(self) {
        self.observers.tell(self.leader_call.told, &self.event);
        match self.event {
            Event::Landed { flight, callers, .. } => self.leader_call.span.landed(flight, callers),
            Event::Ended { flight, how: End::NotShareable, .. } => self.leader_call.span.landed(flight, 1),
            _ => {}
        }
    }
}

/// Tells how the work of a flight that nobody joined has ended. The time is noted for the leader too, which has the
/// outcome in the same poll and does not read the clock again.
#[inline]
pub(super) fn tell_landed_alone<K, T>(
    shard: &Shard<K, T>,
    at: FlightRef,
    ending: &Ending<T>,
    leader_call: &LeaderCall,
    watch: Option<&mut Watch>,
) {
    let (flight, took) = (at.id(shard.number), leader_call.age());
    let lands = matches!(ending, Ending::Value { .. });
    let event = if lands {
        Event::Landed { flight, took, callers: 1, shared: false }
    } else {
        Event::Ended { flight, how: End::Panicked, took }
    };
    if let Some(watch) = watch {
        watch.lands(leader_call, took);
    }
    shard.observers.tell(leader_call.told, &event);
    if lands {
        leader_call.span.landed(flight, 1);
    }
}
