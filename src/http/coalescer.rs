//! What all clones of a service have in common: the settings, and the groups that its requests are in.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderMap, request, response};

use super::{
    body::{self, BodyObservers},
    config::{Config, Grpc, Kind},
    group::HttpGroup,
    key::original_uri,
    mark::mark,
    observe::HttpObservers,
    passed::Passed,
    policy::{self, Forwarded},
    release::PermitWait,
    rule::{Coalesced, Rule},
    watch::HttpWatch,
    write::Write,
};
use crate::{Reason, Role, rare::Rare, trace};

/// What all clones of a service have in common.
pub(super) struct Coalescer {
    pub(super) config: Arc<Config>,
    /// Made for the first body, for the same reason as `own`.
    body_settings: OnceLock<Arc<body::Settings>>,
    /// The group that the application gave, for all requests.
    given: Option<HttpGroup>,
    /// The layer value's group, for requests that show the URI they were asked for: that tells routes apart.
    routes: HttpGroup,
    /// This service's group, for requests that do not. Made for the first of these: axum applies a layer for each route
    /// of each connection, and there every request shows its URI.
    own: OnceLock<HttpGroup>,
}

/// In which group a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhichGroup {
    Given,
    Routes,
    Own,
}

impl Coalescer {
    /// Returns a coalescer that changes nothing in its groups until it [`enter`](Self::enter)s them.
    pub(super) fn new(config: Arc<Config>, given: Option<HttpGroup>, routes: HttpGroup) -> Self {
        Self { config, body_settings: OnceLock::new(), given, routes, own: OnceLock::new() }
    }

    /// Notes in the group that a service with these settings has its flights there, and who observes them.
    #[inline]
    pub(super) fn enter(&self) {
        let group = self.marking();
        group.layers().enter(&self.config);
        group.fleets().add(&self.config.fleet);
        self.config.observers.iter().for_each(|observed| group.observers().add(observed));
    }

    /// Returns how the bodies of answers are shared.
    #[inline]
    pub(super) fn body_settings(&self) -> &Arc<body::Settings> {
        self.body_settings.get_or_init(|| self.make_body_settings())
    }

    #[cold]
    fn make_body_settings(&self) -> Arc<body::Settings> {
        let observers: Arc<dyn BodyObservers> = self.marking().observers().clone();
        let Config { window, stall, ref spill, .. } = *self.config;
        Arc::new(body::Settings { window, stall, spill: spill.clone(), observers: Some(observers) })
    }

    /// Says in which group a request is: nothing but the URI it was asked for tells two routes of one layer value apart.
    #[inline]
    pub(super) fn place(&self, parts: &request::Parts) -> WhichGroup {
        match (&self.given, original_uri(parts)) {
            (Some(_), _) => WhichGroup::Given,
            (None, Some(_)) => WhichGroup::Routes,
            (None, None) => WhichGroup::Own,
        }
    }

    #[inline]
    pub(super) fn group(&self, place: WhichGroup) -> &HttpGroup {
        match (place, &self.given) {
            (WhichGroup::Given, Some(given)) => given,
            (WhichGroup::Routes, _) => &self.routes,
            (WhichGroup::Given | WhichGroup::Own, _) => self.own(),
        }
    }

    /// Returns the group of requests that do not show the URI they were asked for.
    #[inline]
    fn own(&self) -> &HttpGroup {
        match self.own.get() {
            Some(own) => own,
            None => self.make_own(),
        }
    }

    /// Makes the service's own group, with the fences of `routes`: a server may make a service for each connection, and
    /// what is written through one is read through another (S21).
    #[cold]
    fn make_own(&self) -> &HttpGroup {
        self.own.get_or_init(|| HttpGroup::beside(&self.routes, self.config.limits))
    }

    /// Returns the group of this service: the one that was given, or else its own.
    pub(super) fn service_group(&self) -> &HttpGroup {
        self.given.as_ref().unwrap_or_else(|| self.own())
    }

    /// Returns the wait for a permit that a caller which has waited in vain needs before its own call; `None` if it
    /// needs none (D3, D10).
    pub(super) fn permit_wait(&self, place: WhichGroup) -> Option<Box<PermitWait>> {
        self.permit_wait_within(place, None)
    }

    /// Returns the same wait, of at most this long.
    pub(super) fn permit_wait_within(&self, place: WhichGroup, longest: Option<Duration>) -> Option<Box<PermitWait>> {
        let group = self.group(place);
        let releases = group.releases(self.config.release_limit?);
        let longest = group.limits().max_wait.into_iter().chain(longest).min();
        (!releases.counts_already()).then(|| Box::new(releases.permit_wait(longest)))
    }

    /// Returns whether the thread is polling a call that counts against the release limit.
    pub(super) fn counts_already(&self, place: WhichGroup) -> bool {
        self.config.release_limit.is_some_and(|limit| self.group(place).releases(limit).counts_already())
    }

    /// Returns whether requests that pass this service are marked. They are not if it is the only service of its layer
    /// value, and no other can be made: a mark costs three allocations or more.
    #[inline]
    pub(super) fn marks(&self) -> bool {
        !self.marking().has_one_holder()
    }

