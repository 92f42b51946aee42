//! What shared bodies keep for their slower readers, layer by layer.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use crate::{
    observe::label::capped,
    sync::{Mutex, lock},
};

/// The bytes that bodies of one layer, or of some with one name, keep in memory just now. Threads that tell of one body
/// may come in any order, so for a moment it may be less than 0.
#[derive(Default)]
pub(super) struct Held(AtomicI64);

impl Held {
    pub(super) fn add(&self, bytes: isize) {
        self.0.fetch_add(bytes as i64, Relaxed);
    }
}

/// Those of all names that a page was given.
#[derive(Default)]
pub(super) struct AllHeld {
    /// A leaf lock, taken when a page is named and when there is a snapshot.
    known: Mutex<Vec<(Arc<str>, Arc<Held>)>>,
}

impl AllHeld {
    /// Returns that of a name, or the one that stands for all beyond the cap.
    pub(super) fn get(&self, name: &Arc<str>) -> Arc<Held> {
        let mut known = lock(&self.known);
        let find = |name: &str| known.iter().find(|(known, _)| **known == *name).map(|(_, held)| Arc::clone(held));
        if let Some(held) = find(name) {
            return held;
        }
        let name = match capped(name, known.len()) {
            kept if *kept == **name => Arc::clone(name),
            other => match find(other) {
                Some(held) => return held,
                None => other.into(),
            },
        };
        let held = Arc::<Held>::default();
        known.push((name, Arc::clone(&held)));
        held
    }

    /// Returns the bytes by the names whose bodies keep any.
    pub(super) fn now(&self) -> Vec<(Arc<str>, u64)> {
        let bytes = |(name, held): &(Arc<str>, Arc<Held>)| {
            let bytes = u64::try_from(held.0.load(Relaxed)).ok().filter(|bytes| *bytes > 0)?;
            Some((Arc::clone(name), bytes))
        };
        lock(&self.known).iter().filter_map(bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::label::{MOST, OTHER};

    #[test]
    fn beyond_the_cap_names_are_counted_together() {
        let all = AllHeld::default();
        for number in 0..MOST + 2 {
            all.get(&number.to_string().into()).add(1);
        }
        all.get(&"7".into()).add(1);
        let now = all.now();
        assert_eq!((now.len(), &now[7]), (MOST + 1, &("7".into(), 2)));
        assert_eq!(now[MOST], (OTHER.into(), 2));
    }
}
