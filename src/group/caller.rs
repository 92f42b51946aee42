//! One caller's part in a flight: it waits on it, or runs its own work.

use std::{
    mem::replace,
    panic::resume_unwind,
    task::{Context, Poll, ready},
};

use super::{
    follower::SpawnedAlone,
    join::{Fallback, JoinResult},
    leader::Leader,
    shard::Shard,
    shared_outcome::{CallerPart, PartValue},
    watching::Watching,
    work::{BoxedWork, Note, Work},
};
use crate::{
    Outcome, Reason, Role,
    context::{Context as CallContext, Scope},
    observe::Watch,
    panic::catch,
    sync::Spawner,
};

/// A caller, from its registration on: it waits on its flight, or runs its own work.
///
/// Dropping it leaves the flight.
pub(crate) struct Caller<K, T, W> {
    state: State<K, T, W>,
    watching: Watching,
}

enum State<K, T, W> {
    /// As it was registered, and on its flight until it leaves. This is kept as it is, and not translated into states of
    /// `State`, which saves a call two moves.
    Joined(JoinResult<K, T, W>),
    /// Runs its own work.
    Alone(BoxedWork<T>, Reason),
    /// It has left, with this role.
    Done(Role),
}

impl<K, T, W> Caller<K, T, W> {
    #[inline]
    pub(super) fn new(joined: JoinResult<K, T, W>, watching: Watching) -> Self {
        Self { state: State::Joined(joined), watching }
    }

    /// Returns one that runs its work alone.
    pub(super) fn alone(work: W, reason: Reason, watching: Watching) -> Self {
        Self { state: State::Joined(JoinResult::Alone(work, reason)), watching }
    }

    /// Returns one made by `spawn` whose work runs alone, in a task that it has already.
    pub(super) fn spawned_alone(leader: Leader<K, T>, watching: Watching) -> Self {
        Self { state: State::Joined(JoinResult::Leader(leader)), watching }
    }

    /// Notes that `spawn` made it, in this scope if there is one: if it has to go alone, it does so in a task of its own.
    pub(super) fn spawned(mut self, scope: Option<&Scope>) -> Self {
        if let State::Joined(JoinResult::Follower(follower, fallback)) = &mut self.state {
            fallback.extras.get_or_insert_default().spawned = follower.spawned_in(scope);
        }
        self
    }

    /// Returns the part this caller has, or had at its end; a follower may yet go alone.
    pub(crate) fn role(&self) -> Role {
        match &self.state {
            State::Joined(JoinResult::Leader(leader)) => leader.role(),
            State::Joined(JoinResult::Follower(..)) => Role::Follower,
            State::Joined(JoinResult::Alone(_, reason)) | State::Alone(_, reason) => Role::Alone(*reason),
            State::Done(role) => *role,
        }
    }
}

impl<K, T, W> Fallback<K, T, W> {
    /// Waits until the follower has waited for long enough; returns why it waits no longer.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let Some(wait) = self.extras.as_mut().and_then(|extras| extras.wait.as_mut()) else { return Poll::Pending };
        wait.poll(cx).map(|elapsed| elapsed.map_or(Reason::NoRuntime, |()| Reason::WaitedTooLong))
    }
}

/// The result of waiting on a flight: a `CallerPart` whose panic has been raised, with the role, and the work that the caller
/// had ready and has not started.
pub(crate) enum Resolution<K, T, W> {
    /// The value, to be taken, the caller's role, and the work that a follower did not need.
    Value(PartValue<T, Shard<K, T>>, Role, Option<W>),
    /// The caller's own work, the reason, and the note of the work whose value it may not have.
    #[allow(dead_code, reason = "only the HTTP layer reads the note")]
    Alone(W, Reason, Option<Note>),
}

