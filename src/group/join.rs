//! How a caller is registered: it joins the flight that its key is on, leads a new one, or goes alone.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    after_unlock::{Followed, WaitsBehind},
    announce::Seen,
    caller_state::{CallerState, Fallback},
    flight_ref::FlightRef,
    follower::{Follower, FollowerExtras},
    join_mode::JoinMode,
    leader::Leader,
    lifecycle::{New, TurnWait},
    place::{MaxWait, Place},
    profile::Profile,
    reentrancy,
    shard::{Locked, Shard},
    task::launch,
    work::Work,
};
use crate::{
    FlightId, Reason, Role, context::Context, observe::LeaderCall, panic::discard, rare::Rare, sync::Spawner,
    timer::Timer, trace::WaitSpan,
};

/// A caller that is to lead a flight behind the one that runs.
struct Behind<'a, K, W> {
    hash: u64,
    key: K,
    work: W,
    context: Context,
    /// How long its flight waits at most.
    max_wait: MaxWait,
    /// `Some` if its flight is to run to its end, in a task from the start.
    spawner: Option<Spawner>,
    /// The flight whose work makes the call, if one does.
    from: Option<FlightId>,
    /// When and where it calls; `Some` only with a join window, or if somebody watches.
    leader_call: Option<&'a LeaderCall>,
    /// `Some` if the group's observers are told of it.
    profile: Option<&'a Profile<'a>>,
}

/// A caller that is to be registered.
pub(super) struct NewCaller<K, W> {
    pub(super) hash: u64,
    pub(super) key: K,
    pub(super) work: W,
    pub(super) context: Context,
    pub(super) mode: JoinMode,
}

