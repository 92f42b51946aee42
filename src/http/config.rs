//! What an HTTP layer was told, as its services hold it.

use std::{fmt, sync::Arc, time::Duration};

use http::{Extensions, Method, request, response};

use super::{
    content::Content,
    fence::Fence,
    group::HttpGroup,
    key::{HttpKey, Metadata, Recipe},
    policy::{self, Admission, Bypass, CacheName, Forwarded, Policy},
    release::{Releases, Turn},
};
use crate::{Limits, Role};

/// Asked of each request before anything else.
pub(super) type CoalesceIf = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

#[derive(Clone)]
pub(super) struct Config {
    pub(super) recipe: Recipe,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) coalesce_if: Option<CoalesceIf>,
    /// Full names of unary methods without side effects, `/package.Service/Method`.
    pub(super) grpc: Vec<Box<str>>,
    pub(super) release_limit: Option<usize>,
    pub(super) remember: Duration,
    pub(super) cache_status: Option<CacheName>,
    /// Copy one type each.
    pub(super) share_extensions: Vec<fn(&Extensions, &mut Extensions)>,
    /// In bytes.
    pub(super) window: usize,
    pub(super) stall: Duration,
}

/// What all clones of a service share.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) group: HttpGroup,
    /// `None` if released followers call as they like.
    releases: Option<Releases>,
}

/// What becomes of a request.
pub(super) enum Plan {
    /// It leads a flight or joins one.
    Fly(HttpKey),
    /// It may lead, but joins none (S13).
    Lead(HttpKey),
    /// It goes alone; of late, answers to its key could not be shared.
    Unshareable(HttpKey),
    /// It goes alone.
    Bypass(Forwarded),
}

impl Config {
    pub(super) fn is_grpc(&self, parts: &request::Parts) -> bool {
        !self.grpc.is_empty() && parts.method == Method::POST && {
            let path = parts.uri.path();
            let grpc = |value: &http::HeaderValue| value.as_bytes().starts_with(b"application/grpc");
            self.grpc.iter().any(|method| **method == *path)
                && parts.headers.get(http::header::CONTENT_TYPE).is_some_and(grpc)
        }
    }

    /// Returns whether the application lets a request coalesce at all.
    fn is_wanted(&self, parts: &request::Parts) -> bool {
        self.coalesce_if.as_ref().is_none_or(|coalesce_if| coalesce_if(parts))
    }

    /// Says whether a request with this much known of its content may share a flight.
    pub(super) fn admit(&self, parts: &request::Parts, content: policy::Content) -> Admission {
        if !self.is_wanted(parts) {
            return Admission::Bypass(Bypass::Unwanted);
        }
        self.policy.admit(parts, content, self.is_grpc(parts))
    }
}

impl Shared {
    pub(super) fn new(config: Config, group: HttpGroup) -> Self {
        let releases = config.release_limit.map(|limit| group.releases(limit));
        Self { config, group, releases }
    }

    /// Returns what a released follower waits for before it makes its own call; `None` if it need not wait.
    pub(super) fn turn(&self) -> Option<Turn> {
        self.releases.as_ref().filter(|releases| !releases.counts_already()).map(Releases::turn)
    }

    /// Returns whether the thread is polling a call that counts against the release limit.
    pub(super) fn counts_already(&self) -> bool {
        self.releases.as_ref().is_some_and(Releases::counts_already)
    }

    /// Decides what becomes of a request.
    pub(super) fn plan(&self, parts: &request::Parts, content: &Content) -> Plan {
        let known = match content {
            Content::Empty => policy::Content::Empty,
            Content::Read(_) => policy::Content::Keyed,
            Content::Unknown => policy::Content::Unknown,
        };
        let leads = match self.config.admit(parts, known) {
            Admission::Coalesce => false,
            Admission::LeadOnly => true,
            Admission::Bypass(Bypass::Method) => return Plan::Bypass(Forwarded::Method),
            Admission::Bypass(_) => return Plan::Bypass(Forwarded::Bypass),
        };
        let Some(key) = self.key(parts, content) else { return Plan::Bypass(Forwarded::Bypass) };
        if leads {
            Plan::Lead(key)
        } else if self.group.unshareable().contains(&key) {
            Plan::Unshareable(key)
        } else {
            Plan::Fly(key)
        }
    }

    pub(super) fn key(&self, parts: &request::Parts, content: &Content) -> Option<HttpKey> {
        let recipe = &self.config.recipe;
        let metadata = if self.config.is_grpc(parts) { Metadata::Grpc } else { Metadata::Ordinary };
        let epoch = self.group.fences().epoch(|hasher| recipe.uri_hash(parts, hasher));
        let content = match content {
            Content::Read(content) => Some(&content[..]),
            Content::Empty | Content::Unknown => None,
        };
        recipe.key(parts, content, metadata, epoch)
    }

    /// Returns the fence of a request whose method is not known to be safe (S21).
    pub(super) fn fence(&self, parts: &request::Parts) -> Option<Fence> {
        let config = &self.config;
        // A method may be without side effects where it is wanted, and not elsewhere.
        let opted_in =
            || (config.policy.methods.contains(&parts.method) || config.is_grpc(parts)) && config.is_wanted(parts);
        (policy::is_unsafe(&parts.method) && !opted_in())
            .then(|| Fence::new(self.group.clone(), |hasher| config.recipe.uri_hash(parts, hasher)))
    }

    /// Makes a caller's own head of the one that the flight landed with.
    pub(super) fn head(&self, head: &mut response::Parts, role: Role, forwarded: Forwarded) {
        if role == Role::Follower {
            policy::follower_head(head);
            // S19: what lies in the extensions is the leader's.
            let leaders = std::mem::take(&mut head.extensions);
            for share in &self.config.share_extensions {
                share(&leaders, &mut head.extensions);
            }
        }
        match head.extensions.get_mut() {
            Some(known) => *known = role,
            None => drop(head.extensions.insert(role)),
        }
        if let Some(name) = &self.config.cache_status {
            policy::cache_status(name, forwarded, &mut head.headers);
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
            grpc: Vec::new(),
            release_limit: None,
            remember: Duration::from_secs(10),
            cache_status: None,
            share_extensions: Vec::new(),
            window: 1 << 20,
            stall: Duration::from_secs(5),
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
