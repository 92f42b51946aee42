//! The settings of an HTTP layer.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Extensions, Method, request};

use super::{
    body::{LargeBodies, SpillStore},
    key::{Recipe, service_of},
    label::Labels,
    membership::Membership,
    observe::HttpObserved,
    policy::{CacheName, Policy},
};
use crate::{Limits, context::Scope, observe::Inspect};

/// Asked of each request before anything else.
pub(super) type CoalesceIf = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

/// Asked of each request whose content has been read.
pub(super) type ContentIf = Arc<dyn Fn(&request::Parts, &Bytes) -> bool + Send + Sync>;

/// How the media types of gRPC begin, those of gRPC-Web among them.
const GRPC: &[u8] = b"application/grpc";

/// The settings of an HTTP layer, one field for each.
#[derive(Clone)]
pub(super) struct Config {
    /// How keys are made.
    pub(super) recipe: Recipe,
    /// Which requests and which answers may be shared.
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) coalesce_if: Option<CoalesceIf>,
    pub(super) reloads: Reloads,
    pub(super) content_if: Option<ContentIf>,
    /// Full names of unary methods without side effects, `/package.Service/Method`.
    pub(super) grpc: Vec<Box<str>>,
    /// Full names of other methods without side effects.
    pub(super) grpc_reads: Vec<Box<str>>,
    /// How many released callers make their own call at a time (D10); `None`: all of them.
    pub(super) release_limit: Option<usize>,
    /// For how long the key of an answer that could not be shared is remembered (D3).
    pub(super) remember: Duration,
    /// The name under which `Cache-Status` is added; `None`: it is not.
    pub(super) cache_status: Option<CacheName>,
    pub(super) inspect: Option<Inspect>,
    pub(super) observers: Vec<HttpObserved>,
    /// The labels by which observers tell requests apart.
    pub(super) labels: Labels,
    /// The processes that it shares flights with.
    pub(super) fleet: Membership,
    /// Put round the call of the wrapped service (D12).
    pub(super) scope: Option<Scope>,
    /// Copy one type each.
    pub(super) share_extensions: Vec<fn(&Extensions, &mut Extensions)>,
    /// In bytes.
    pub(super) window: usize,
    /// How long readers of one body may be held up by slower ones, in sum.
    pub(super) stall: Duration,
    pub(super) large_bodies: LargeBodies,
    /// Where bodies spill to; `None`: where temporary files go.
    pub(super) spill_dir: Option<PathBuf>,
    /// Made of these two; one for all services of the layer.
    pub(super) spill: SpillStore,
}

/// Which requests may not have what began before they came, and what becomes of them (S13).
#[derive(Clone)]
pub(super) struct Reloads {
    /// They join no flight.
    pub(super) alone: bool,
    /// How long they wait for the flight that runs.
    pub(super) fresh_wait: Duration,
    /// Which requests, beside those that reload.
    pub(super) fresh_if: Option<CoalesceIf>,
}

impl Default for Reloads {
    fn default() -> Self {
        Self { alone: false, fresh_wait: Duration::from_secs(1), fresh_if: None }
    }
}

/// What a request is to the layer, found once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The application lets it coalesce.
    pub(super) wanted: bool,
    pub(super) grpc: Grpc,
}

/// What a gRPC call is to the methods that are opted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grpc {
    /// No gRPC, or of a service that has no such method.
    Other,
    OptedIn,
    /// Without side effects, and not to be shared.
    Reads,
    /// It may change what the opted-in methods of its service read (S21).
    Writes,
}

impl Config {
    /// Finds what a request is; asks the application.
    #[inline]
    pub(super) fn kind(&self, parts: &request::Parts) -> Kind {
        let wanted = self.coalesce_if.as_ref().is_none_or(|coalesce_if| coalesce_if(parts));
        Kind { wanted, grpc: self.grpc(parts) }
    }

    /// Returns whether an answer of this length is shared only if all of it is there at once.
    #[inline]
    pub(super) fn is_large(&self, length: u64) -> bool {
        length > self.window as u64 && self.large_bodies == LargeBodies::Alone
    }

    #[inline]
    fn grpc(&self, parts: &request::Parts) -> Grpc {
        if self.grpc.is_empty() { Grpc::Other } else { self.opted_in(parts) }
    }

    fn opted_in(&self, parts: &request::Parts) -> Grpc {
        // RFC 9110, section 8.3.1: media types are compared without regard to case.
        let is_grpc = |value: &http::HeaderValue| {
            let kind = value.as_bytes().get(..GRPC.len());
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(GRPC))
        };
        if parts.method != Method::POST || !parts.headers.get(http::header::CONTENT_TYPE).is_some_and(is_grpc) {
            return Grpc::Other;
        }
        let path = parts.uri.path();
        if self.grpc.iter().any(|method| **method == *path) {
            Grpc::OptedIn
        } else if self.grpc_reads.iter().any(|method| **method == *path) {
            Grpc::Reads
        } else if self.grpc.iter().any(|method| service_of(method) == service_of(path)) {
            Grpc::Writes
        } else {
            Grpc::Other
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recipe: Recipe::new(),
            policy: Policy::default(),
            limits: Limits::new(),
            coalesce_if: None,
            reloads: Reloads::default(),
            content_if: None,
            grpc: Vec::new(),
            grpc_reads: Vec::new(),
            release_limit: None,
            remember: Duration::from_secs(10),
            cache_status: None,
            inspect: None,
            observers: Vec::new(),
            labels: Labels::default(),
            fleet: Membership::default(),
            scope: None,
            share_extensions: Vec::new(),
            window: 1 << 20,
            stall: Duration::from_secs(5),
            large_bodies: LargeBodies::default(),
            spill_dir: None,
            spill: SpillStore::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("recipe", &self.recipe)
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
