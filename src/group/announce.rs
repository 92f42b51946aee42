//! What is told of a caller that has just been registered: to the group's observers, and to the span of its wait.

use std::time::Duration;

use super::{flight_ref::FlightRef, lifecycle::Flight, profile::Profile, shard::Shard};
use crate::{Event, FlightId, observe::LeaderCall, trace::WaitSpan};

/// What a follower sees of the flight that it joins.
pub(super) struct Seen {
    leader_call: Option<LeaderCall>,
    /// With the follower.
    callers: usize,
}

impl Seen {
    /// Looks at a flight that the follower is about to join.
    pub(super) fn of<K, T, S>(flight: &Flight<K, T, S>) -> Self {
        Self { leader_call: flight.leader_call.clone(), callers: flight.callers + 1 }
    }

    fn age(&self) -> Option<Duration> {
        self.leader_call.as_ref().map(|leader_call| leader_call.age())
    }

    /// Begins the span of the follower's wait.
    pub(super) fn span(&self, flight: FlightId) -> WaitSpan {
        if !WaitSpan::is_wanted() {
            return WaitSpan::default();
        }
        let span = self.leader_call.as_ref().map(|leader_call| &leader_call.span);
        WaitSpan::begin(span, flight, self.age(), self.callers)
    }
}

impl<K, T> Shard<K, T> {
    #[inline(never)]
    pub(super) fn tell_led(&self, at: FlightRef, profile: &Profile<'_>) {
        let Profile { again, watch, .. } = *profile;
        // Noted before the observers are told, who may panic.
        watch.begins(false);
        watch.tell(&Event::Led { flight: at.id(self.number), again, label: watch.label() });
    }

    #[cold]
    pub(super) fn tell_joined(&self, at: FlightRef, seen: &Seen, moves: bool, profile: Option<&Profile<'_>>) {
        let Some(Profile { again, watch, .. }) = profile.copied() else { return };
        watch.begins(true);
        let (flight, age, callers) = (at.id(self.number), seen.age().unwrap_or_default(), seen.callers);
        watch.tell(&Event::Joined { flight, age, callers, again, label: watch.label() });
        if moves {
            watch.tell(&Event::Moved { flight });
        }
    }
}
