//! A call that goes alone, and the part that it would have had in a flight.

use std::{hash::Hash, mem::replace, sync::Arc};

use tokio::time::Instant;

use super::{
    flight::{Flight, Landed, Wait, is_late},
    flights::Finished,
    shadow::{Shadow, ShadowRole},
};

/// A call that goes alone, and what is watched of it. If it is dropped before it has ended, its caller has left.
pub(crate) struct Watched<K, T> {
    /// `None`: nothing is to be learnt from it.
    part: Option<ShadowPart<K, T>>,
    /// The call has been polled.
    begun: bool,
}

struct ShadowPart<K, T> {
    shadow: Shadow<K, T>,
    flight: Arc<Flight<T>>,
    role: ShadowRole,
}

impl<K: Hash + Eq, T> Shadow<K, T> {
    /// Watches a call. `key` returns its key, and whether it may not have what began before it.
    pub(crate) fn watch(&self, key: impl FnOnce() -> (Option<K>, bool)) -> Watched<K, T> {
        self.count(|stats| stats.calls += 1);
        let joined = self.guarded(|| {
            let (key, fresh) = key();
            if key.is_none() {
                self.count(|stats| stats.alone += 1);
            }
            self.join(key?, fresh)
        });
        let part = joined.flatten().map(|(flight, role)| ShadowPart { shadow: self.clone(), flight, role });
        Watched { part, begun: false }
    }
}

impl<K, T> Watched<K, T> {
    /// The call is about to be polled.
    pub(crate) fn polling(&mut self) {
        let first = !replace(&mut self.begun, true);
        if let (true, Some(ShadowPart { flight, role: ShadowRole::Leader { .. }, .. })) = (first, &self.part) {
            flight.begins();
        }
    }
}

impl<K, T: Clone> Watched<K, T> {
    /// The call has come to this.
    pub(crate) fn end(mut self, outcome: &T) {
        let Some(ShadowPart { shadow, flight, role }) = self.part.take() else { return };
        shadow.clone().guarded(|| match role {
            ShadowRole::Leader { hash } => {
                let shares = shadow.shares(outcome);
                let kept = || shadow.guarded(|| Arc::new(outcome.clone()));
                let keep = || Finished { outcome: kept(), shares };
                if shadow.leave(hash, &flight, Some(&keep)) {
                    shadow.land(&flight, Some(outcome), shares, kept);
                }
            }
            ShadowRole::Follower { is_compared: true, wait } => meet(&shadow, &flight, wait, outcome),
            ShadowRole::Follower { is_compared: false, .. } => {}
        });
    }
}

/// Compares a follower with its leader, or keeps its outcome until that has ended.
fn meet<K, T: Clone>(shadow: &Shadow<K, T>, flight: &Flight<T>, wait: Wait, outcome: &T) {
    let mut own = None;
    loop {
        match flight.landed(wait, own.as_ref()) {
            // The clone is made without the lock.
            Landed::NotYet if own.is_none() => own = Some(Arc::new(outcome.clone())),
            Landed::NotYet | Landed::WithNothing => return,
            Landed::With(leaders, _) => {
                let own = own.unwrap_or_else(|| Arc::new(outcome.clone()));
                return shadow.compare(&leaders, &[own]);
            }
        }
    }
}

impl<K, T> Drop for Watched<K, T> {
    fn drop(&mut self) {
        let Some(ShadowPart { shadow, flight, role }) = self.part.take() else { return };
        shadow.clone().guarded(|| match role {
            ShadowRole::Leader { hash } => {
                shadow.leave(hash, &flight, None);
                shadow.lose(&flight);
            }
            ShadowRole::Follower { wait, .. } => {
                let late = is_late(wait, Instant::now());
                if flight.leave(wait) {
                    shadow.count(|stats| *(if late { &mut stats.waited_too_long } else { &mut stats.left }) += 1);
                }
            }
        });
    }
}
