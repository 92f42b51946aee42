//! What is told of the bodies of a layer to those who watch it.

use std::sync::Arc;

/// What happens to a body that several read.
#[derive(Clone, Copy)]
pub(in crate::http) enum BodyEvent {
    /// What it keeps in memory has grown by so many bytes, or is less by them.
    Held(isize),
    /// So many readers were cut just now.
    Cut(usize),
    /// Its last reader has left; so many there were at most at a time.
    Ended(usize),
}

/// Those who watch the bodies of a layer. Their number only grows.
pub(in crate::http) trait BodyObservers: Send + Sync {
    /// Returns how many there are.
    fn count(&self) -> usize;

    /// Tells the first so many of them. Never called under a lock (invariant 6).
    fn tell(&self, first: usize, event: BodyEvent);
}

/// One body, as seen by those who watched when it was first shared. So whoever is told that some of it is kept is also
/// told when that is gone.
pub(super) struct BodyWatch {
    observers: Arc<dyn BodyObservers>,
    told: usize,
}

impl BodyWatch {
    /// Begins as a body is shared; `None` if nobody watches.
    pub(super) fn begin(observers: Arc<dyn BodyObservers>) -> Option<Self> {
        let told = observers.count();
        (told > 0).then_some(Self { observers, told })
    }

    /// Tells what there is to tell: 0 is nothing.
    pub(super) fn tell(&self, held: isize, cut: usize, readers: usize) {
        let tell = |event| self.observers.tell(self.told, event);
        if held != 0 {
            tell(BodyEvent::Held(held));
        }
        if cut > 0 {
            tell(BodyEvent::Cut(cut));
        }
        if readers > 1 {
            tell(BodyEvent::Ended(readers));
        }
    }
}
