//! What a group tells those who watch it.

mod flight_id;
mod inspect;
#[cfg(any(feature = "http", feature = "metrics"))]
#[allow(dead_code, reason = "not each of those who have labels needs all of it")]
pub(crate) mod label;
mod leader_call;
mod observers;
mod watch;

use std::{sync::Arc, time::Duration};

pub use self::flight_id::FlightId;
pub(crate) use self::{
    inspect::{Inspect, Inspects},
    leader_call::LeaderCall,
    observers::{Observed, Observers},
    watch::Watch,
};
use crate::{Reason, Role};

/// A listener that is told what happens to the flights and the callers of a group: for metrics, logs and pages of your
/// own.
///
/// Hand it to [`Group::observed`](crate::Group::observed) or to the `observe` of a layer; each call adds one. Where
/// there are none, a call costs one branch more. If a count of roles is enough, `inspect` of the layers is shorter;
/// [`Group::stats`](crate::Group::stats) has totals, and what is under way now.
///
/// # Guarantees
///
/// 1. It is never called under a lock: it may ask the group, and call it.
/// 2. Events about one caller come in order. No order is promised between callers, nor between a flight and its callers,
///    except where all of them are polled on one thread.
/// 3. A panic in it fails no caller. An observer that has panicked is told nothing any more;
///    [`Stats::observers_off`](crate::Stats::observers_off) counts it.
///
/// # Trade-offs
///
/// It runs in the caller's or the flight's own task, so a slow observer slows these down.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering::Relaxed}};
/// use tower_singleflight::{Event, Group, Observer};
///
/// /// The largest flight that there has been.
/// #[derive(Default)]
/// struct Largest(AtomicUsize);
///
/// impl Observer for Largest {
///     fn on(&self, event: &Event<'_>) {
///         if let Event::Landed { callers, .. } = event {
///             self.0.fetch_max(*callers, Relaxed);
///         }
///     }
/// }
///
/// let largest = Arc::new(Largest::default());
/// let group = Group::new().observed(Arc::clone(&largest));
/// tokio::join!(group.call(7, || async {}), group.call(7, || async {}), group.call(8, || async {}));
/// assert_eq!(largest.0.load(Relaxed), 2);
/// # }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Is told one event.
    fn on(&self, event: &Event<'_>);
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn on(&self, event: &Event<'_>) {
        (**self).on(event);
    }
}

/// What happens to the flights and the callers of a group.
///
/// A call begins with exactly one of `Led`, `Joined` and `Alone` (an event whose `again` is set begins no call), and
/// ends with exactly one of `Answered`, `Panicked` and `Left`. Nothing is told of a call that panics before it is
/// registered, in its key or in the function that makes the key. A flight begins with `Led`, and ends with exactly one
/// of `Landed` and `Ended`. As a rule, an observer is told nothing of flights and calls that began before it was added.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A caller leads a new flight.
    Led {
        /// The new flight.
        flight: FlightId,
        /// It followed another flight before, which could not serve it: it is no new call.
        again: bool,
        /// What the caller's layer calls its kind of requests, such as a route.
        label: Option<&'a str>,
    },
    /// A caller follows.
    Joined {
        /// The flight that it has joined.
        flight: FlightId,
        /// How long ago the flight's leader called.
        age: Duration,
        /// Live callers of the flight, this one included.
        callers: usize,
        /// It followed another flight before, which could not serve it: it is no new call.
        again: bool,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
    /// A caller runs its own work outside any flight, from the start.
    Alone {
        /// Why.
        reason: Reason,
        /// The name of the reason; over HTTP that of the rule, if one decided.
        why: &'static str,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
    /// The work of a flight goes on in a task of its own.
    Moved {
        /// The flight.
        flight: FlightId,
    },
    /// A flight has an outcome for all who are on it.
    Landed {
        /// The flight.
        flight: FlightId,
        /// From the leader's call.
        took: Duration,
        /// Live callers, who all get the outcome.
        callers: usize,
        /// More than one of them gets it.
        shared: bool,
    },
    /// A flight has ended without an outcome for all who are on it.
    Ended {
        /// The flight.
        flight: FlightId,
        /// In which way.
        how: End,
        /// From the leader's call.
        took: Duration,
    },
    /// A follower runs its own work after all.
    Released {
        /// Why.
        reason: Reason,
        /// The name of the reason; over HTTP that of the rule, if one decided.
        why: &'static str,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
    /// A call ends with an outcome: its caller has it.
    Answered {
        /// The part that the caller had at the end.
        role: Role,
        /// From the call.
        waited: Duration,
        /// How many callers got this outcome.
        callers: usize,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
    /// A call ends with a panic in its caller: that of the work, raised again, or of a value as it was cloned for it.
    Panicked {
        /// The caller followed another's flight.
        follower: bool,
        /// From the call.
        waited: Duration,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
    /// A call ends without an outcome: its caller has left.
    Left {
        /// The caller followed another's flight.
        follower: bool,
        /// From the call.
        waited: Duration,
        /// The label of the caller's requests, as in [`Led`](Self::Led).
        label: Option<&'a str>,
    },
}

/// How a flight ended that had no outcome for all who were on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum End {
    /// The work panicked.
    Panicked,
    /// Its last caller left, and its work was dropped.
    Abandoned,
    /// Its task died, since its runtime was shut down.
    Lost,
    /// The leader alone may have the outcome.
    NotShareable,
}

impl End {
    /// Returns the name, as labels of metrics have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::Abandoned => "abandoned",
            Self::Lost => "lost",
            Self::NotShareable => "not_shareable",
        }
    }
}
