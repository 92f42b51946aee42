//! What a generic layer's dry run has found, in numbers.

use std::fmt;

use serde_json::json;

/// What a dry run has found, in numbers; returned by
/// [`SingleflightLayer::dry_run_stats`](crate::SingleflightLayer::dry_run_stats).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::convert::Infallible;
/// use tower::{Layer, Service, service_fn};
/// use tower_singleflight::SingleflightLayer;
///
/// #[derive(Clone)]
/// struct Query { id: u64, tenant: &'static str }
///
/// let backend = service_fn(|query: Query| async move {
///     tokio::task::yield_now().await;
///     Ok::<_, Infallible>(format!("row {} of {}", query.id, query.tenant))
/// });
/// // The key lacks the tenant.
/// let layer = SingleflightLayer::new(|query: &Query| Some(query.id)).dry_run(|leader, follower| leader == follower);
/// let mut service = layer.layer(backend);
/// let calls = ["a", "b", "a"].map(|tenant| service.call(Query { id: 7, tenant }));
/// futures_util::future::join_all(calls).await;
/// let stats = layer.dry_run_stats();
/// assert_eq!((stats.saved, stats.same, stats.different), (2, 1, 1));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DryRunStats {
    /// Calls that were made.
    pub calls: u64,
    /// Of these: calls whose work a flight would have run.
    pub led: u64,
    /// Of these: calls that would have joined a flight.
    pub followed: u64,
    /// Of these: calls without a key.
    pub alone: u64,
    /// Of these: calls that were not watched, since their keys are not in the sample.
    pub unwatched: u64,
    /// Of these: calls that were not watched, since there were as many flights as are watched at most.
    pub full: u64,
    /// Of these: calls that a limit would have sent alone at once: `max_followers`, `max_flights`, or a `max_wait` of zero.
    pub limited: u64,
    /// Of those that would have followed: those that would have had the outcome. So many calls would have been saved.
    pub saved: u64,
    /// Of those that would have been saved: those whose own outcome was the same as the leader's.
    pub same: u64,
    /// Of those that would have been saved: those whose own outcome was another one.
    pub different: u64,
    /// Of those that would have followed: those that would have run their own work, since `share_if` said no.
    pub released: u64,
    /// Of those that would have followed: those that would have run their own work, since they would have waited for longer
    /// than `max_wait`.
    pub waited_too_long: u64,
    /// Of those that would have followed: those that left before the outcome was there.
    pub left: u64,
    /// Of those that would have followed: those whose leader left before the outcome was there, or panicked.
    pub leader_left: u64,
    /// How often the key function, `share_if`, the comparison, or a key or an outcome of the application panicked.
    pub panicked: u64,
}

impl DryRunStats {
    /// Returns the numbers as JSON, by their names here.
    ///
    /// # Examples
    ///
    /// ```
    /// let stats = tower_singleflight::DryRunStats::default();
    /// let json: serde_json::Value = serde_json::from_str(&stats.to_json()).unwrap();
    /// assert_eq!(json["saved"], 0);
    /// ```
    pub fn to_json(&self) -> String {
        json!({
            "calls": self.calls,
            "led": self.led,
            "followed": self.followed,
            "alone": self.alone,
            "unwatched": self.unwatched,
            "full": self.full,
            "limited": self.limited,
            "saved": self.saved,
            "same": self.same,
            "different": self.different,
            "released": self.released,
            "waited_too_long": self.waited_too_long,
            "left": self.left,
            "leader_left": self.leader_left,
            "panicked": self.panicked,
        })
        .to_string()
    }
}

/// One line: what would have been saved, and all else that there was.
impl fmt::Display for DryRunStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, saved, same, different, released, .. } = self;
        write!(
            f,
            "dry run: {saved} of {calls} calls would have been saved; of their outcomes {same} are the same and {different} \
             differ; {released} would have been released"
        )?;
        let notes = [
            (self.alone, "had no key"),
            (self.unwatched, "were not in the sample"),
            (self.full, "were not watched, since there was no place for them"),
            (self.limited, "would have gone alone by a limit"),
            (self.waited_too_long, "would have waited for too long"),
            (self.left, "left before the outcome was there"),
            (self.leader_left, "lost their leader"),
            (self.panicked, "times a function of the application panicked"),
        ];
        notes.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, note)| write!(f, "; {count} {note}"))
    }
}
