//! How a body is shared.

use std::{sync::Arc, time::Duration};

use super::{observe::BodyObservers, spill::SpillStore};

/// How a body is shared; one for all bodies of a layer.
#[derive(Clone)]
pub(in crate::http) struct Settings {
    /// In bytes.
    pub(in crate::http) window: usize,
    pub(in crate::http) stall: Duration,
    pub(in crate::http) spill: SpillStore,
    /// `Some` if there may be any.
    pub(in crate::http) observers: Option<Arc<dyn BodyObservers>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { window: 1 << 20, stall: Duration::from_secs(5), spill: SpillStore::default(), observers: None }
    }
}
