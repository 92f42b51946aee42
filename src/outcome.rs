//! What a caller gets, and how it came by it.

/// The answer of a flight, with the part that this caller had in it.
///
/// `role` and `callers` are frozen when the flight lands: every caller that gets its outcome sees the same `callers`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::{Group, Role};
///
/// let group = Group::new();
/// let outcome = group.call("user:7", || async { "Ada" }).await;
/// assert_eq!(outcome.value, "Ada");
/// assert_eq!(outcome.role, Role::Leader);
/// assert!(!outcome.shared());
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// What the work returned.
    pub value: T,
    /// Whether this caller led, followed, or ran its own work outside any flight.
    pub role: Role,
    /// How many callers got this value, this one included; 1 for a caller that ran alone.
    pub callers: usize,
}

impl<T> Outcome<T> {
    /// Returns whether more than one caller got this value: the `Shared` flag of Go's `Result`, leader included.
    pub fn shared(&self) -> bool {
        self.callers > 1
    }

    /// Returns the value alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

/// The part that one caller has in a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The flight runs this caller's work.
    Leader,
    /// The caller joined a flight that was under way.
    Follower,
    /// The caller runs its own work outside any flight, for the reason given.
    Alone(Reason),
}

/// Why a caller ran alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The request has no key: nothing says which other requests it equals.
    NoKey,
    /// The request may not have the outcome of work that began before it came, and such work is under way.
    MayNotJoin,
    /// A limit was reached: `max_followers` on the flight, or `max_flights` in the group.
    Full,
    /// The flight took longer than the follower's `max_wait`.
    WaitedTooLong,
    /// The flight landed with an outcome that `share_if`, or a rule of HTTP, keeps for the leader; or the last one for
    /// the key did.
    NotShareable,
    /// The flight's task died without an outcome: its runtime was shut down.
    Lost,
    /// The flight was waiting, directly or through others, for this very call.
    Reentrant,
    /// Sharing would have needed a task (or a timer), and there is no tokio runtime for it where the caller is.
    NoRuntime,
}
