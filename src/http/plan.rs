//! What becomes of a request: it flies, leads, or goes alone, and by which rule.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, header, request};

use super::{
    coalescer::{Coalescer, WhichGroup},
    config::{Config, ContentIf, Grpc, Kind},
    content::RequestContent,
    key::{Beside, HttpKey, fenced},
    passed::{Inside, Lines, Passed},
    policy::{self, Admission},
    requester::Requester,
    rule::Rule,
    storm::ReadUnderWay,
};

/// What becomes of a request that no rule sends alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It leads a flight or joins one.
    Fly,
    /// The same, but of flights whose work begins after it came (S13).
    Fresh,
    /// It may lead, but joins none (S13).
    Lead,
    /// It goes alone; of late, answers to its key could not be shared.
    Unshareable,
}

/// A request that a rule sends alone.
#[derive(Clone, Copy)]
pub(super) struct Alone {
    pub(super) rule: Rule,
    pub(super) kind: Kind,
    /// Whether it was marked as one that has passed.
    pub(super) marked: bool,
    pub(super) place: WhichGroup,
}

impl Coalescer {
    /// Decides what becomes of a request, and marks it as one that has passed.
    #[inline(always)]
    pub(super) fn plan(
        self: &Arc<Self>,
        parts: &mut request::Parts,
        kind: Kind,
        content: &RequestContent,
    ) -> Result<(Plan, Requester), Alone> {
        let place = self.place(parts);
        // A mark that is there counts, even if nobody else holds the group any more: somebody did when it was made.
        let marked = self.marks() || Passed::is_marked(parts, self.marking());
        match self.decide_and_mark(parts, kind, content, place, marked) {
            Ok((plan, key)) => {
                let read = self.read(parts, kind, place);
                Ok((plan, self.requester(parts, kind, place, key, marked, read)))
            }
            Err(rule) => Err(Alone { rule, kind, marked, place }),
        }
    }

    /// Counts the caller among the readers of what was ever written to (S21).
    #[inline]
    fn read(&self, parts: &request::Parts, kind: Kind, place: WhichGroup) -> Option<Arc<ReadUnderWay>> {
        let group = self.group(place);
        let (number, epoch) = fenced(group.fences(), parts, kind.grpc == Grpc::OptedIn)?;
        Some(ReadUnderWay::enter(group.reads(), number, epoch))
    }

    /// Returns what is known of a caller that has a key. `read`: `Some` if what it asks for was ever written to, unless
    /// nothing is sent for it.
    #[inline(always)]
    pub(super) fn requester(
        self: &Arc<Self>,
        parts: &request::Parts,
        kind: Kind,
        place: WhichGroup,
        key: HttpKey,
        marked: bool,
        read: Option<Arc<ReadUnderWay>>,
    ) -> Requester {
        let facts = self.config.policy.facts(parts, key.has_deadline());
        let unary = kind.grpc == Grpc::OptedIn;
        let fleet = self.config.fleet.wish(parts, place != WhichGroup::Own);
        Requester { coalescer: Arc::clone(self), place, key, facts, unary, fleet, marked, released: false, read }
    }

    #[inline(always)]
    fn decide_and_mark(
        &self,
        parts: &mut request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: WhichGroup,
        marks: bool,
    ) -> Result<(Plan, HttpKey), Rule> {
        if Inside::is_current(self.marking()) && !Passed::is_marked(parts, self.marking()) {
            return Err(Rule::S2Inside);
        }
        let passed = if marks { Some(self.passed(parts)) } else { None };
        let decided = self.decide(parts, kind, content, place, passed.as_ref());
        let Some(passed) = passed else { return decided };
        // A request with credentials goes alone, unless the layer was told to share such requests.
        let may_have = decided.is_err() || self.config.policy.shares_credentials();
        let credentials = if may_have { self.credentials(parts) } else { Lines::new() };
        let key = decided.as_ref().map(|(_, key)| key.clone()).map_err(|rule| *rule);
        passed.mark(parts, self.marking(), key, credentials);
        decided
    }

