//! What a layer would do with one request.

use std::{sync::Arc, time::Duration};

use super::Asked;
use crate::http::{
    coalescer::{Coalescer, WhichGroup},
    content::RequestContent,
    key::HttpKey,
    plan::Plan,
    requester::Requester,
    rule::Rule,
};

/// What a layer would do with one request.
pub(in crate::http) struct Side {
    pub(super) place: WhichGroup,
    /// An error: it goes alone by this rule.
    pub(super) plan: Result<Plan, Rule>,
    /// `Some` also for a request that a rule sends alone, if a key can be made for it.
    pub(super) requester: Option<Requester>,
    /// How old a flight of its group may be, and still be joined.
    pub(super) join_window: Option<Duration>,
}

impl Side {
    pub(super) fn key(&self) -> Option<&HttpKey> {
        self.requester.as_ref().map(|requester| &requester.key)
    }

    pub(super) fn is_http10(&self) -> bool {
        self.requester.as_ref().is_some_and(|requester| requester.facts.http10)
    }

    /// Returns the rule that keeps the request from leading a flight for others.
    pub(super) const fn alone(&self) -> Option<Rule> {
        match self.plan {
            Ok(Plan::Fly | Plan::Fresh | Plan::Lead) => None,
            Ok(Plan::Unshareable) => Some(Rule::D3Remembered),
            Err(rule) => Some(rule),
        }
    }

    /// Returns the rule that keeps the request from joining a flight that is under way.
    pub(super) const fn joins_none(&self) -> Option<Rule> {
        match self.plan {
            Ok(Plan::Fresh | Plan::Lead) => Some(Rule::S13Reload),
            _ => self.alone(),
        }
    }
}

impl Coalescer {
    /// Decides what would become of a request, and changes nothing. `max`: how much content is read, in bytes, if
    /// content counts.
    pub(in crate::http) fn explain(self: &Arc<Self>, asked: &Asked<'_>, max: Option<usize>) -> Side {
        let Asked { parts, content } = asked;
        let kind = self.config.kind(parts);
        let (place, passed) = (self.place(parts), self.passed(parts));
        let at_least = content.len() as u64;
        let is_read = max.is_some_and(|max| self.reads_content(parts, kind, at_least, max));
        let known = RequestContent::told(content, is_read);
        let (plan, key) = match self.decide(parts, kind, &known, place, Some(&passed)) {
            Ok((plan, key)) => (Ok(plan), Some(key)),
            Err(rule) => {
                // What would have been read without the rule is compared all the same.
                let fits = max.is_some_and(|max| at_least <= max as u64);
                let known = RequestContent::told(content, fits);
                (Err(rule), self.key_of_any(parts, kind, &known, place, &passed))
            }
        };
        let requester = key.map(|key| self.requester(parts, kind, place, key, false, None));
        Side { place, plan, requester, join_window: self.group(place).limits().join_window }
    }
}
