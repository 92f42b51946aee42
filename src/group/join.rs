//! How a caller gets its seat: it joins the flight that its key is on, leads a new one, or goes alone.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    company::Company,
    flight::{Flight, Stage},
    follower::Follower,
    leader::Leader,
    nesting::{self, Edge, FlightId},
    shard::Shard,
    table::At,
    task::launch,
    work::Work,
};
use crate::{Reason, Role, context::Context, sync::Spawner};

/// How a caller wants to come aboard.
pub(super) enum Boarding {
    /// As it comes.
    Any,
    /// Not as a follower.
    #[cfg(feature = "http")]
    Lead,
    /// Go's `DoChan`: the flight runs to its end, in a task from the start.
    Spawn(Spawner),
}

/// A caller aboard a flight, or its work back with the reason why it goes alone.
pub(super) enum Joined<K, T, W> {
    Leader(Leader<K, T>),
    Follower(Follower<K, T>, W),
    Alone(W, Reason),
}

impl<K, T> Shard<K, T>
where
    K: Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Joins or leads in one critical section (invariants 1, 2).
    ///
    /// Keys are dropped last, and by name: should one panic, the seat is a local still, and its caller leaves
    /// (invariant 8). A value that is being returned already would be leaked.
    #[inline]
    pub(super) fn join<W: Work<T>>(
        self: &Arc<Self>,
        hash: u64,
        key: K,
        work: W,
        context: Context,
        boarding: Boarding,
    ) -> Joined<K, T, W> {
        let (leads, mut spawner) = match boarding {
            Boarding::Any => (false, None),
            #[cfg(feature = "http")]
            Boarding::Lead => (true, None),
            Boarding::Spawn(spawner) => (false, Some(spawner)),
        };
        let finish = spawner.is_some();
        let from = nesting::current();
        let now = self.limits.join_window.map(|_| Instant::now());
        let mut table = self.lock();
        let listed = table.find(hash, &key);
        let (joinable, young) = listed.map_or((false, false), |slot| {
            let flight = table.at(slot);
            (flight.is_running(), flight.is_running() && !self.is_too_old(flight, now))
        });

        if leads && young {
            drop(table);
            drop(key);
            return Joined::Alone(work, Reason::MayNotJoin);
        }
        if let (Some(slot), true) = (listed, young) {
            let flight = table.at(slot);
            let at = At { slot, serial: flight.serial };
            let edge = match self.admit(flight, at, from, &mut spawner) {
                Ok(edge) => edge,
                Err(reason) => {
                    drop(table);
                    drop(key);
                    return Joined::Alone(work, reason);
                }
            };
            flight.callers += 1;
            flight.finish |= finish;
            if flight.grace().is_some() {
                flight.rare_mut().grace = None;
            }
            // Solo => Shared: from now on the flight's task polls the work.
            let moves = matches!(flight.stage, Stage::Solo);
            flight.stage = Stage::Shared;
            let company = Arc::clone(flight.company.get_or_insert_with(|| Company::new(Arc::clone(self), at)));
            drop(table);
            let follower = Follower::new(company, edge);
            if let (true, Some(spawner)) = (moves, spawner) {
                launch(spawner, Arc::clone(self), at);
            }
            drop(key);
            return Joined::Follower(follower, work);
        }

        // A flight too old to be joined makes room for the new one.
        if !table.joinable.try_add(usize::from(joinable)) {
            drop(table);
            drop(key);
            return Joined::Alone(work, Reason::Full);
        }
        // A flight that starts in its task does not wait for its leader.
        let scoped = (context.is_scoped() || work.is_scoped()) && spawner.is_none();
        let at = table.insert(hash, work.boxed(context), launch);
        let flight = table.at(at.slot);
        if now.is_some() {
            flight.rare_mut().called = now;
        }
        flight.finish = finish;
        flight.scoped = scoped;
        if spawner.is_some() {
            flight.stage = Stage::Shared;
        }
        // A tombstone: the new work starts when the old one's drop is done (invariant 5).
        if let Some(old) = listed.filter(|_| !joinable) {
            flight.rare_mut().blocked_by = Some(old);
            table.at(old).rare_mut().successor = Some(at.slot);
        }
        let old_key = table.list(at.slot, key, listed);
        let edge = from.map(|from| Edge::to_new(at.id(self.number), from));
        drop(table);
        let leader = Leader::new(Arc::clone(self), at, Role::Leader, edge);
        if let Some(spawner) = spawner {
            launch(spawner, Arc::clone(self), at);
        }
        drop(old_key);
        Joined::Leader(leader)
    }

    /// Starts work alone in a task of its own, as a flight that no key leads to: it runs to its end like any `spawn`.
    ///
    /// Whoever calls it from a flight's work may wait for it, so what it calls in turn can close a circle.
    pub(super) fn spawn_alone<W: Work<T>>(
        self: &Arc<Self>,
        work: W,
        reason: Reason,
        context: Context,
        spawner: Spawner,
    ) -> Leader<K, T> {
        let work = work.boxed(context);
        let from = nesting::current();
        let mut table = self.lock();
        let at = table.insert(0, work, launch);
        let flight = table.at(at.slot);
        flight.finish = true;
        flight.stage = Stage::Shared;
        let edge = from.map(|from| Edge::to_new(at.id(self.number), from));
        drop(table);
        launch(spawner, Arc::clone(self), at);
        Leader::new(Arc::clone(self), at, Role::Alone(reason), edge)
    }

    /// Says whether a follower may come aboard; takes care that the flight will not wait for itself.
    fn admit(
        &self,
        flight: &Flight<K, T>,
        at: At,
        from: Option<FlightId>,
        spawner: &mut Option<Spawner>,
    ) -> Result<Option<Box<Edge>>, Reason> {
        if self.limits.max_wait.is_some_and(|wait| wait.is_zero()) {
            return Err(Reason::WaitedTooLong);
        }
        if flight.followers() >= self.limits.max_followers {
            return Err(Reason::Full);
        }
        if matches!(flight.stage, Stage::Solo) && spawner.is_none() {
            *spawner = Some(Spawner::current().ok_or(Reason::NoRuntime)?);
        }
        match from.map(|from| Edge::between(at.id(self.number), from)) {
            None => Ok(None),
            Some(Some(edge)) => Ok(Some(edge)),
            Some(None) => Err(Reason::Reentrant),
        }
    }

    fn is_too_old(&self, flight: &Flight<K, T>, now: Option<Instant>) -> bool {
        match (self.limits.join_window, flight.rare.as_ref().and_then(|rare| rare.called), now) {
            (Some(window), Some(called), Some(now)) => now.saturating_duration_since(called) > window,
            _ => false,
        }
    }
}