    /// Returns the credentials of a request, less cookies that do not count.
    fn credentials(&self, parts: &request::Parts) -> Lines {
        let Config { policy, recipe, .. } = &*self.config;
        let counts = |name: &HeaderName| match *name {
            header::AUTHORIZATION | header::PROXY_AUTHORIZATION => true,
            header::COOKIE => policy.counts_cookies(&parts.headers, recipe.keys_cookies()),
            _ => false,
        };
        let lines = parts.headers.iter().filter(|(name, _)| counts(name));
        lines.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// Decides what becomes of a request, and changes nothing.
    #[inline(always)]
    pub(super) fn decide(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: WhichGroup,
        passed: Option<&Passed>,
    ) -> Result<(Plan, HttpKey), Rule> {
        let (admission, key) = self.key(parts, kind, content, place, passed)?;
        let plan = match admission {
            Admission::Reload if self.config.reloads.alone => Plan::Lead,
            _ if self.group(place).unshareable().contains(&key) => Plan::Unshareable,
            Admission::Reload | Admission::Fresh => Plan::Fresh,
            Admission::Coalesce if self.config.reloads.fresh_if.as_ref().is_some_and(|fresh| fresh(parts)) => {
                Plan::Fresh
            }
            Admission::Coalesce => Plan::Fly,
        };
        Ok((plan, key))
    }

    /// Returns the key of a request and what it may do with it, or the rule that sends it alone. `passed`: what is known
    /// of it from services that it has passed, if it may have passed any.
    #[inline(always)]
    pub(super) fn key(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: WhichGroup,
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
        let group = self.group(place);
        let fenced = fenced(group.fences(), parts, is_grpc);
        let storms = fenced.is_some_and(|(number, epoch)| group.reads().see_a_storm(number, epoch));
        let epoch = fenced.filter(|_| !storms).map_or(0, |(_, epoch)| epoch);
        let key =
            config.recipe.key(parts, beside(content, epoch, passed), |name, value| admitting.look_at(name, value))?;
        let admission = admitting.done(&parts.headers)?;
        if config.content_if.as_ref().is_some_and(|content_if| !lets_share(content_if, parts, content)) {
            return Err(Rule::D11Content);
        }
        let waits_for_next = storms && admission == Admission::Coalesce;
        Ok((if waits_for_next { Admission::Fresh } else { admission }, key))
    }

    /// Returns the key that a request would have if only the rules on the key itself could send it alone.
    pub(super) fn key_of_any(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &RequestContent,
        place: WhichGroup,
        passed: &Passed,
    ) -> Option<HttpKey> {
        let fenced = fenced(self.group(place).fences(), parts, kind.grpc == Grpc::OptedIn);
        let epoch = fenced.map_or(0, |(_, epoch)| epoch);
        self.config.recipe.key(parts, beside(content, epoch, Some(passed)), |_, _| Ok(())).ok()
    }

    /// Returns whether a request's content, of at least so many bytes, is read for its key; at most `max` are read.
    pub(super) fn reads_content(&self, parts: &request::Parts, kind: Kind, at_least: u64, max: usize) -> bool {
        at_least <= max as u64
            && kind.wanted
            && self.config.policy.admit(parts, policy::Content::Keyed(None), kind.grpc == Grpc::OptedIn).is_ok()
    }
}

/// Returns what is in a request's key beside its head.
#[inline(always)]
fn beside<'a>(content: &'a RequestContent, epoch: u64, passed: Option<&'a Passed>) -> Beside<'a> {
    let (passed, above) = passed.map_or((0, None), |passed| (passed.services, passed.above.as_ref()));
    Beside { content: content.read(), epoch, passed, above }
}

/// Asks whether a request's content lets it share (D11). Where a method was opted in for its content, empty content is
/// asked about like any other. A `GET` has none as a rule, and is not asked about.
fn lets_share(content_if: &ContentIf, parts: &request::Parts, content: &RequestContent) -> bool {
    match content {
        RequestContent::Read(content) => content_if(parts, content),
        RequestContent::Empty => matches!(parts.method, Method::GET | Method::HEAD) || content_if(parts, &Bytes::new()),
        _ => true,
    }
}
