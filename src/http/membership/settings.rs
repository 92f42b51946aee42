//! A layer's settings for its fleet, and which requests may leave the process.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderName, request};

use crate::{
    fleet::{Domain, FenceScope, Fleet, FleetReason, FleetRole, Name},
    http::{
        fence::decoded,
        key::{HttpKey, Travelling, service_of},
    },
};

/// What the fleet did with the work of a flight, if it was asked.
pub(in crate::http) type FleetPart = Option<FleetRole>;

/// Asked of each request that may share.
type FleetIf = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

/// A layer's settings for its fleet.
#[derive(Clone, Default)]
pub(in crate::http) struct Membership {
    /// The fleet, under the name that was given for what is behind the layer; `None` if the layer is in none.
    fleet: Option<Arc<Fleet>>,
    /// That name; empty if the layer is in none.
    pub(in crate::http) called: Arc<str>,
    pub(in crate::http) travelling: Travelling,
    pub(in crate::http) fleet_if: Option<FleetIf>,
    keys: OwnDomain,
}

/// The part of the fleet's domain that layers with these settings have in common, made for the first flight. A clone
/// begins without one, since its settings may be changed.
#[derive(Default)]
struct OwnDomain(OnceLock<Domain>);

impl Clone for OwnDomain {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Whether a request asks the fleet, should its call be the work of a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Wish {
    /// The layer has no fleet.
    None,
    /// It stays in its process, for this reason.
    Stay(FleetReason),
    Ask,
}

impl Membership {
    /// # Panics
    ///
    /// Panics if the name is empty.
    #[track_caller]
    pub(in crate::http) fn join(&mut self, fleet: &Fleet, name: &str) {
        match fleet.named(name) {
            Ok(named) => self.fleet = Some(Arc::new(named)),
            Err(error) => panic!("{error}"),
        }
        self.called = name.into();
    }

    pub(in crate::http) fn fleet(&self) -> Option<&Arc<Fleet>> {
        self.fleet.as_ref()
    }

    /// Says whether a request asks; what its key holds is looked at later, if it comes to that. `shown`: the request shows the
    /// URI that it was asked for, or the application has given a group.
    #[inline]
    pub(in crate::http) fn wish(&self, parts: &request::Parts, shown: bool) -> Wish {
        if self.fleet.is_some() { self.wish_of_member(parts, shown) } else { Wish::None }
    }

    #[cold]
    fn wish_of_member(&self, parts: &request::Parts, shown: bool) -> Wish {
        // Nothing that other processes could see tells two routes apart.
        if !shown {
            return Wish::Stay(FleetReason::Private);
        }
        let wanted = self.fleet_if.as_ref().is_none_or(|fleet_if| fleet_if(parts));
        if wanted { Wish::Ask } else { Wish::Stay(FleetReason::NotWanted) }
    }

    /// Returns the name of a key's flight in the engine; `None` if it may not leave the process. `recipe`: what keys
    /// and verdicts depend on, the same for all flights of a service.
    pub(in crate::http) fn name(
        &self,
        fleet: &Fleet,
        key: &HttpKey,
        grpc: bool,
        recipe: impl FnOnce() -> Vec<u8>,
    ) -> Option<Name> {
        let travelled = key.travelled(&self.travelling)?;
        let domain = self.keys.0.get_or_init(|| fleet.domain().of_recipe(&recipe()));
        let scope = scope(domain, key.path()?, grpc);
        Some(domain.name(scope, &travelled))
    }

    /// Lets these fields leave the process, beside those that all browsers send.
    pub(in crate::http) fn name_fields(&mut self, names: impl IntoIterator<Item = HeaderName>) {
        self.travelling.named.extend(names);
    }
}

/// Returns what one fence ends: a path under every authority, or a gRPC service. What was asked for counts, not what a router
/// made of it.
pub(super) fn scope(domain: &Domain, path: &str, grpc: bool) -> FenceScope {
    if grpc {
        domain.scope(&[b"service", service_of(path).as_bytes()])
    } else {
        domain.scope(&[b"path", &decoded(path)])
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("fleet", &self.fleet).field("called", &self.called).finish_non_exhaustive()
    }
}
