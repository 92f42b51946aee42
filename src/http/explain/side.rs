//! What a layer would do with one request.

use super::Asked;
use crate::http::{
    coalescer::{Coalescer, Place},
    content::RequestContent,
    key::HttpKey,
    plan::Plan,
    rule::Rule,
};

/// What a layer would do with one request.
pub(in crate::http) struct Side {
    pub(super) place: Place,
    /// An error: it goes alone by this rule.
    pub(super) plan: Result<Plan, Rule>,
    /// Also that of a request that a rule sends alone, if one can be made.
    pub(super) key: Option<HttpKey>,
}

impl Side {
    /// Returns the rule that keeps the request from leading a flight for others.
    pub(super) const fn alone(&self) -> Option<Rule> {
        match self.plan {
            Ok(Plan::Fly | Plan::Lead) => None,
            Ok(Plan::Unshareable) => Some(Rule::D3Remembered),
            Err(rule) => Some(rule),
        }
    }
}

impl Coalescer {
    /// Decides what would become of a request, and leaves all as it is. `max`: how much content is read, in bytes, if
    /// content counts.
    pub(in crate::http) fn explain(&self, asked: &Asked<'_>, max: Option<usize>) -> Side {
        let Asked { parts, content: said } = asked;
        let kind = self.config.kind(parts);
        let is_read = |max| self.reads_content(parts, kind, said.len() as u64, max);
        let content = if said.is_empty() {
            RequestContent::Empty
        } else if max.is_some_and(is_read) {
            RequestContent::Read(said.clone())
        } else {
            RequestContent::Unknown
        };
        let (place, passed) = (self.place(parts), self.passed(parts));
        match self.decide(parts, kind, &content, place, Some(&passed)) {
            Ok((plan, key)) => Side { place, plan: Ok(plan), key: Some(key) },
            Err(rule) => {
                // What no rule would have let be read is compared all the same.
                let content = if max.is_some_and(|max| said.len() <= max) && !said.is_empty() {
                    RequestContent::Read(said.clone())
                } else {
                    content
                };
                let key = self.key_of_any(parts, kind, &content, place, &passed);
                Side { place, plan: Err(rule), key }
            }
        }
    }
}