impl<K, T> Shard<K, T>
where
    K: Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Joins or leads in one critical section (invariants 1, 2, 13). `profile`: for the group's observers, if there are any.
    ///
    /// The caller is registered in `state`, where it stays: returned, it would be moved twice, and each move would wait
    /// for the words that were written a moment before. `K::drop` is user code and may panic. So keys are dropped last and
    /// by name, when `state` is set: unwinding then drops that, and the caller leaves its flight (invariant 8).
    ///
    /// This is one long function: split in three, it took 12 to 48 instructions more.
    #[inline]
    pub(super) fn join<W: Work<T>>(
        self: &Arc<Self>,
        new: NewCaller<K, W>,
        profile: Option<&Profile<'_>>,
        state: &mut CallerState<K, T, W>,
    ) {
        let NewCaller { hash, key, work, context, mode } = new;
        let JoinMode { leads, tries, fresh, since, mut spawner } = mode;
        let finish = spawner.is_some();
        let from = reentrancy::current();
        let unwatched = if profile.is_some() { None } else { LeaderCall::now(self.limits.join_window.is_some()) };
        let leader_call = profile.map(|profile| profile.call).or(unwatched.as_ref());
        if let (Some(window), Some(call)) = (self.limits.join_window, leader_call) {
            self.make_way(hash, &key, window, call.called);
        }
        let mut locked = self.lock();
        let listed = locked.find(hash, &key);
        let mut instead = false;
        if let Some(slot) = listed {
            match self.place(locked.at(slot), slot, fresh, leader_call) {
                Place::New { instead: old } => instead = old,
                Place::Behind(max_wait) => {
                    let new = Behind { hash, key, work, context, max_wait, spawner, from, leader_call, profile };
                    return self.lead_behind(locked, slot, new, state);
                }
                // The caller follows the flight that is there, or may not and goes alone.
                Place::On(slot) => {
                    let flight = locked.at(slot);
                    let at = FlightRef { slot, serial: flight.serial };
                    let admitted =
                        if leads { Err(Reason::MayNotJoin) } else { self.admit(flight, at, from, &mut spawner) };
                    let edge = match admitted {
                        Ok(edge) => edge,
                        Err(reason) => {
                            locked.stats.alone += u64::from(!tries);
                            locked.unlock();
                            return self.alone(key, work, reason, profile.filter(|_| !tries), state);
                        }
                    };
                    let seen = (profile.is_some() || WaitSpan::is_wanted()).then(|| Seen::of(flight));
                    let Followed { moves } = locked.follow(at, self, finish, |outcome| {
                        let fallback = Fallback { work, extras: Rare::NONE };
                        state.set(CallerState::Follows(Follower::new(outcome, edge), fallback));
                    });
                    // The observers are told before the task is started, which may end the flight at once.
                    if let Some(seen) = &seen {
                        self.tell_joined(at, seen, moves, profile);
                    }
                    if let (true, Some(spawner)) = (moves, spawner) {
                        launch(spawner, Arc::clone(self), at);
                    }
                    if let (Some(seen), CallerState::Follows(follower, _)) = (seen, &mut *state) {
                        follower.wait_in(seen.span(at.id(self.number)));
                    }
                    if let (Some(_), CallerState::Follows(_, fallback)) = (self.limits.max_wait, state) {
                        fallback.extras = self.limited(fresh, since);
                    }
                    drop(key);
                    return;
                }
            }
        }

        // The caller leads a new flight, if there may be one more. One that is too old to be joined makes room for it.
        if !locked.joinable.try_add(usize::from(instead)) {
            locked.stats.alone += 1;
            locked.unlock();
            return self.alone(key, work, Reason::Full, profile, state);
        }
        // A flight that starts in its task does not wait for its leader.
        let scoped = (context.is_scoped() || work.is_scoped()) && !finish;
        let new = New { hash, work: work.boxed(context), spawned: finish, scoped, from };
        let led = locked.lead(new, leader_call, Some(key), listed, |flight, edge| {
            state.set(CallerState::Leads(Leader::new(Arc::clone(self), flight, launch, Role::Leader, edge)));
        });
        // The observers are told before the task is started, which may end the flight at once.
        if let Some(profile) = profile {
            self.tell_led(led.flight, profile);
        }
        if let Some(spawner) = spawner {
            launch(spawner, Arc::clone(self), led.flight);
        }
        // The key of the older flight is another caller's.
        if let Some(old_key) = led.old_key {
            discard(old_key);
        }
    }

    /// Limits how long a follower waits for the flight. A `fresh` caller, which was content to wait behind a run, waits
    /// for its own flight as it would for work of its own: if it went alone, it would only begin later.
    #[cold]
    fn limited(&self, fresh: Option<MaxWait>, since: Option<Instant>) -> Rare<FollowerExtras<K, T>> {
        let max_wait = self.limits.max_wait.filter(|_| fresh.is_none());
        let deadline = max_wait.and_then(|max_wait| since.unwrap_or_else(Instant::now).checked_add(max_wait));
        deadline.map(|at| Box::new(FollowerExtras { wait: Some(Timer::at(at)), spawned: None })).into()
    }

    /// Leads a flight that waits behind the one that runs, whose work has begun (invariant 13).
    #[cold]
    fn lead_behind<W: Work<T>>(
        self: &Arc<Self>,
        mut locked: Locked<'_, K, T>,
        running: usize,
        behind: Behind<'_, K, W>,
        state: &mut CallerState<K, T, W>,
    ) {
        let Behind { hash, key, work, context, max_wait, mut spawner, from, leader_call, profile } = behind;
        let finish = spawner.is_some();
        let (edge, driver) = match self.admit_behind(&mut locked, running, max_wait, from, &mut spawner) {
            Ok(admitted) => admitted,
            Err(reason) => {
                locked.stats.alone += 1;
                locked.unlock();
                return self.alone(key, work, reason, profile, state);
            }
        };
        let scoped = (context.is_scoped() || work.is_scoped()) && !finish;
        let work = work.boxed(context);
        let new = New { hash, work, spawned: finish, scoped, from };
        let wait = TurnWait { running, max_wait, has_task: spawner.is_some(), moves: driver.is_some() };
        let WaitsBehind { flight, edge: own_edge, key, ahead, moved } = locked.wait_behind(wait, new, leader_call, key);
        state.set(CallerState::Leads(Leader::new(Arc::clone(self), flight, launch, Role::Leader, own_edge)));
        if let Some(profile) = profile {
            self.tell_led(flight, profile);
        }
        if let Some(moved) = moved {
            moved.tell();
        }
        if let Some(driver) = driver {
            launch(driver, Arc::clone(self), ahead);
        }
        if let Some(spawner) = spawner {
            launch(spawner, Arc::clone(self), flight);
        }
        // By now the new flight has edges of its own, and this one is not needed any more.
        drop((edge, key));
    }

    /// Leaves a caller its work, to run it itself.
    #[cold]
    fn alone<W>(
        &self,
        key: K,
        work: W,
        reason: Reason,
        profile: Option<&Profile<'_>>,
        state: &mut CallerState<K, T, W>,
    ) {
        state.set(CallerState::Unstarted(work, reason));
        if let Some(profile) = profile {
            profile.tell_alone(reason);
        }
        drop(key);
    }

    /// Starts work alone in a task of its own, as a flight that no key leads to: it runs to its end like any `spawn`.
    ///
    /// The flight whose work calls this may wait for it, so what it calls in turn can close a circle.
    pub(super) fn spawn_alone<W: Work<T>>(
        self: &Arc<Self>,
        work: W,
        reason: Reason,
        context: Context,
        spawner: Spawner,
        state: &mut CallerState<K, T, W>,
    ) {
        let from = reentrancy::current();
        let work = work.boxed_alone(context);
        let new = New { hash: 0, work, spawned: true, scoped: false, from };
        let led = self.lock().lead(new, None, None, None, |flight, edge| {
            state.set(CallerState::Leads(Leader::new(Arc::clone(self), flight, launch, Role::Alone(reason), edge)));
        });
        launch(spawner, Arc::clone(self), led.flight);
    }
}
