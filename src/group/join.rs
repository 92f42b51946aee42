//! How a caller is registered: it joins the flight that its key is on, leads a new one, or goes alone.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    after_unlock::{Followed, WaitsBehind},
    flight_ref::FlightRef,
    follower::{Follower, FollowerExtras},
    join_mode::JoinMode,
    leader::Leader,
    lifecycle::{Flight, New, TurnWait},
    place::{MaxWait, Place},
    profile::Profile,
    reentrancy,
    shard::{Locked, Shard},
    task::launch,
    work::Work,
};
use crate::{
    Event, FlightId, Reason, Role, context::Context, observe::LeaderCall, panic::discard, rare::Rare, sync::Spawner,
    timer::Timer, trace::WaitSpan,
};

/// A caller that leads a flight behind the one that runs.
struct Behind<'a, K, W> {
    hash: u64,
    key: K,
    work: W,
    context: Context,
    max_wait: MaxWait,
    spawner: Option<Spawner>,
    from: Option<FlightId>,
    leader_call: Option<&'a LeaderCall>,
    profile: Option<&'a Profile<'a>>,
}

/// A registered caller, or its work back with the reason why it goes alone.
///
/// With a tag as wide as a pointer the caller is moved by words. With one of a byte its neighbours are moved byte by byte, and
/// reading them waits for what has been written as words: a follower took 3 % longer to join.
#[repr(usize)]
pub(super) enum Joined<K, T, W> {
    /// With the flight that runs its work.
    Leader(Leader<K, T>),
    /// With another's flight.
    Follower(Follower<K, T>, Fallback<K, T, W>),
    /// To run its own work, from the next poll on.
    Alone(W, Reason),
}

/// What a follower goes alone with, kept until the flight has landed.
pub(super) struct Fallback<K, T, W> {
    pub(super) work: W,
    /// Apart, since few followers have any of it, and many calls may wait.
    pub(super) extras: Rare<FollowerExtras<K, T>>,
}

/// A flight as one who joins it finds it.
struct Seen {
    leader_call: Option<LeaderCall>,
    /// Who joins is one of them.
    callers: usize,
}

impl Seen {
    fn of<K, T, S>(flight: &Flight<K, T, S>) -> Self {
        Self { leader_call: flight.leader_call.clone(), callers: flight.callers + 1 }
    }

    fn age(&self) -> Option<Duration> {
        self.leader_call.as_ref().map(|leader_call| leader_call.age())
    }

    fn span(&self, flight: FlightId) -> WaitSpan {
        if !WaitSpan::is_wanted() {
            return WaitSpan::default();
        }
        let span = self.leader_call.as_ref().map(|leader_call| &leader_call.span);
        WaitSpan::begin(span, flight, self.age(), self.callers)
    }
}

