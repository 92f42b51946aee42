//! One caller's part in a flight, as a future.

use std::{
    fmt,
    mem::replace,
    panic::resume_unwind,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{
    extras::{Extras, Spawned},
    follower::Follower,
    join::Joined,
    leader::Leader,
    shared_outcome::{Part, PartValue},
    work::{BoxedWork, Note, Work},
};
use crate::{Outcome, Reason, Role, context::Context as CallContext, sync::Spawner, timer::Timer};

/// A call under way: resolves to the [`Outcome`] of the flight that it is on.
///
/// The caller is registered since [`Group::call`](super::Group::call) returned, polled or not.
///
/// # Cancel safety
///
/// Dropping a `Call` leaves the flight, in O(1). Leader or follower makes no difference: the flight goes on for the
/// others. When the last caller leaves, the work is dropped at once, by the one who leaves or, if a poll of it is under
/// way on another thread, right after that poll; unless [`Limits::on_abandon`](crate::Limits::on_abandon) or
/// [`Group::spawn`](super::Group::spawn) says otherwise.
///
/// # Panics
///
/// A panic of the work is raised again in every caller. The leader gets the original payload; the others a copy of it
/// if it is a `&str` or a `String`, else a fixed text.
#[must_use = "a call waits only when it is awaited, and leaves its flight when it is dropped"]
pub struct Call<K, T, W> {
    state: State<K, T, W>,
    /// `None` for most calls.
    pub(super) extras: Option<Box<Extras<K, T>>>,
}

enum State<K, T, W> {
    /// Registered with the flight that runs its work.
    Leading(Leader<K, T>),
    /// Registered with another's flight.
    Following(Follower<K, T>, Fallback<W>),
    /// To run its own work, from the next poll on.
    GoingAlone(W, Reason),
    /// Runs its own work.
    Alone(BoxedWork<T>, Reason),
    Done(Role),
}

/// What a follower goes alone with, kept until the flight has landed.
struct Fallback<W> {
    work: W,
    /// The limit of the wait; boxed, since most have none, and waiting calls are many.
    wait: Option<Box<Timer>>,
}

impl<K, T, W> Call<K, T, W> {
    #[inline]
    pub(super) fn new(
        joined: Joined<K, T, W>,
        deadline: impl FnOnce() -> Option<Instant>,
        spawned: Option<Spawned<K, T>>,
    ) -> Self {
        let state = match joined {
            Joined::Leader(leader) => State::Leading(leader),
            Joined::Follower(follower, work) => {
                State::Following(follower, Fallback { work, wait: deadline().map(Timer::at).map(Box::new) })
            }
            Joined::Alone(work, reason) => State::GoingAlone(work, reason),
        };
        let extras = spawned.map(Extras::of_spawn);
        Self { state, extras }
    }

    /// Returns a call that runs alone.
    pub(crate) fn alone(work: W, reason: Reason) -> Self {
        Self { state: State::GoingAlone(work, reason), extras: None }
    }

    /// Returns a call made by `spawn` whose work runs alone, in a task that it has already.
    pub(super) fn spawned_alone(leader: Leader<K, T>) -> Self {
        Self { state: State::Leading(leader), extras: None }
    }

    /// Returns whether the flight runs this caller's work: the bool that Go's `DoChan` once returned.
    pub fn is_leader(&self) -> bool {
        self.role() == Role::Leader
    }

    /// Returns the part this caller has, or had at its end; a follower may yet go alone.
    pub(crate) fn role(&self) -> Role {
        match &self.state {
            State::Leading(leader) => leader.role(),
            State::Following(..) => Role::Follower,
            State::GoingAlone(_, reason) | State::Alone(_, reason) => Role::Alone(*reason),
            State::Done(role) => *role,
        }
    }
}

impl<W> Fallback<W> {
    /// Returns why the follower waits no longer, once it does not.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        let Some(wait) = &mut self.wait else { return Poll::Pending };
        wait.poll(cx).map(|elapsed| elapsed.map_or(Reason::NoRuntime, |()| Reason::WaitedTooLong))
    }
}

