//! A call that goes alone, and the part that it would have had in a flight.

use std::{hash::Hash, sync::Arc};

use super::{
    flight::{Flight, Landed},
    shadow::{Role, Shadow},
};

/// A call that goes alone, and what is watched of it. Dropped before it has ended: its caller has left.
pub(crate) struct Watched<K, T> {
    /// `None`: nothing is to be learnt from it.
    part: Option<Part<K, T>>,
}

struct Part<K, T> {
    shadow: Shadow<K, T>,
    flight: Arc<Flight<T>>,
    role: Role,
}

impl<K: Hash + Eq, T> Shadow<K, T> {
    /// Watches a call of this key.
    pub(crate) fn watch(&self, key: impl FnOnce() -> Option<K>) -> Watched<K, T> {
        self.count(|stats| stats.calls += 1);
        let joined = self.guarded(|| {
            let key = key();
            if key.is_none() {
                self.count(|stats| stats.alone += 1);
            }
            self.join(key?)
        });
        let part = joined.flatten().map(|(flight, role)| Part { shadow: self.clone(), flight, role });
        Watched { part }
    }
}

impl<K, T: Clone> Watched<K, T> {
    /// The call has come to this.
    pub(crate) fn end(mut self, outcome: &T) {
        let Some(Part { shadow, flight, role }) = self.part.take() else { return };
        shadow.clone().guarded(|| match role {
            Role::Leader { hash } => land(&shadow, &flight, hash, outcome),
            Role::Follower { is_compared: true } => meet(&shadow, &flight, outcome),
            Role::Follower { is_compared: false } => {}
        });
    }
}

fn land<K, T: Clone>(shadow: &Shadow<K, T>, flight: &Arc<Flight<T>>, hash: u64, outcome: &T) {
    let shares = shadow.shares(outcome);
    shadow.unlist(hash, flight);
    // Nobody joins any more.
    if flight.followers() == 0 {
        return;
    }
    if !shares {
        let (followers, early) = flight.land(Landed::WithNothing);
        drop(early);
        return shadow.count(|stats| stats.released += followers);
    }
    let kept = shadow.guarded(|| Arc::new(outcome.clone()));
    let (followers, early) = flight.land(kept.map_or(Landed::WithNothing, Landed::With));
    shadow.count(|stats| stats.saved += followers);
    shadow.compare(outcome, &early);
}

/// Compares a follower with its leader, or keeps its outcome until that has ended.
fn meet<K, T: Clone>(shadow: &Shadow<K, T>, flight: &Flight<T>, outcome: &T) {
    let mut own = None;
    loop {
        match flight.landed(own.as_ref()) {
            // The clone is made without the lock.
            Landed::NotYet if own.is_none() => own = Some(Arc::new(outcome.clone())),
            Landed::NotYet | Landed::WithNothing => return,
            Landed::With(leaders) => {
                let own = own.unwrap_or_else(|| Arc::new(outcome.clone()));
                return shadow.compare(&leaders, &[own]);
            }
        }
    }
}

impl<K, T> Drop for Watched<K, T> {
    fn drop(&mut self) {
        let Some(Part { shadow, flight, role }) = self.part.take() else { return };
        shadow.clone().guarded(|| match role {
            Role::Leader { hash } => {
                shadow.unlist(hash, &flight);
                let (followers, early) = flight.land(Landed::WithNothing);
                drop(early);
                shadow.count(|stats| stats.leader_left += followers);
            }
            Role::Follower { .. } => {
                if flight.leave() {
                    shadow.count(|stats| stats.left += 1);
                }
            }
        });
    }
}