impl<K, T> Shard<K, T>
where
    K: Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Joins or leads in one critical section (invariants 1, 2, 13). `profile`: for the group's observers, if there are any.
    ///
    /// `K::drop` is user code and may panic. Keys are dropped last and by name, while what is returned is still a local:
    /// unwinding then drops it, and the caller leaves its flight (invariant 8). Already moved to where it is returned, it would
    /// be leaked. What is returned is made at once and changed where it is: a follower is moved once less.
    #[inline]
    pub(super) fn join<W: Work<T>>(
        self: &Arc<Self>,
        hash: u64,
        key: K,
        work: W,
        context: Context,
        mode: JoinMode,
        profile: Option<&Profile<'_>>,
    ) -> Joined<K, T, W> {
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
                    return self.lead_behind(locked, slot, new);
                }
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
                            return self.alone(key, work, reason, profile.filter(|_| !tries));
                        }
                    };
                    let seen = (profile.is_some() || WaitSpan::is_wanted()).then(|| Seen::of(flight));
                    let Followed { outcome, moves } = locked.follow(at, self, finish);
                    let follower = Follower::new(outcome, edge);
                    let mut joined = Joined::Follower(follower, Fallback { work, extras: Rare::NONE });
                    // Told before the task is started, which may end the flight at once.
                    if let Some(seen) = &seen {
                        self.tell_joined(at, seen, moves, profile);
                    }
                    if let (true, Some(spawner)) = (moves, spawner) {
                        launch(spawner, Arc::clone(self), at);
                    }
                    if let (Some(seen), Joined::Follower(follower, _)) = (seen, &mut joined) {
                        follower.wait_in(seen.span(at.id(self.number)));
                    }
                    if let (Some(_), Joined::Follower(_, fallback)) = (self.limits.max_wait, &mut joined) {
                        fallback.extras = self.limited(fresh, since);
                    }
                    drop(key);
                    return joined;
                }
            }
        }

        // A flight too old to be joined makes room for the new one.
        if !locked.joinable.try_add(usize::from(instead)) {
            locked.stats.alone += 1;
            locked.unlock();
            return self.alone(key, work, Reason::Full, profile);
        }
        // A flight that starts in its task does not wait for its leader.
        let scoped = (context.is_scoped() || work.is_scoped()) && !finish;
        let new = New { hash, work: work.boxed(context), spawned: finish, scoped, from };
        let led = locked.lead(new, leader_call, Some(key), listed);
        let leader = Leader::new(Arc::clone(self), led.flight, launch, Role::Leader, led.edge);
        // Told before the task is started, which may end the flight at once.
        if let Some(profile) = profile {
            self.tell_led(led.flight, profile);
        }
        if let Some(spawner) = spawner {
            launch(spawner, Arc::clone(self), led.flight);
        }
        // It is another caller's.
        if let Some(old_key) = led.old_key {
            discard(old_key);
        }
        Joined::Leader(leader)
    }

    /// Limits how long a follower waits for the flight. Who was content to wait behind a run (`fresh`) waits for its own flight
    /// as it would for work of its own: to go alone would be to begin later.
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
    ) -> Joined<K, T, W> {
        let Behind { hash, key, work, context, max_wait, mut spawner, from, leader_call, profile } = behind;
        let finish = spawner.is_some();
        let (edge, driver) = match self.admit_behind(&mut locked, running, max_wait, from, &mut spawner) {
            Ok(admitted) => admitted,
            Err(reason) => {
                locked.stats.alone += 1;
                locked.unlock();
                return self.alone(key, work, reason, profile);
            }
        };
        let scoped = (context.is_scoped() || work.is_scoped()) && !finish;
        let work = work.boxed(context);
        let new = New { hash, work, spawned: finish, scoped, from };
        let wait = TurnWait { running, max_wait, has_task: spawner.is_some(), moves: driver.is_some() };
        let WaitsBehind { led, ahead, moved } = locked.wait_behind(wait, new, leader_call, key);
        let leader = Leader::new(Arc::clone(self), led.flight, launch, Role::Leader, led.edge);
        if let Some(profile) = profile {
            self.tell_led(led.flight, profile);
        }
        if let Some(moved) = moved {
            moved.tell();
        }
        if let Some(driver) = driver {
            launch(driver, Arc::clone(self), ahead);
        }
        if let Some(spawner) = spawner {
            launch(spawner, Arc::clone(self), led.flight);
        }
        // By now the new flight has edges of its own.
        drop((edge, led.old_key));
        Joined::Leader(leader)
    }

    /// Hands a caller its work back, which it runs itself.
    #[cold]
    fn alone<W>(&self, key: K, work: W, reason: Reason, profile: Option<&Profile<'_>>) -> Joined<K, T, W> {
        if let Some(profile) = profile {
            profile.tell_alone(reason);
        }
        drop(key);
        Joined::Alone(work, reason)
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
        let from = reentrancy::current();
        let work = work.boxed_alone(context);
        let new = New { hash: 0, work, spawned: true, scoped: false, from };
        let led = self.lock().lead(new, None, None, None);
        launch(spawner, Arc::clone(self), led.flight);
        Leader::new(Arc::clone(self), led.flight, launch, Role::Alone(reason), led.edge)
    }

    #[inline(never)]
    fn tell_led(&self, at: FlightRef, profile: &Profile<'_>) {
        let Profile { again, watch, .. } = *profile;
        // Noted before anything of the user's may panic.
        watch.begins(false);
        watch.tell(&Event::Led { flight: at.id(self.number), again, label: watch.label() });
    }

    #[cold]
    fn tell_joined(&self, at: FlightRef, seen: &Seen, moves: bool, profile: Option<&Profile<'_>>) {
        let Some(Profile { again, watch, .. }) = profile.copied() else { return };
        watch.begins(true);
        let (flight, age, callers) = (at.id(self.number), seen.age().unwrap_or_default(), seen.callers);
        watch.tell(&Event::Joined { flight, age, callers, again, label: watch.label() });
        if moves {
            watch.tell(&Event::Moved { flight });
        }
    }
}
