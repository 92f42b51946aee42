//! One caller's seat on a flight, as a future.

use std::{
    fmt,
    mem::replace,
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    company::{Fate, Value},
    follower::Follower,
    join::Joined,
    leader::Leader,
    panic::catch,
    shard::Shard,
    work::{BoxedWork, Note, Work},
};
use crate::{
    Outcome, Reason, Role,
    context::{Context as CallContext, Scope},
    sync::Spawner,
};

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
    /// `Some` if made by `spawn`: what it runs alone runs to its end too, as a flight of this shard.
    spawned: Option<Box<Spawned<K, T>>>,
}

/// What `spawn` needs to start work alone in a task of its own.
pub(super) struct Spawned<K, T> {
    pub(super) shard: Arc<Shard<K, T>>,
    pub(super) scope: Option<Scope>,
}

enum State<K, T, W> {
    /// Aboard the flight that runs its work.
    Leading(Leader<K, T>),
    /// Aboard another's flight.
    Following(Follower<K, T>, Ground<W>),
    /// To run its own work, from the next poll on.
    Grounded(W, Reason),
    /// Runs its own work.
    Alone(BoxedWork<T>, Reason),
    /// A leader that took its work back from a lost flight. Its seat tells its role, and from which work it was called.
    Back(Leader<K, T>, BoxedWork<T>),
    Done(Role),
}

/// What a follower keeps on the ground until the flight has landed.
struct Ground<W> {
    work: W,
    wait: Wait,
}

/// The limit of a follower's wait.
enum Wait {
    Unlimited,
    Until(Instant),
    Timer(Pin<Box<Sleep>>),
}

impl<K, T, W> Call<K, T, W> {
    #[inline]
    pub(super) fn new(
        joined: Joined<K, T, W>,
        deadline: impl FnOnce() -> Option<Instant>,
        spawned: Option<Box<Spawned<K, T>>>,
    ) -> Self {
        let state = match joined {
            Joined::Leader(leader) => State::Leading(leader),
            Joined::Follower(follower, work) => {
                let wait = deadline().map_or(Wait::Unlimited, Wait::Until);
                State::Following(follower, Ground { work, wait })
            }
            Joined::Alone(work, reason) => State::Grounded(work, reason),
        };
        Self { state, spawned }
    }

    /// Returns a call that runs alone.
    pub(crate) fn alone(work: W, reason: Reason) -> Self {
        Self { state: State::Grounded(work, reason), spawned: None }
    }

    /// Returns a call made by `spawn` whose work runs alone, in a task that it has already.
    pub(super) fn spawned_alone(leader: Leader<K, T>) -> Self {
        Self { state: State::Leading(leader), spawned: None }
    }

    /// Returns whether the flight runs this caller's work: the bool that Go's `DoChan` once returned.
    pub fn is_leader(&self) -> bool {
        self.role() == Role::Leader
    }

    /// Returns the part this caller has, or had at its end; a follower may yet go alone.
    pub(crate) fn role(&self) -> Role {
        match &self.state {
            State::Leading(leader) | State::Back(leader, _) => leader.role(),
            State::Following(..) => Role::Follower,
            State::Grounded(_, reason) | State::Alone(_, reason) => Role::Alone(*reason),
            State::Done(role) => *role,
        }
    }
}

impl<W> Ground<W> {
    /// Returns why the follower waits no longer, once it does not.
    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if matches!(self.wait, Wait::Until(_)) && Spawner::current().is_none() {
            return Poll::Ready(Reason::NoRuntime);
        }
        // tokio panics where there are no timers, or not any more, and there is no way to ask.
        match catch(|| self.wait.poll(cx)) {
            Ok(elapsed) => elapsed.map(|()| Reason::WaitedTooLong),
            Err(_) => Poll::Ready(Reason::NoRuntime),
        }
    }
}

impl Wait {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Until(deadline) = *self {
            *self = Self::Timer(Box::pin(sleep_until(deadline)));
        }
        match self {
            Self::Timer(sleep) => sleep.as_mut().poll(cx),
            Self::Unlimited | Self::Until(_) => Poll::Pending,
        }
    }
}

/// What a call has come to, before a caller that is on the ground starts its own work.
pub(crate) enum Landing<K, T, W> {
    /// The value, to be taken, the caller's role, and the work that a follower did not need.
    Value(Value<K, T>, Role, Option<W>),
    /// No flight serves the caller, for this reason; with the note of the work whose value it may not have.
    #[allow(dead_code, reason = "only the HTTP layer reads the note")]
    Grounded(W, Reason, Option<Note>),
}

impl<K, T, W> Call<K, T, W>
where
    K: Eq + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Waits for the landing; leaves it to the caller to take the value, and to run work that goes alone.
    pub(crate) fn poll_landing(&mut self, cx: &mut Context<'_>) -> Poll<Landing<K, T, W>>
    where
        W: Work<T>,
    {
        loop {
            let fate = match &mut self.state {
                State::Leading(leader) => ready!(leader.poll(cx)),
                State::Following(follower, ground) => match follower.poll(cx) {
                    Poll::Ready(fate) => fate,
                    Poll::Pending => Fate::Alone(ready!(ground.poll_wait(cx))),
                },
                State::Grounded(_, reason) => Fate::Alone(*reason),
                State::Alone(work, _) | State::Back(_, work) => {
                    ready!(work.as_mut().poll_end(cx));
                    let done = State::Done(self.role());
                    match replace(&mut self.state, done) {
                        State::Alone(work, _) | State::Back(_, work) => Fate::Value(Value::Own(work)),
                        _ => unreachable!("it was there a moment ago"),
                    }
                }
                State::Done(_) => panic!("a call was polled after it had completed"),
            };
            let (reason, note) = match fate {
                Fate::Value(value) => return Poll::Ready(Landing::Value(value, self.role(), self.leave())),
                Fate::Panic(payload) => {
                    drop(self.leave());
                    resume_unwind(payload);
                }
                Fate::Back(work) => {
                    let done = State::Done(self.role());
                    if let State::Leading(leader) = replace(&mut self.state, done) {
                        self.state = State::Back(leader, work);
                    }
                    continue;
                }
                Fate::Alone(reason) => (reason, None),
                Fate::Unshareable(company) => (Reason::NotShareable, company.note()),
            };
            let Some(work) = self.leave() else { continue };
            match self.spawned.as_deref().zip(Spawner::current()) {
                // What `spawn` made goes on in a task of its own.
                Some((Spawned { shard, scope }, spawner)) => {
                    let context = CallContext::of_call(scope.as_ref());
                    self.state = State::Leading(shard.spawn_alone(work, reason, context, spawner));
                }
                None => return Poll::Ready(Landing::Grounded(work, reason, note)),
            }
        }
    }

    /// Waits for the outcome, and runs work that goes alone.
    #[inline]
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>>
    where
        W: Work<T>,
    {
        loop {
            match ready!(self.poll_landing(cx)) {
                Landing::Value(value, role, _) => return Poll::Ready(value.take(role)),
                Landing::Grounded(work, reason, _) => {
                    self.state = State::Alone(work.boxed(CallContext::default()), reason)
                }
            }
        }
    }

    /// Leaves the flight, if the caller is on one; returns its work, if that has not been started.
    fn leave(&mut self) -> Option<W> {
        let done = State::Done(self.role());
        if !matches!(self.state, State::Following(..) | State::Grounded(..)) {
            self.state = done;
            return None;
        }
        match replace(&mut self.state, done) {
            State::Following(_, Ground { work, .. }) | State::Grounded(work, _) => Some(work),
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
