//! What may go wrong on the way to an engine and back.

use std::time::Duration;

use crate::fleet::random::{STEP, mixed};

/// How often each fault occurs between a [`MemoryEngine`](crate::fleet::MemoryEngine) and those who ask it, out of 100
/// times; never by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// The command is lost: it never takes effect, and its reply never comes.
    pub lost_commands: u8,
    /// The command takes effect, and its reply never comes.
    pub lost_replies: u8,
    /// The command takes effect, and its reply is an error.
    pub failed_replies: u8,
    /// The command takes effect twice, up to `delay` apart, and the second reply is the one that comes, as if a client
    /// had sent the command again.
    pub doubled: u8,
    /// The command takes effect late, by up to `delay`: commands overtake each other.
    pub late_commands: u8,
    /// The reply comes late, by up to `delay`.
    pub late_replies: u8,
    /// How late is late.
    pub delay: Duration,
    /// All flights and messages are gone before the command takes effect.
    pub evictions: u8,
    /// News is lost.
    pub lost_news: u8,
    /// News comes late, by up to `delay`.
    pub late_news: u8,
    /// News that something may have been missed, when nothing was.
    pub false_alarms: u8,
}

impl Faults {
    /// Returns no faults.
    pub const fn none() -> Self {
        Self {
            lost_commands: 0,
            lost_replies: 0,
            failed_replies: 0,
            doubled: 0,
            late_commands: 0,
            late_replies: 0,
            delay: Duration::ZERO,
            evictions: 0,
            lost_news: 0,
            late_news: 0,
            false_alarms: 0,
        }
    }

    /// Returns some of each.
    pub const fn all(percent: u8, delay: Duration) -> Self {
        Self {
            lost_commands: percent,
            lost_replies: percent,
            failed_replies: percent,
            doubled: percent,
            late_commands: percent,
            late_replies: percent,
            delay,
            evictions: percent,
            lost_news: percent,
            late_news: percent,
            false_alarms: percent,
        }
    }
}

/// The faults of one operation, chosen when it is asked.
#[derive(Clone, Copy, Default)]
pub(super) struct Chosen {
    pub(super) lost_command: bool,
    pub(super) lost_reply: bool,
    pub(super) failed_reply: bool,
    pub(super) doubled: Option<Duration>,
    pub(super) late_command: Option<Duration>,
    pub(super) late_reply: Option<Duration>,
    pub(super) eviction: bool,
    pub(super) false_alarm: bool,
}

/// Chooses faults: the same in every run for the same seed, and the same order of operations.
pub(super) struct SeededRandom(u64);

impl SeededRandom {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mixed(self.0)
    }

    fn hits(&mut self, percent: u8) -> bool {
        percent > 0 && self.next() % 100 < u64::from(percent)
    }

    /// Returns whether it is late, and by how long: whole milliseconds, at least one.
    pub(super) fn late(&mut self, percent: u8, delay: Duration) -> Option<Duration> {
        let longest = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).max(1);
        self.hits(percent).then(|| Duration::from_millis(1 + self.next() % longest))
    }

    pub(super) fn loses(&mut self, percent: u8) -> bool {
        self.hits(percent)
    }

    pub(super) fn choose(&mut self, faults: &Faults) -> Chosen {
        Chosen {
            lost_command: self.hits(faults.lost_commands),
            lost_reply: self.hits(faults.lost_replies),
            failed_reply: self.hits(faults.failed_replies),
            doubled: self.late(faults.doubled, faults.delay),
            late_command: self.late(faults.late_commands, faults.delay),
            late_reply: self.late(faults.late_replies, faults.delay),
            eviction: self.hits(faults.evictions),
            false_alarm: self.hits(faults.false_alarms),
        }
    }
}
