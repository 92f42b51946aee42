//! What all clones of a service share, and what becomes of a request.

use http::{HeaderName, header, request, response};

use super::{
    config::{Config, Grpc, Kind},
    content::Content,
    group::HttpGroup,
    key::{Beside, HttpKey, epoch, original_uri},
    passed::{Lines, Passed},
    policy::{self, Admission, Forwarded},
    release::Turn,
    rule::{Coalesced, Rule},
    write::Write,
};
use crate::Role;

pub(super) struct Shared {
    pub(super) config: Config,
    /// What the application gave, for all requests.
    given: Option<HttpGroup>,
    /// The layer value's: for requests that show the URI they were asked for, by which routes are told apart.
    routes: HttpGroup,
    /// This service's: for requests that do not.
    own: HttpGroup,
}

/// In which group a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Given,
    Routes,
    Own,
}

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

impl Shared {
    pub(super) fn new(config: Config, given: Option<HttpGroup>, routes: HttpGroup) -> Self {
        // A server may make a service for each connection: what is written through one is read through another (S21).
        let own = HttpGroup::beside(&routes, config.limits);
        Self { config, given, routes, own }
    }

    /// Says in which group a request is: nothing but the URI it was asked for tells two routes of one layer value apart.
    pub(super) fn place(&self, parts: &request::Parts) -> Place {
        match (&self.given, original_uri(parts)) {
            (Some(_), _) => Place::Given,
            (None, Some(_)) => Place::Routes,
            (None, None) => Place::Own,
        }
    }

    pub(super) fn group(&self, place: Place) -> &HttpGroup {
        match (place, &self.given) {
            (Place::Given, Some(given)) => given,
            (Place::Routes, _) => &self.routes,
            (Place::Given | Place::Own, _) => &self.own,
        }
    }

    /// Returns the group of this service: the one that was given, or else its own.
    pub(super) fn service_group(&self) -> &HttpGroup {
        self.given.as_ref().unwrap_or(&self.own)
    }

    /// Returns what one who has waited waits for before its own call; `None` if it need not wait (D3, D10).
    pub(super) fn turn(&self, place: Place) -> Option<Box<Turn>> {
        let group = self.group(place);
        let releases = group.releases(self.config.release_limit?);
        (!releases.counts_already()).then(|| Box::new(releases.turn(group.max_wait())))
    }

    /// Returns whether the thread is polling a call that counts against the release limit.
    pub(super) fn counts_already(&self, place: Place) -> bool {
        self.config.release_limit.is_some_and(|limit| self.group(place).releases(limit).counts_already())
    }

    /// Counts the service that this is for: as long as a layer value has made one only, no request passes two.
    pub(super) fn count_service(&self) {
        self.marking().count_service();
    }

    /// Returns the group by which requests are marked that have passed a service of this layer value.
    fn marking(&self) -> &HttpGroup {
        self.given.as_ref().unwrap_or(&self.routes)
    }

    /// Returns what is known of a request from the services of this layer value that it has passed.
    pub(super) fn passed(&self, parts: &request::Parts) -> Passed {
        Passed::of(parts, self.marking())
    }

