//! What an engine tells without being asked.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;

use super::{Name, Token};

/// Where an [`Engine`](super::Engine) tells what it hears of its own accord.
///
/// News is a hint: what is lost, late or told twice costs time and nothing else, since the driver looks again by itself.
#[derive(Clone)]
pub struct News(Weak<dyn Hear>);

/// Hears the news: the waiters of a fleet.
pub(super) trait Hear: Send + Sync {
    fn landed(&self, name: Name, token: Token, message: Option<Bytes>);
    fn lost(&self);
}

impl News {
    /// Returns news for one who hears, which does not keep that one alive; an engine gets it once from each fleet.
    pub(super) fn new(hear: &Arc<dyn Hear>) -> Self {
        Self(Arc::downgrade(hear))
    }

    /// Returns whether anybody hears it; `false` once the fleet is gone. An engine of several fleets lets go of such news.
    pub fn is_heard(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Tells that a flight has landed, with this message if the engine carries it; without it, those who wait look for
    /// it themselves.
    pub fn landed(&self, name: Name, token: Token, message: Option<Bytes>) {
        if let Some(hear) = self.0.upgrade() {
            hear.landed(name, token, message);
        }
    }

    /// Tells that news may have been missed, since the connection was lost or made anew: all who wait look now.
    pub fn lost(&self) {
        if let Some(hear) = self.0.upgrade() {
            hear.lost();
        }
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News").finish_non_exhaustive()
    }
}
