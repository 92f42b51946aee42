//! What a flight lands with: the answer, and the terms on which its followers may have it.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, response};
use http_body::Body;
use tokio::time::Instant;

use super::{body::BodySource, key::HttpKey, membership::FleetPart, policy::Again, rule::Rule};

/// What the work of a flight over HTTP ends with: to the group it is the value, whatever it holds.
pub(crate) struct Answer<RB, E> {
    pub(super) result: Result<(response::Parts, BodySource<RB>), E>,
    pub(super) audience: Audience,
}

/// With whom an answer is shared.
#[derive(Clone)]
pub(super) struct Audience {
    /// The rule that keeps it for the leader, if one does.
    pub(super) rule: Option<Rule>,
    /// Its length is known beforehand, or it has no content (S30).
    pub(super) has_length: bool,
    /// Whether all layers of the group had the same settings when it was judged.
    pub(super) alike: bool,
    /// It is larger than the window, and all of it was there at once.
    pub(super) whole: bool,
    /// What the fleet did with the work.
    pub(super) fleet: FleetPart,
    /// What followers compare; `None`: nothing.
    pub(super) terms: Option<Arc<Terms>>,
}

/// What followers compare: one for all of them.
#[derive(Clone)]
pub(super) struct Terms {
    /// The request fields that `Vary` named, less those that are in the key (S9).
    pub(super) names: Vec<HeaderName>,
    pub(super) leader: HttpKey,
    pub(super) again: Again,
    /// From the work's first poll to its answer.
    pub(super) began: Instant,
    pub(super) answered: Instant,
    /// What the verdict was made of beside the head, where the layers of the group differ.
    pub(super) body: Option<JudgedBody>,
}

/// The part of a body that the verdict took into account, for the layers of followers to judge again.
#[derive(Clone)]
pub(super) enum JudgedBody {
    /// They came in place of a message.
    Trailers(HeaderMap),
    /// It broke off before its first message.
    Failed,
}

/// What a follower has done before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    /// It has had its second try (D9).
    pub(super) again: bool,
    /// It has asked among those who agree with it in the fields that `Vary` named (D3).
    pub(super) regrouped: bool,
}

impl Tried {
    /// Returns whether it has followed before.
    pub(super) fn any(self) -> bool {
        self.again || self.regrouped
    }
}

/// What a follower does with what its flight landed with.
pub(super) enum Step {
    Take,
    /// It asks once more under its key, with its own request (D9).
    Again,
    /// It asks under this key, among those who agree with it (S9, D3).
    Regroup(HttpKey),
    /// It goes alone, by this rule.
    Alone(Rule),
}

/// A failure that can be shared and comes sooner than this is shared with all (D9): it was no time-out, and all joined
/// its flight in nearly the same moment. A failure that may be due to the leader's deadline (S28) is an exception:
/// deadlines are short where services are fast, and its followers, which may not have it, would all go alone.
const SOON: Duration = Duration::from_millis(25);

impl<RB: Body, E: Clone> Clone for Answer<RB, E> {
    fn clone(&self) -> Self {
        Self { result: self.result.clone(), audience: self.audience.clone() }
    }
}

impl Audience {
    /// Returns whether waiting for the next answer is in vain, since it would be for its leader alone, as this one is.
    /// Not if this one may be due to its leader's own request, or was a failure (D9, D4).
    pub(super) fn speaks_for_next(&self) -> bool {
        let own = matches!(self.rule, Some(Rule::S28Deadline | Rule::S30Http10 | Rule::D4Failure));
        let again = self.terms.as_ref().is_some_and(|terms| terms.again != Again::Never);
        self.rule.is_some() && !own && !again
    }

    /// Makes the answer final: it was the second try of all callers of the flight (D9).
    #[cfg(feature = "fleet")]
    pub(super) fn settle(&mut self) {
        if let Some(terms) = &mut self.terms {
            Arc::make_mut(terms).again = Again::Never;
        }
    }

    /// Says what a follower does with the answer, by its key and the time at which it joined.
    pub(super) fn step(&self, key: &HttpKey, http10: bool, joined: Instant, tried: Tried) -> Step {
        let mismatch = self.terms.as_ref().filter(|terms| !key.agrees(&terms.leader, &terms.names));
        if let (Some(terms), None) = (mismatch, self.rule) {
            return if tried.regrouped { Step::Alone(Rule::S9Vary) } else { Step::Regroup(key.variant(&terms.names)) };
        }
        let again = self.terms.as_ref().is_some_and(|terms| terms.lets_again(joined, self.rule.is_none()));
        if again && mismatch.is_none() && !tried.again {
            return Step::Again;
        }
        match self.rule {
            Some(rule) => Step::Alone(rule),
            None if http10 && !self.has_length => Step::Alone(Rule::S30Http10),
            None => Step::Take,
        }
    }
}

impl Terms {
    /// Returns whether a caller that joined at this time may try again (D9); `shared`: if it does not, it gets this
    /// answer.
    fn lets_again(&self, joined: Instant, shared: bool) -> bool {
        let took = self.answered.saturating_duration_since(self.began);
        lets_again(self.again, took, self.answered.saturating_duration_since(joined), shared)
    }
}

/// Returns whether a caller that has waited so long, for an answer that took so long, may try again (D9); `shared`: if
/// it does not, it gets that answer.
pub(super) fn lets_again(again: Again, took: Duration, waited: Duration, shared: bool) -> bool {
    match again {
        Again::Never => false,
        Again::Always => true,
        Again::IfLate => (took >= SOON || !shared) && waited < took / 2,
    }
}