    /// Decides what becomes of a request, and marks it as one that has passed; an error: the rule that sends it alone.
    pub(super) fn plan(
        &self,
        parts: &mut request::Parts,
        kind: Kind,
        content: &Content,
        place: Place,
    ) -> Result<Plan, Rule> {
        if !self.marking().has_services() {
            return self.decide(parts, kind, content, place, &Passed::default());
        }
        let passed = self.passed(parts);
        let plan = self.decide(parts, kind, content, place, &passed);
        // A request that has some goes alone, unless the layer was told to share such ones.
        let may_have = plan.is_err() || self.config.policy.shares_credentials();
        let credentials = if may_have { self.credentials(parts) } else { Lines::new() };
        // What a service's own group holds is asked of that service alone: how many it was does not matter.
        if place != Place::Own || !credentials.is_empty() {
            let key = plan.as_ref().ok().map(|plan| plan.key().clone());
            passed.mark(parts, self.marking(), key, credentials);
        }
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

    fn decide(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &Content,
        place: Place,
        passed: &Passed,
    ) -> Result<Plan, Rule> {
        Ok(match self.key(parts, kind, content, place, passed)? {
            (Admission::LeadOnly, key) => Plan::Lead(key),
            (_, key) if self.group(place).unshareable().contains(&key) => Plan::Unshareable(key),
            (_, key) => Plan::Fly(key),
        })
    }

    /// Returns the key of a request and what it may do with it, or the rule that sends it alone.
    pub(super) fn key(
        &self,
        parts: &request::Parts,
        kind: Kind,
        content: &Content,
        place: Place,
        passed: &Passed,
    ) -> Result<(Admission, HttpKey), Rule> {
        let config = &self.config;
        if !kind.wanted {
            return Err(Rule::Unwanted);
        }
        if !passed.credentials.is_empty()
            && !config.recipe.knows_who_asks()
            && self.credentials(parts) != passed.credentials
        {
            return Err(Rule::S5Authorization);
        }
        let is_grpc = kind.grpc == Grpc::OptedIn;
        let mut admitting = config.policy.admitting(parts, content.known(), is_grpc)?;
        let epoch = epoch(self.group(place).fences(), parts, is_grpc);
        let beside = Beside { content: content.read(), epoch, passed: passed.services, above: passed.above.as_ref() };
        let key = config.recipe.key(parts, beside, |name, value| admitting.look_at(name, value))?;
        let admission = admitting.done(&parts.headers)?;
        match (&config.content_if, content) {
            (Some(content_if), Content::Read(content)) if !content_if(parts, content) => Err(Rule::D11Content),
            _ => Ok((admission, key)),
        }
    }

    /// Returns whether a request's content is read for its key.
    pub(super) fn reads_content(&self, parts: &request::Parts, kind: Kind) -> bool {
        kind.wanted && self.config.policy.admit(parts, policy::Content::Keyed, kind.grpc == Grpc::OptedIn).is_ok()
    }

    /// Returns what a request fences that may change something (S21); `bypass` is the rule that sends it alone.
    pub(super) fn write(&self, parts: &request::Parts, kind: Kind, place: Place, bypass: Rule) -> Option<Write> {
        let group = || self.group(place).clone();
        match kind.grpc {
            Grpc::OptedIn | Grpc::Reads => None,
            Grpc::Writes => Some(Write::grpc(group(), parts)),
            Grpc::Other => {
                // A method may be without side effects where it is wanted, and by what its content says: whoever asks
                // that asks it last, so what goes alone was told that it is not, or was not told.
                let untold = self.config.content_if.is_some();
                let opted_in = kind.wanted && self.config.policy.methods.contains(&parts.method);
                let opted_in = opted_in && !untold && bypass != Rule::S30MethodOverride;
                (!opted_in && policy::is_unsafe(parts)).then(|| Write::http(group(), parts))
            }
        }
    }

    /// Makes a caller's own head of the one that its flight, or its own call, came to.
    pub(super) fn head(&self, head: &mut response::Parts, coalesced: Coalesced, forwarded: Forwarded) {
        if coalesced.role == Role::Follower {
            policy::follower_head(head, &self.config.policy.dropped);
            // S19: what lies in the extensions is the leader's.
            let leaders = std::mem::take(&mut head.extensions);
            for share in &self.config.share_extensions {
                share(&leaders, &mut head.extensions);
            }
        }
        match head.extensions.get_mut() {
            Some(known) => *known = coalesced,
            None => drop(head.extensions.insert(coalesced)),
        }
        if let Some(name) = &self.config.cache_status {
            let rule = coalesced.rule.filter(|_| !matches!(forwarded, Forwarded::Leader | Forwarded::Follower));
            name.append(forwarded, rule, &mut head.headers);
        }
    }
}
