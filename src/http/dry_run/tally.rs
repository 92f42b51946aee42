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

    /// Notes a comparison; returns whether the answers differ.
    pub(super) fn compared(&mut self, difference: &Difference, compared: &Compared) -> bool {
        let is_same = match compared {
            Compared::Same => true,
            Compared::Different(_) => false,
            Compared::Unknown => {
                self.not_compared += 1;
                return false;
            }
            Compared::Dropped => {
                self.cut += 1;
                return false;
            }
        };
        *(if is_same { &mut self.same } else { &mut self.different }) += 1;
        self.pairs.note(difference.inputs.clone(), is_same);
        !is_same
    }
}
