//! Whether the layers of a group have the same settings.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::http::config::Config;

/// The settings of the layers whose services are in a group.
#[derive(Default)]
pub(in crate::http) struct Layers {
    /// Those of the first layer. Held weakly, so that no other settings get the same address.
    first: OnceLock<Weak<Config>>,
    differ: AtomicBool,
}

impl Layers {
    /// Notes the settings of a service of the group, before it has any request.
    #[inline]
    pub(in crate::http) fn enter(&self, config: &Arc<Config>) {
        // All services of the first layer are known already; a router makes new ones for each connection.
        if !self.is_first(config) {
            self.enter_another(config);
        }
    }

    #[cold]
    fn enter_another(&self, config: &Arc<Config>) {
        self.first.get_or_init(|| Arc::downgrade(config));
        if !self.is_first(config) {
            self.differ.store(true, Relaxed);
        }
    }

    /// Returns whether these are the settings of the first service of the group.
    #[inline]
    pub(in crate::http) fn is_first(&self, config: &Arc<Config>) -> bool {
        self.first.get().is_some_and(|first| std::ptr::eq(first.as_ptr(), Arc::as_ptr(config)))
    }

    /// Returns whether a leader and its follower may have come by layers with different settings.
    #[inline]
    pub(in crate::http) fn differ(&self) -> bool {
        self.differ.load(Relaxed)
    }
}
