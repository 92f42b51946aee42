//! How long, how many, and what becomes of work that nobody waits for.

use std::time::Duration;

/// The limits of a [`Group`](crate::Group). The default has none, and cancels abandoned work.
///
/// A limit never makes a call fail: a caller over a limit runs its own work, alone. Times are tokio's, so paused test
/// time works; no clock is read and no timer exists unless a limit asks for one.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_singleflight::{Group, Limits, OnAbandon};
///
/// let limits = Limits::new()
///     .max_wait(Duration::from_secs(2))
///     .max_followers(1_000)
///     .on_abandon(OnAbandon::CancelAfter(Duration::from_millis(250)));
/// let group: Group<u64, String> = Group::with_limits(limits);
/// assert_eq!(group.limits().max_followers, 1_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long a follower waits, from joining, before it goes alone. `None`: as long as the flight takes. Zero: it
    /// goes alone at once.
    ///
    /// Fresh callers ([`Group::call_fresh`](crate::Group::call_fresh)) wait so long for the flight that runs; then
    /// their own flight starts beside it, and none of them goes alone.
    ///
    /// The timer needs a tokio runtime with time enabled where the follower is first polled, for as long as it waits;
    /// without one the follower goes alone.
    pub max_wait: Option<Duration>,
    /// How old a flight may be, from its leader's call, and still be joined. Once it is older, the next caller leads a
    /// new flight beside it. `None`: it can be joined until it lands. Zero: only callers of the same instant join.
    ///
    /// A flight that waits for another process of its fleet is as old as the flight there.
    pub join_window: Option<Duration>,
    /// How many live followers a flight has at most; zero: nobody joins.
    pub max_followers: usize,
    /// How many joinable flights the group has at most, those that wait for their turn included; zero: every caller goes
    /// alone.
    pub max_flights: usize,
    /// What becomes of a flight when its last caller leaves.
    pub on_abandon: OnAbandon,
}

/// What becomes of a flight when its last caller leaves.
///
/// Work that was never polled is dropped in any case. The flight of a [`Group::spawn`](crate::Group::spawn) runs to its
/// end, whatever is set here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnAbandon {
    /// The work is dropped at once.
    #[default]
    Cancel,
    /// The work runs to its end in the flight's task, and can be joined until then. A flight that has no task yet, and
    /// whose last caller leaves outside any tokio runtime, is cancelled.
    Finish,
    /// The work runs on for this long, and can be joined; then it is dropped. The time starts anew each time that the
    /// last caller leaves. It is for clients that reconnect. On a runtime without timers the work is dropped at once.
    CancelAfter(Duration),
}

impl Limits {
    /// Returns no limits, with abandoned work cancelled.
    pub const fn new() -> Self {
        Self {
            max_wait: None,
            join_window: None,
            max_followers: usize::MAX,
            max_flights: usize::MAX,
            on_abandon: OnAbandon::Cancel,
        }
    }

    /// Sets how long a follower waits, from joining, before it goes alone.
    ///
    /// For callers who would rather do the work twice than wait for somebody else's slow run.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use std::{future::pending, time::Duration};
    /// use tower_singleflight::{Group, Limits, Reason, Role};
    ///
    /// let group = Group::with_limits(Limits::new().max_wait(Duration::from_secs(2)));
    /// let stuck = group.call("user:7", pending);
    /// let outcome = group.call("user:7", || async { "Ada" }).await;
    /// assert_eq!(outcome.role, Role::Alone(Reason::WaitedTooLong));
    /// # drop(stuck);
    /// # }
    /// ```
    #[must_use]
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = Some(wait);
        self
    }

    /// Sets how old a flight may be, from its leader's call, and still be joined.
    ///
    /// It bounds how old an outcome is that a caller gets, and lets newcomers start anew beside a run that is stuck.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// use std::{future::pending, time::Duration};
    /// use tower_singleflight::{Group, Limits, Role};
    ///
    /// let group = Group::with_limits(Limits::new().join_window(Duration::from_secs(1)));
    /// let stuck = group.call("user:7", pending);
    /// tokio::time::advance(Duration::from_secs(2)).await;
    /// let outcome = group.call("user:7", || async { "Ada" }).await;
    /// assert_eq!(outcome.role, Role::Leader); // of a flight beside the old one
    /// # drop(stuck);
    /// # }
    /// ```
    #[must_use]
    pub const fn join_window(mut self, window: Duration) -> Self {
        self.join_window = Some(window);
        self
    }

    /// Sets how many live followers a flight has at most; one more goes alone, as [`Role`](crate::Role#examples) shows.
    #[must_use]
    pub const fn max_followers(mut self, followers: usize) -> Self {
        self.max_followers = followers;
        self
    }

    /// Sets how many joinable flights the group has at most; a caller that would lead another one goes alone.
    ///
    /// It bounds the group's memory where clients choose the keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::{Group, Limits, Reason, Role};
    ///
    /// let group = Group::with_limits(Limits::new().max_flights(1));
    /// let first = group.call("user:7", || async { "Ada" });
    /// let outcome = group.call("user:8", || async { "Bob" }).await;
    /// assert_eq!(outcome.role, Role::Alone(Reason::Full));
    /// # drop(first);
    /// # }
    /// ```
    #[must_use]
    pub const fn max_flights(mut self, flights: usize) -> Self {
        self.max_flights = flights;
        self
    }

    /// Sets what becomes of a flight when its last caller leaves.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use futures_util::FutureExt;
    /// use tower_singleflight::{Group, Limits, OnAbandon};
    ///
    /// let group = Group::with_limits(Limits::new().on_abandon(OnAbandon::Finish));
    /// let mut call = group.call("user:7", || async {
    ///     tokio::task::yield_now().await;
    ///     "Ada"
    /// });
    /// assert!((&mut call).now_or_never().is_none()); // work that has begun
    /// drop(call);
    /// assert_eq!(group.call("user:7", || async { "Bob" }).await.value, "Ada"); // it has gone on
    /// # }
    /// ```
    #[must_use]
    pub const fn on_abandon(mut self, on_abandon: OnAbandon) -> Self {
        self.on_abandon = on_abandon;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