impl<K, T, W> Caller<K, T, W>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits on the flight; leaves it to the caller to take the value, and to run work that goes alone. `watch`: the one of the
    /// caller's layer, if that watches the call.
    #[inline]
    pub(crate) fn poll_resolution(
        &mut self,
        cx: &mut Context<'_>,
        mut watch: Option<&mut Watch>,
    ) -> Poll<Resolution<K, T, W>>
    where
        W: Work<T>,
    {
        loop {
            let part = match &mut self.state {
                // Joined as leader => (the same | Done): it drives or awaits the work. Done is for a panic: with a value it stays as
                // it is, since the caller is not polled again.
                State::Joined(JoinResult::Leader(leader)) => {
                    match ready!(leader.poll(cx, || watch.as_deref_mut().or(self.watching.watch()))) {
                        // The leader has left its flight, and is dropped with the caller.
                        CallerPart::Value(value) => return Poll::Ready(Resolution::Value(value, leader.role(), None)),
                        part => part,
                    }
                }
                // Joined as follower => (the same | Done): it waits for the end, or for as long as it may.
                State::Joined(JoinResult::Follower(follower, fallback)) => match follower.poll(cx) {
                    Poll::Ready(part) => part,
                    Poll::Pending => {
                        let reason = ready!(fallback.poll_wait(cx));
                        follower.release(reason);
                        CallerPart::Alone(reason, None)
                    }
                },
                // Joined as alone => Done: no flight has taken it, and it takes its work back at once.
                State::Joined(JoinResult::Alone(_, reason)) => CallerPart::Alone(*reason, None),
                // Alone => (the same | Done): it polls its own work.
                State::Alone(work, _) => {
                    ready!(work.as_mut().poll_end(cx));
                    let done = State::Done(self.role());
                    match replace(&mut self.state, done) {
                        State::Alone(work, _) => CallerPart::Value(PartValue::Own(work)),
                        _ => unreachable!("it was there a moment ago"),
                    }
                }
                // Done => none: nothing is left to be polled.
                State::Done(_) => panic!("a call was polled after it had completed"),
            };
            // Joined, Alone => Done: it leaves, whatever it has got. Who is to go alone takes its work along.
            let (reason, note) = match part {
                CallerPart::Value(value) => return Poll::Ready(Resolution::Value(value, self.role(), self.leave())),
                CallerPart::Panic(payload) => {
                    drop(self.leave());
                    resume_unwind(payload);
                }
                CallerPart::Alone(reason, note) => (reason, note),
            };
            let spawned = self.release(reason);
            let Some(work) = self.leave() else { continue };
            match spawned.zip(Spawner::current()) {
                // Done => Joined as leader: what `spawn` made goes on in a task of its own.
                Some((SpawnedAlone { shard, scope }, spawner)) => {
                    let context = CallContext::of_call(scope.as_ref());
                    let leader = shard.spawn_alone(work, reason, context, spawner);
                    self.state = State::Joined(JoinResult::Leader(leader));
                }
                // Done => the same: whoever polls the caller is handed its work, and decides what becomes of it.
                None => return Poll::Ready(Resolution::Alone(work, reason, note)),
            }
        }
    }

    /// Waits for the outcome, and runs work that goes alone.
    #[inline]
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        if self.watching.is_on() { self.poll_watched(cx) } else { self.poll_to_outcome(cx) }
    }

    /// Does the same, and tells the observers if the poll panics, whatever it is that panics in it.
    #[inline(never)]
    fn poll_watched(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        catch(|| self.poll_to_outcome(cx)).unwrap_or_else(|payload| {
            self.watching.panicked();
            resume_unwind(payload)
        })
    }

    #[inline]
    fn poll_to_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        loop {
            match ready!(self.poll_resolution(cx, None)) {
                // The observers are told first, so that the outcome is made where it is returned; no code of the user's runs in
                // between.
                Resolution::Value(PartValue::Own(work), role, _) => {
                    self.watching.answered(role, 1);
                    return Poll::Ready(Outcome { value: work.into_value(), role, callers: 1 });
                }
                // In a function of its own, so that an outcome that nobody observes is made where it is returned.
                Resolution::Value(value, role, unneeded) if self.watching.is_on() => {
                    return Poll::Ready(self.observed_outcome(value, role, unneeded));
                }
                Resolution::Value(value, role, unneeded) => return Poll::Ready(value.take(role, unneeded)),
                // Done => Alone: it polls its own work from here on.
                Resolution::Alone(work, reason, _) => {
                    self.state = State::Alone(work.boxed_alone(CallContext::default()), reason)
                }
            }
        }
    }

    #[cold]
    fn observed_outcome(&mut self, value: PartValue<T, Shard<K, T>>, role: Role, unneeded: Option<W>) -> Outcome<T> {
        let outcome = value.take(role, unneeded);
        self.watching.answered(role, outcome.callers);
        outcome
    }

    /// If the caller followed, tells that it goes alone now. Returns what a task for its work needs, if `spawn` made it.
    #[cold]
    fn release(&mut self, reason: Reason) -> Option<SpawnedAlone<K, T>> {
        let State::Joined(JoinResult::Follower(_, fallback)) = &mut self.state else { return None };
        self.watching.released(reason);
        fallback.extras.as_mut()?.spawned.take()
    }

    /// Leaves the flight, if the caller is on one; returns its work, if that has not been started.
    #[inline]
    fn leave(&mut self) -> Option<W> {
        let done = State::Done(self.role());
        match replace(&mut self.state, done) {
            State::Joined(JoinResult::Follower(_, Fallback { work, .. }) | JoinResult::Alone(work, _)) => Some(work),
            _ => None,
        }
    }
}

/// Nothing in a caller is pinned in place: the work is boxed before it starts.
impl<K, T, W> Unpin for Caller<K, T, W> {}
