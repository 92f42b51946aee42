//! What becomes of a request: it flies, leads, or goes alone, and by which rule.

use http::{HeaderName, header, request};

use super::{
    coalescer::{Coalescer, Place},
    config::{Config, Grpc, Kind},
    content::RequestContent,
    key::{Beside, HttpKey, epoch},
    passed::{Lines, Passed},
    policy::{self, Admission},
    rule::Rule,
};

/// What becomes of a request that no rule sends alone.
pub(super) enum Plan {
    /// It leads a flight or joins one.
    Fly(HttpKey),
    /// It may lead, but joins none (S13).
    Lead(HttpKey),
    /// It goes alone; of late, answers to its key could not be shared.
    Unshareable(HttpKey),
}

impl Plan {
    fn key(&self) -> &HttpKey {
        let (Self::Fly(key) | Self::Lead(key) | Self::Unshareable(key)) = self;
        key
    }
}

impl Coalescer {
    /// Decides what becomes of a request, and marks it as one that has passed; an error: the rule that sends it alone.
    pub(super) fn plan(
        &self,
        parts: &mut request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: Place,
    ) -> Result<Plan, Rule> {
        if !self.marking().has_services() {
            return self.decide(parts, kind, content, place, None);
        }
        let passed = self.passed(parts);
        let plan = self.decide(parts, kind, content, place, Some(&passed));
        // A request that has some goes alone, unless the layer was told to share such ones.
        let may_have = plan.is_err() || self.config.policy.shares_credentials();
        let credentials = if may_have { self.credentials(parts) } else { Lines::new() };
        let key = plan.as_ref().map(|plan| plan.key().clone()).map_err(|rule| *rule);
        passed.mark(parts, self.marking(), key, credentials);
        plan
    }

    /// Returns the credentials of a request, less cookies that do not count.
    fn credentials(&self, parts: &request::Parts) -> Lines {
        let Config { policy, recipe, .. } = &self.config;
        let counts = |name: &HeaderName| match *name {
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => true,
            header::COOKIE => policy.counts_cookies(&parts.headers, recipe.keys_cookies()),
            _ => false,
        };
        let lines = parts.headers.iter().filter(|(name, _)| counts(name));
        lines.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    #[inline]
    fn decide(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: Place,
        passed: Option<&Passed>,
    ) -> Result<Plan, Rule> {
        Ok(match self.key(parts, kind, content, place, passed)? {
            (Admission::LeadOnly, key) => Plan::Lead(key),
            (_, key) if self.group(place).unshareable().contains(&key) => Plan::Unshareable(key),
            (_, key) => Plan::Fly(key),
        })
    }

    /// Returns the key of a request and what it may do with it, or the rule that sends it alone. `passed`: what is known
    /// of it from services that it has passed, if it may have passed any.
    #[inline]
    pub(super) fn key(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: Place,
        passed: Option<&Passed>,
    ) -> Result<(Admission, HttpKey), Rule> {
        let config = &self.config;
        if !kind.wanted {
            return Err(Rule::Unwanted);
        }
        if let Some(passed) = passed.filter(|_| !config.recipe.knows_who_asks()) {
            if !passed.credentials.is_empty() && self.credentials(parts) != passed.credentials {
                return Err(Rule::S5Authorization);
            }
            passed.alone.map_or(Ok(()), Err)?;
        }
        let is_grpc = kind.grpc == Grpc::OptedIn;
        let mut admitting = config.policy.admitting(parts, content.known(), is_grpc)?;
        let epoch = epoch(self.group(place).fences(), parts, is_grpc);
        let (passed, above) = passed.map_or((0, None), |passed| (passed.services, passed.above.as_ref()));
        let beside = Beside { content: content.read(), epoch, passed, above };
        let key = config.recipe.key(parts, beside, |name, value| admitting.look_at(name, value))?;
        let admission = admitting.done(&parts.headers)?;
        match (&config.content_if, content) {
            (Some(content_if), RequestContent::Read(content)) if !content_if(parts, content) => Err(Rule::D11Content),
            _ => Ok((admission, key)),
        }
    }

    /// Returns whether a request's content is read for its key.
    pub(super) fn reads_content(&self, parts: &request::Parts, kind: Kind) -> bool {
        kind.wanted && self.config.policy.admit(parts, policy::Content::Keyed, kind.grpc == Grpc::OptedIn).is_ok()
    }
}
