//! What those who watch a layer are told of its bodies.

use std::sync::Arc;

/// What happens to a body that several read.
#[derive(Clone, Copy)]
pub(in crate::http) enum BodyEvent {
    /// It keeps so many bytes more in memory; if negative, fewer.
    Held(isize),
    /// So many readers were cut just now.
    Cut(usize),
    /// Its last reader has left. The number is the most readers that it had at a time.
    Ended(usize),
}

/// Those who watch the bodies of a layer. Their number only grows.
pub(in crate::http) trait BodyObservers: Send + Sync {
    /// Returns how many there are.
    fn count(&self) -> usize;

    /// Tells as many of them, from the first on. Never called under a lock (invariant 6).
    fn tell(&self, first: usize, event: BodyEvent);
}

/// One body, and how many observers there were when it was first shared. Only these are told of it, so whoever hears
/// that bytes are kept also hears when they are gone.
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

    /// Tells the observers; 0 means that there is nothing to tell.
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
