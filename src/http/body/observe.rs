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

/// Who is told; one for all bodies of a layer.
pub(in crate::http) struct BodyObserver(Box<dyn Fn(BodyEvent) + Send + Sync>);

impl BodyObserver {
    pub(in crate::http) fn new(told: impl Fn(BodyEvent) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self(Box::new(told)))
    }

    /// Tells what there is to tell: 0 is nothing.
    pub(super) fn tell(&self, held: isize, cut: usize, readers: usize) {
        let told = &self.0;
        if held != 0 {
            told(BodyEvent::Held(held));
        }
        if cut > 0 {
            told(BodyEvent::Cut(cut));
        }
        if readers > 1 {
            told(BodyEvent::Ended(readers));
        }
    }
}
