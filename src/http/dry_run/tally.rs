//! What was found on one route.

use std::time::Duration;

use super::{answer::Compared, cause::Pairs, difference::Difference};
use crate::http::rule::Rule;

/// What was found on one route, in numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) led: u64,
    pub(super) followed: u64,
    pub(super) saved: u64,
    pub(super) saved_time: Duration,
    pub(super) same: u64,
    pub(super) different: u64,
    pub(super) not_compared: u64,
    /// Of those that would have been saved: one of the answers was cut.
    pub(super) cut: u64,
    pub(super) left: u64,
    pub(super) leader_left: u64,
    /// The answer came before the content had been read.
    pub(super) not_read: u64,
    /// By a limit: too many, or too long.
    pub(super) limited: u64,
    pub(super) alone: Vec<(Rule, u64)>,
    pub(super) pairs: Pairs,
}

impl Tally {
    /// Notes a rule that keeps requests, or the answer that they waited for, alone.
    pub(super) fn alone(&mut self, rule: Option<Rule>) {
        let Some(rule) = rule else {
            self.limited += 1;
            return;
        };
        match self.alone.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, count)) => *count += 1,
            None => self.alone.push((rule, 1)),
        }
    }

    /// Notes what the answers and the inputs of two requests say together.
    pub(super) fn pair(&mut self, difference: &Difference, compared: &Compared) {
        if matches!(compared, Compared::Same | Compared::Different(_)) {
            self.pairs.note(&difference.inputs, *compared == Compared::Same);
        }
    }

    /// Notes what became of comparing a follower with its leader; returns whether they differ.
    pub(super) fn found(&mut self, compared: &Compared) -> bool {
        let count = match compared {
            Compared::Same => &mut self.same,
            Compared::Different(_) => &mut self.different,
            Compared::Unknown => &mut self.not_compared,
            Compared::Dropped => &mut self.cut,
        };
        *count += 1;
        matches!(compared, Compared::Different(_))
    }
}
