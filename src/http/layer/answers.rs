//! Which answers followers get, what of them, and how bodies are read.

use std::{sync::Arc, time::Duration};

use http::HeaderName;

use super::HttpSingleflightLayer;
use crate::{
    Role,
    http::{
        body::{LargeBodies, SpillStore},
        policy::CacheName,
    },
};

impl<C> HttpSingleflightLayer<C> {
    /// Sets whether failures, statuses 500 to 599 and errors, reach those who wait (default); else they try for
    /// themselves.
    #[must_use]
    pub fn share_server_errors(self, share: bool) -> Self {
        self.with(|config| config.policy.share_server_errors = share)
    }

    /// Lets followers have event streams that say nothing of a lifetime or of `public`: token streams of a model, say, keyed
    /// by content. By default such a stream is taken for one that was opened for its leader.
    #[must_use]
    pub fn share_event_streams(self) -> Self {
        self.with(|config| config.policy.share_event_streams = true)
    }

    /// Lets followers have answers that set cookies, without the `Set-Cookie` fields. By default they are released.
    #[must_use]
    pub fn strip_set_cookie(self) -> Self {
        self.with(|config| config.policy.strip_set_cookie = true)
    }

    /// Keeps answers that carry this field for the leader, as those that carry `Set-Cookie` or another field that hands out
    /// a session, a token or a nonce are kept anyway.
    #[must_use]
    pub fn keep_header(self, name: HeaderName) -> Self {
        self.with(|config| config.policy.kept.push(name))
    }

    /// Takes this field out of what followers get: one that names a single exchange. `X-Request-Id`, `Traceresponse` and
    /// their like are taken out anyway.
    #[must_use]
    pub fn drop_header(self, name: HeaderName) -> Self {
        self.with(|config| config.policy.dropped.push(name))
    }

    /// Copies this type from the extensions of the leader's response to those of its followers; no others are.
    #[must_use]
    pub fn share_extension<T: Clone + Send + Sync + 'static>(self) -> Self {
        self.with(|config| {
            config.share_extensions.push(|leaders, own| {
                if let Some(extension) = leaders.get::<T>() {
                    own.insert(extension.clone());
                }
            });
        })
    }

    /// Adds `Cache-Status` (RFC 9211) to responses, under this name: what became of each request. Never the key.
    ///
    /// # Panics
    ///
    /// Panics if the name is not printable ASCII.
    #[must_use]
    #[track_caller]
    pub fn cache_status(self, name: &str) -> Self {
        let name = CacheName::new(name);
        self.with(|config| config.cache_status = Some(name))
    }

    /// Sets what is told the role and the number of callers, once per request that ends with an answer or an error: for
    /// counters and logs. [`Coalesced`](crate::http::Coalesced) in the extensions of the response says more.
    ///
    /// # Panics
    ///
    /// A panic of the callback is raised in the caller whose request has just been answered.
    #[must_use]
    pub fn inspect<I>(self, inspect: I) -> Self
    where
        I: Fn(Role, usize) + Send + Sync + 'static,
    {
        self.with(|config| config.inspect = Some(Arc::new(inspect)))
    }

    /// Sets how much of a body is kept between its fastest and its slowest reader, in bytes (default 1 MiB).
    #[must_use]
    pub fn window(self, bytes: usize) -> Self {
        self.with(|config| config.window = bytes)
    }

    /// Sets how long readers may be held up by slower ones, in sum over one body (default 5 s); then who holds them up is
    /// cut: its body ends in an error.
    #[must_use]
    pub fn stall(self, time: Duration) -> Self {
        self.with(|config| config.stall = time)
    }

    /// Sets what becomes of bodies that are larger than the window (default: [`LargeBodies::Alone`]).
    #[must_use]
    pub fn large_bodies(self, large_bodies: LargeBodies) -> Self {
        self.with(|config| {
            config.large_bodies = large_bodies;
            config.spill = SpillStore::new(large_bodies, config.spill_dir.clone());
        })
    }

    /// Sets the directory that bodies spill to (default: that of temporary files), with
    /// [`LargeBodies::Spill`]. A directory that is full, read-only or gone is no error: bodies are then treated as by
    /// [`LargeBodies::Stream`].
    #[cfg(feature = "spill")]
    #[must_use]
    pub fn spill_dir(self, dir: impl Into<std::path::PathBuf>) -> Self {
        self.with(|config| {
            config.spill_dir = Some(dir.into());
            config.spill = SpillStore::new(config.large_bodies, config.spill_dir.clone());
        })
    }
}
