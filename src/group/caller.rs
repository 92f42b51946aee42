//! One caller's part in a flight: it waits on it, or runs its own work.

use std::{
    mem::replace,
    panic::resume_unwind,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{
    caller_state::{CallerState, Fallback},
    follower::SpawnedAlone,
    join::NewCaller,
    shard::Shard,
    shared_outcome::{CallerPart, PartValue},
    watching::Watching,
    work::{Note, Work},
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
    state: CallerState<K, T, W>,
    watching: Watching,
}

impl<K, T, W> Caller<K, T, W> {
    /// Registers a caller that the observers of its group may watch.
    #[inline]
    pub(super) fn join(shard: &Arc<Shard<K, T>>, new: NewCaller<K, W>, watching: Watching) -> Self
    where
        K: Eq + Send + Sync + 'static,
        T: Send + Sync + 'static,
        W: Work<T>,
    {
        let mut caller = Self { state: CallerState::Done(Role::Leader), watching };
        let Self { state, watching } = &mut caller;
        shard.join(new, watching.profile().as_ref(), state);
        caller
    }

    /// Registers a caller that its layer watches, if anybody does.
    #[cfg(feature = "http")]
    #[inline]
    pub(super) fn join_watched(
        shard: &Arc<Shard<K, T>>,
        new: NewCaller<K, W>,
        profile: Option<&super::profile::Profile<'_>>,
    ) -> Self
    where
        K: Eq + Send + Sync + 'static,
        T: Send + Sync + 'static,
        W: Work<T>,
    {
        let mut caller = Self { state: CallerState::Done(Role::Leader), watching: Watching::NONE };
        shard.join(new, profile, &mut caller.state);
        caller
    }

    /// Returns one that runs its work alone.
    pub(super) fn alone(work: W, reason: Reason, watching: Watching) -> Self {
        Self { state: CallerState::Unstarted(work, reason), watching }
    }

    /// Notes that `spawn` made it, in this scope if there is one: if it has to go alone, it does so in a task of its own.
    pub(super) fn spawned(mut self, scope: Option<&Scope>) -> Self {
        if let CallerState::Follows(follower, fallback) = &mut self.state {
            fallback.extras.get_or_insert_default().spawned = follower.spawned_in(scope);
        }
        self
    }

    /// Returns the part this caller has, or had at its end; a follower may yet go alone.
    pub(crate) fn role(&self) -> Role {
        match &self.state {
            CallerState::Leads(leader) => leader.role(),
            CallerState::Follows(..) => Role::Follower,
            CallerState::Unstarted(_, reason) | CallerState::Alone(_, reason) => Role::Alone(*reason),
            CallerState::Done(role) => *role,
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
                // Leads => (the same | Done): it drives or awaits the work. Done is for a panic: with a value it stays as
                // it is, since the caller is not polled again.
                CallerState::Leads(leader) => {
                    match ready!(leader.poll(cx, || watch.as_deref_mut().or(self.watching.watch()))) {
                        // The leader has left its flight, and is dropped with the caller.
                        CallerPart::Value(value) => return Poll::Ready(Resolution::Value(value, leader.role(), None)),
                        part => part,
                    }
                }
                // Follows => (the same | Done): it waits for the end, or for as long as it may.
                CallerState::Follows(follower, fallback) => match follower.poll(cx) {
                    Poll::Ready(part) => part,
                    Poll::Pending => {
                        let reason = ready!(fallback.poll_wait(cx));
                        follower.release(reason);
                        CallerPart::Alone(reason, None)
                    }
                },
                // Unstarted => Done: no flight has taken it, and it takes its work back at once.
                CallerState::Unstarted(_, reason) => {
                    let reason = *reason;
                    let Some(work) = self.leave() else { unreachable!("it was there a moment ago") };
                    return Poll::Ready(Resolution::Alone(work, reason, None));
                }
                // Alone => (the same | Done): it polls its own work.
                CallerState::Alone(work, _) => {
                    ready!(work.as_mut().poll_end(cx));
                    let done = CallerState::Done(self.role());
                    match replace(&mut self.state, done) {
                        CallerState::Alone(work, reason) => {
                            let value = PartValue::Own(work);
                            return Poll::Ready(Resolution::Value(value, Role::Alone(reason), None));
                        }
                        _ => unreachable!("it was there a moment ago"),
                    }
                }
                // Done => none: nothing is left to be polled.
                CallerState::Done(_) => panic!("a call was polled after it had completed"),
            };
            // Leads, Follows => Done: it leaves, whatever it has got. Who is to go alone takes its work along.
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
                // Done => Leads: what `spawn` made goes on in a task of its own.
                Some((SpawnedAlone { shard, scope }, spawner)) => {
                    let context = CallContext::of_call(scope.as_ref());
                    shard.spawn_alone(work, reason, context, spawner, &mut self.state);
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
                    self.state = CallerState::Alone(work.boxed_alone(CallContext::default()), reason)
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
        let CallerState::Follows(_, fallback) = &mut self.state else { return None };
        self.watching.released(reason);
        fallback.extras.as_mut()?.spawned.take()
    }

    /// If no flight has taken the work that `spawn` was given, has it run alone in a task, in this scope if there is one.
    pub(super) fn spawn_unstarted(&mut self, shard: &Arc<Shard<K, T>>, scope: Option<&Scope>)
    where
        W: Work<T>,
    {
        let CallerState::Unstarted(_, reason) = self.state else { return };
        let Some(spawner) = Spawner::current() else { return };
        if let Some(work) = self.leave() {
            shard.spawn_alone(work, reason, CallContext::of_call(scope), spawner, &mut self.state);
        }
    }

    /// Leaves the flight, if the caller is on one; returns its work, if that has not been started.
    #[inline]
    fn leave(&mut self) -> Option<W> {
        let done = CallerState::Done(self.role());
        match replace(&mut self.state, done) {
            CallerState::Follows(_, Fallback { work, .. }) | CallerState::Unstarted(work, _) => Some(work),
            _ => None,
        }
    }
}

/// Nothing in a caller is pinned in place: the work is boxed before it starts.
impl<K, T, W> Unpin for Caller<K, T, W> {}
