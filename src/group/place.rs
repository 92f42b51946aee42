//! Where a caller belongs: on the flight that is there, behind it, or on a new one; and whether it may be there.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    flight_ref::FlightRef,
    lifecycle::Stage,
    reentrancy::Edge,
    shard::{Locked, Shard, ShardFlight},
};
use crate::{FlightId, Reason, observe::LeaderCall, sync::Spawner};

/// How long a flight waits behind the one that runs; `None`: as long as that takes.
pub(super) type MaxWait = Option<Duration>;

/// Where a caller belongs.
pub(super) enum Place {
    /// On a flight of its own; `instead` of one that can be joined, but is too old.
    New { instead: bool },
    /// On this flight.
    On(usize),
    /// On a flight of its own, behind the one that runs.
    Behind(MaxWait),
}

impl<K, T> Shard<K, T> {
    /// Gives the key of a flight that is too old to the one that waits behind it, if there is one: the caller belongs there.
    #[cold]
    pub(super) fn make_way(&self, hash: u64, key: &K, window: Duration, called: Instant)
    where
        K: Eq,
    {
        let mut locked = self.lock();
        let Some(slot) = locked.find(hash, key) else { return };
        let flight = locked.at(slot);
        if flight.next().is_some() && flight.is_older_than(window, called) {
            locked.set_aside(slot).run();
        }
    }

    /// Says where a caller belongs that has found this flight under its key.
    #[inline]
    pub(super) fn place(
        &self,
        flight: &ShardFlight<K, T>,
        slot: usize,
        fresh: Option<MaxWait>,
        call: Option<&LeaderCall>,
    ) -> Place {
        if !flight.is_running() {
            return Place::New { instead: false };
        }
        // If another flight waits behind it, it has grown too old only since `make_way` looked. It is joined all the
        // same: replaced here, it would leave that one without the key that it waits for.
        if let (Some(window), Some(call)) = (self.limits.join_window, call) {
            if flight.is_older_than(window, call.called) && flight.next().is_none() {
                return Place::New { instead: true };
            }
        }
        match fresh {
            Some(max_wait) if flight.polled || flight.may_be_older() => {
                flight.next().map_or(Place::Behind(max_wait), Place::On)
            }
            _ => Place::On(slot),
        }
    }

    /// Says whether a follower may join: not where a limit is reached, and not where the flight would wait for itself.
    /// The edge that is returned stands for the follower's wait. Sets `spawner` if the flight has no task yet.
    pub(super) fn admit(
        &self,
        flight: &ShardFlight<K, T>,
        at: FlightRef,
        from: Option<FlightId>,
        spawner: &mut Option<Spawner>,
    ) -> Result<Option<Box<Edge>>, Reason> {
        if self.limits.max_wait.is_some_and(|wait| wait.is_zero()) {
            return Err(Reason::WaitedTooLong);
        }
        if flight.followers() >= self.limits.max_followers {
            return Err(Reason::Full);
        }
        if flight.stage() == Stage::Solo && spawner.is_none() {
            *spawner = Some(Spawner::current().ok_or(Reason::NoRuntime)?);
        }
        self.edge(at, from)
    }

    /// Says whether a flight may wait behind this one, whose work has begun; and where a task is started for that work,
    /// so that the callers that wait do not depend on its leader being polled (invariant 7). Without a runtime they do.
    /// The edge that is returned stands until the new flight has edges of its own.
    #[cold]
    pub(super) fn admit_behind(
        &self,
        locked: &mut Locked<'_, K, T>,
        running: usize,
        max_wait: MaxWait,
        from: Option<FlightId>,
        spawner: &mut Option<Spawner>,
    ) -> Result<(Option<Box<Edge>>, Option<Spawner>), Reason> {
        if max_wait.is_some_and(|max_wait| max_wait.is_zero()) {
            return Err(Reason::WaitedTooLong);
        }
        // Its task keeps the timer.
        if max_wait.is_some() && spawner.is_none() {
            *spawner = Some(Spawner::current().ok_or(Reason::NoRuntime)?);
        }
        let flight = locked.at(running);
        let driver = if flight.stage() == Stage::Solo { Spawner::current() } else { None };
        let ahead = FlightRef { slot: running, serial: flight.serial };
        let edge = self.edge(ahead, from)?;
        if locked.joinable.try_add(0) { Ok((edge, driver)) } else { Err(Reason::Full) }
    }

    fn edge(&self, at: FlightRef, from: Option<FlightId>) -> Result<Option<Box<Edge>>, Reason> {
        match from.map(|from| Edge::between(at.id(self.number), from)) {
            None => Ok(None),
            Some(Some(edge)) => Ok(Some(edge)),
            Some(None) => Err(Reason::Reentrant),
        }
    }
}
