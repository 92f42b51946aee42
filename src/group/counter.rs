//! What is counted in a shard, and whether one flight more may be.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::Stats;

/// What has become of flights and callers: what of [`Stats`] a shard has to remember.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// Flights that no key ever led to: of callers that go alone in a task of their own. All others were led.
    pub(super) keyless: u64,
    pub(super) followed: u64,
    pub(super) alone: u64,
    pub(super) released: u64,
    pub(super) left: u64,
    pub(super) panicked: u64,
    pub(super) abandoned: u64,
    pub(super) lost: u64,
}

impl Counts {
    /// Returns what a shard has counted that has begun so many flights.
    pub(super) fn stats(self, begun: u64) -> Stats {
        let Self { keyless, followed, alone, released, left, panicked, abandoned, lost } = self;
        let led = begun - keyless;
        Stats { led, followed, alone, released, left, panicked, abandoned, lost, ..Stats::default() }
    }
}

/// Counts the joinable flights of a group where a limit asks for it. Those of a shard are counted when they are asked for: to
/// count them at each call took 5 instructions of it.
pub(super) struct Counter {
    /// `None` where nothing is asked before a flight is counted.
    rule: Option<Box<Rule>>,
}

struct Rule {
    /// The group's count and its limit.
    group: Option<(Arc<AtomicUsize>, usize)>,
    /// The shard is to have no new flight, if its keys can go elsewhere.
    splits: bool,
}

impl Rule {
    fn admits(&self, leaving: usize) -> bool {
        let Some((count, limit)) = &self.group else { return true };
        let more = |count: usize| (count - leaving < *limit).then_some(count + 1);
        count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    fn sub(&self, one: bool) {
        if let Some((count, _)) = &self.group {
            count.fetch_sub(usize::from(one), Relaxed);
        }
    }
}

impl Counter {
    pub(super) fn new(group: Option<(Arc<AtomicUsize>, usize)>) -> Self {
        Self { rule: group.map(|group| Box::new(Rule { group: Some(group), splits: false })) }
    }

    /// Lets one more be, if the limit does, and the shard is not to be split; `leaving` are about to make room.
    #[inline]
    pub(super) fn try_add(&self, leaving: usize) -> bool {
        if let Some(rule) = &self.rule {
            return !rule.splits && rule.admits(leaving);
        }
        true
    }

    /// Likewise, for a flight that can be nowhere else.
    pub(super) fn try_add_here(&self, leaving: usize) -> bool {
        self.rule.as_ref().is_none_or(|rule| rule.admits(leaving))
    }

    #[inline]
    pub(super) fn sub(&self, one: bool) {
        if let Some(rule) = &self.rule {
            rule.sub(one);
        }
    }

    /// Returns the group's count, where a limit asks for it.
    pub(super) fn of_group(&self) -> Option<Arc<AtomicUsize>> {
        self.rule.as_ref()?.group.as_ref().map(|(count, _)| Arc::clone(count))
    }

    /// Asks for the shard to be split.
    pub(super) fn split(&mut self) {
        self.rule.get_or_insert_with(|| Box::new(Rule { group: None, splits: false })).splits = true;
    }

    pub(super) fn splits(&self) -> bool {
        self.rule.as_ref().is_some_and(|rule| rule.splits)
    }
}