    /// Returns the group by which requests are marked that have passed a service of this layer value.
    pub(super) fn marking(&self) -> &HttpGroup {
        self.given.as_ref().unwrap_or(&self.routes)
    }

    /// Lets the layer's observers see a request; `None` if there are none.
    #[inline]
    pub(super) fn watch(&self, parts: &request::Parts) -> Rare<HttpWatch> {
        let observers = self.marking().observers();
        if observers.any().is_some() { self.watch_by(observers, parts) } else { Rare::NONE }
    }

    #[inline(never)]
    fn watch_by(&self, observers: &HttpObservers, parts: &request::Parts) -> Rare<HttpWatch> {
        HttpWatch::begin(observers, self.label(parts))
    }

    /// Returns the label that the layer gives to requests of this kind.
    pub(super) fn label(&self, parts: &request::Parts) -> Option<Arc<str>> {
        self.config.labels.of(parts, self.marking().observers().of_flights())
    }

    /// Tells the application's `inspect` how a request has ended.
    #[inline]
    pub(super) fn inspected(&self, role: Role, callers: usize) {
        if let Some(inspect) = &self.config.inspect {
            self.marking().observers().of_flights().inspected(inspect, role, callers);
        }
    }

    /// Counts a request that a rule sends alone, and tells the observers.
    #[inline]
    pub(super) fn count_alone(&self, place: WhichGroup, rule: Rule, reason: Reason, watch: Option<&HttpWatch>) {
        self.group(place).counts().count_alone();
        if let Some(watch) = watch {
            watch.bypassed(self.marking().observers(), reason, rule);
        }
        trace::alone(rule);
    }

    /// Returns what is known of a request from the services of this layer value that it has passed.
    pub(super) fn passed(&self, parts: &request::Parts) -> Passed {
        Passed::of(parts, self.marking())
    }

    /// Returns what a request fences, if it may change something (S21). `bypass` is the rule that sends it alone: a
    /// request that may share a flight changes nothing.
    #[inline]
    pub(super) fn write(&self, parts: &request::Parts, kind: Kind, place: WhichGroup, bypass: Rule) -> Option<Write> {
        let group = || self.group(place).clone();
        match kind.grpc {
            Grpc::OptedIn | Grpc::Reads => None,
            Grpc::Writes => Some(Write::grpc(group(), parts)),
            Grpc::Other => {
                // A method that was opted in has no side effects if `coalesce_if` wants the request and `content_if`,
                // where there is one, lets its content share. `content_if` is asked last: a request that goes alone was
                // refused by it, or never shown to it, and counts as a write.
                let untold = self.config.content_if.is_some();
                let opted_in = kind.wanted && self.config.policy.methods.contains(&parts.method);
                let opted_in = opted_in && !untold && bypass != Rule::S30MethodOverride;
                (!opted_in && policy::is_unsafe(&parts.method, &parts.headers)).then(|| Write::http(group(), parts))
            }
        }
    }

    /// Turns the head that a flight, or a call, came to into the caller's own.
    pub(super) fn head(&self, head: &mut response::Parts, coalesced: Coalesced, forwarded: Forwarded) {
        if coalesced.role == Role::Follower {
            policy::follower_head(head, &self.config.policy.dropped);
            // S19: what lies in the extensions is the leader's.
            let leaders = std::mem::take(&mut head.extensions);
            for share in &self.config.share_extensions {
                share(&leaders, &mut head.extensions);
            }
        }
        mark(&mut head.extensions, coalesced);
        self.report(&mut head.headers, coalesced, forwarded);
    }

    /// Tells the client in its answer what became of the request, if the application wants that (S24).
    #[inline]
    pub(super) fn report(&self, headers: &mut HeaderMap, coalesced: Coalesced, forwarded: Forwarded) {
        if let Some(name) = &self.config.cache_status {
            let shares = forwarded.is_on_flight();
            let rule = coalesced.rule.filter(|_| !shares).map(Rule::name);
            // A caller that leads in this process may have followed another process.
            let elsewhere = shares && coalesced.is_from_elsewhere();
            let forwarded = if elsewhere { Forwarded::Follower } else { forwarded };
            let detail = rule.or(elsewhere.then_some("fleet")).or(forwarded.is_fresh().then_some("fresh"));
            name.append(forwarded, detail, headers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An axum router of fifty routes applies the layer fifty times for each connection: with a group for each this
    /// took 1.8 ms.
    #[test]
    fn a_layer_that_is_applied_makes_no_group_and_copies_no_settings() {
        let (config, routes) = (Arc::new(Config::default()), HttpGroup::new());
        let coalescer = Coalescer::new(Arc::clone(&config), None, routes.clone());
        assert!(Arc::ptr_eq(&coalescer.config, &config));
        assert!(std::ptr::eq(coalescer.group(WhichGroup::Routes).fences(), routes.fences()));
        assert!(coalescer.own.get().is_none());
        let own = coalescer.service_group().number();
        assert_eq!((coalescer.group(WhichGroup::Own).number(), coalescer.service_group().number()), (own, own));
        assert!(std::ptr::eq(coalescer.group(WhichGroup::Own).fences(), routes.fences()), "S21");
    }
}
