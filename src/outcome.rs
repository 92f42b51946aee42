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
    /// Returns whether more than one caller got this value. It is the `Shared` flag of Go's `Result`; the leader's is set
    /// too.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use tower_singleflight::Group;
    ///
    /// let group = Group::new();
    /// let (leader, follower) = tokio::join!(group.call(7, || async { "Ada" }), group.call(7, || async { "Bob" }));
    /// assert!(leader.shared() && follower.shared());
    /// assert_eq!(follower.into_value(), "Ada");
    /// # }
    /// ```
    pub fn shared(&self) -> bool {
        self.callers > 1
    }

    /// Returns the value alone.
    pub fn into_value(self) -> T {
        self.value
    }
}

/// The part that one caller has in a flight.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_singleflight::{Group, Limits, Reason, Role};
///
/// let group = Group::with_limits(Limits::new().max_followers(1));
/// let call = |name| group.call("user:7", move || async move { name });
/// let (a, b, c) = tokio::join!(call("Ada"), call("Bob"), call("Cy"));
/// assert_eq!((a.value, a.role), ("Ada", Role::Leader));
/// assert_eq!((b.value, b.role), ("Ada", Role::Follower));
/// assert_eq!((c.value, c.role), ("Cy", Role::Alone(Reason::Full))); // the flight had its one follower
/// # }
/// ```
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
    /// The request has no key, so that nothing says which other requests are equal to it: the key function returned
    /// `None`, or a rule of HTTP sends the request alone.
    NoKey,
    /// The request is a reload, to an HTTP layer with `reload_alone`: it asks for an answer that is younger than
    /// itself, and the flight of its key began before it.
    MayNotJoin,
    /// A limit was reached: `max_followers` on the flight, or `max_flights` in the group.
    Full,
    /// The flight took longer than the follower's `max_wait`.
    WaitedTooLong,
    /// `share_if`, or a rule of HTTP, kept the outcome for the leader. Over HTTP also: a rule kept an earlier answer to
    /// this key for its leader, and for a while requests with the key go alone at once.
    NotShareable,
    /// The flight's task died without an outcome: its runtime was shut down.
    Lost,
    /// The call was made, or is polled, by the flight's own work, directly or through other flights: each would have
    /// waited for the other.
    Reentrant,
    /// The flight would have needed a task, or the follower a timer, and the caller is outside any tokio runtime.
    NoRuntime,
}

impl Reason {
    /// Returns the name of the reason, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoKey => "NoKey",
            Self::MayNotJoin => "MayNotJoin",
            Self::Full => "Full",
            Self::WaitedTooLong => "WaitedTooLong",
            Self::NotShareable => "NotShareable",
            Self::Lost => "Lost",
            Self::Reentrant => "Reentrant",
            Self::NoRuntime => "NoRuntime",
        }
    }
}