/// The result of waiting on a flight: a `Part` in which panics have been raised, with the work that the caller had ready.
/// `Alone` hands the caller's own work back, not yet started.
pub(crate) enum Resolution<T, W> {
    /// The value, to be taken, the caller's role, and the work that a follower did not need.
    Value(PartValue<T>, Role, Option<W>),
    /// With the reason, and the note of the work whose value the caller may not have.
    #[allow(dead_code, reason = "only the HTTP layer reads the note")]
    Alone(W, Reason, Option<Note>),
}

impl<K, T, W> Call<K, T, W>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits on the flight; leaves it to the caller to take the value, and to run work that goes alone.
    #[inline]
    pub(crate) fn poll_resolution(&mut self, cx: &mut Context<'_>) -> Poll<Resolution<T, W>>
    where
        W: Work<T>,
    {
        loop {
            let part = match &mut self.state {
                State::Leading(leader) => match ready!(leader.poll(cx)) {
                    Part::Value(value) => {
                        let role = leader.role();
                        self.state = State::Done(role);
                        return Poll::Ready(Resolution::Value(value, role, None));
                    }
                    part => part,
                },
                State::Following(follower, fallback) => match follower.poll(cx) {
                    Poll::Ready(part) => part,
                    Poll::Pending => {
                        let reason = ready!(fallback.poll_wait(cx));
                        follower.release();
                        Part::Alone(reason, None)
                    }
                },
                State::GoingAlone(_, reason) => Part::Alone(*reason, None),
                State::Alone(work, _) => {
                    ready!(work.as_mut().poll_end(cx));
                    let done = State::Done(self.role());
                    match replace(&mut self.state, done) {
                        State::Alone(work, _) => Part::Value(PartValue::Own(work)),
                        _ => unreachable!("it was there a moment ago"),
                    }
                }
                State::Done(_) => panic!("a call was polled after it had completed"),
            };
            let (reason, note) = match part {
                Part::Value(value) => return Poll::Ready(Resolution::Value(value, self.role(), self.leave())),
                Part::Panic(payload) => {
                    drop(self.leave());
                    resume_unwind(payload);
                }
                Part::Alone(reason, note) => (reason, note),
            };
            let followed = self.role() == Role::Follower;
            let Some(work) = self.leave() else { continue };
            if let (true, Some(watch)) = (followed, self.watch()) {
                watch.released(reason, reason.name());
            }
            let spawned = self.extras.as_ref().and_then(|extras| extras.spawned.as_ref());
            match spawned.zip(Spawner::current()) {
                // What `spawn` made goes on in a task of its own.
                Some((Spawned { shard, scope }, spawner)) => {
                    let context = CallContext::of_call(scope.as_ref());
                    self.state = State::Leading(shard.spawn_alone(work, reason, context, spawner));
                }
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
        if self.watch().is_some() { self.poll_watched(cx) } else { self.poll_unwatched(cx) }
    }

    #[inline]
    pub(super) fn poll_unwatched(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        loop {
            match ready!(self.poll_resolution(cx)) {
                Resolution::Value(value, role, _) => return Poll::Ready(value.take(role)),
                Resolution::Alone(work, reason, _) => {
                    self.state = State::Alone(work.boxed(CallContext::default()), reason)
                }
            }
        }
    }

    /// Leaves the flight, if the caller is on one; returns its work, if that has not been started.
    fn leave(&mut self) -> Option<W> {
        let done = State::Done(self.role());
        match replace(&mut self.state, done) {
            State::Following(_, Fallback { work, .. }) | State::GoingAlone(work, _) => Some(work),
            _ => None,
        }
    }
}

impl<K, T, F, Fut> Future for Call<K, T, F>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    type Output = Outcome<T>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        self.poll_outcome(cx)
    }
}

/// Nothing in a call is pinned in place: the work is boxed before it starts.
impl<K, T, W> Unpin for Call<K, T, W> {}

impl<K, T, W> fmt::Debug for Call<K, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("role", &self.role()).finish_non_exhaustive()
    }
}
