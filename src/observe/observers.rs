//! Those who watch a group.

use std::{
    iter::successors,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use super::{Event, Observer};
use crate::panic::{catch, discard};

/// An observer, until it panics.
pub(crate) struct Observed<O: ?Sized> {
    off: AtomicBool,
    observer: O,
}

impl<O> Observed<O> {
    pub(crate) fn new(observer: O) -> Arc<Self> {
        Arc::new(Self { off: AtomicBool::new(false), observer })
    }
}

impl<O: ?Sized> Observed<O> {
    /// Tells it something; an observer that panics is told nothing any more. Never called under a lock (invariant 6).
    pub(crate) fn tell<R>(&self, tell: impl FnOnce(&O) -> R) -> Option<R> {
        self.tell_or(tell, || ())
    }

    /// Does the same; calls `on_off` when the observer is told nothing any more, once.
    #[inline]
    fn tell_or<R>(&self, tell: impl FnOnce(&O) -> R, on_off: impl FnOnce()) -> Option<R> {
        if self.off.load(Relaxed) {
            return None;
        }
        match catch(|| tell(&self.observer)) {
            Ok(said) => Some(said),
            Err(payload) => {
                if !self.off.swap(true, Relaxed) {
                    on_off();
                }
                discard(payload);
                None
            }
        }
    }
}

/// The observers of one group. They are only added to, so that checking whether there is one takes no lock.
pub(crate) struct Observers<O: ?Sized = dyn Observer> {
    first: OnceLock<Box<Node<O>>>,
    /// How many callbacks have panicked; these stand in no list.
    callbacks_off: AtomicUsize,
}

struct Node<O: ?Sized> {
    observed: Arc<Observed<O>>,
    next: OnceLock<Box<Node<O>>>,
}

impl<O: ?Sized> Observers<O> {
    pub(crate) const fn new() -> Self {
        Self { first: OnceLock::new(), callbacks_off: AtomicUsize::new(0) }
    }

    /// Returns them if there are any.
    #[inline]
    pub(crate) fn any(&self) -> Option<&Self> {
        self.first.get().map(|_| self)
    }

    /// Adds one, unless it is there already.
    pub(crate) fn add(&self, observed: &Arc<Observed<O>>) {
        let mut link = &self.first;
        loop {
            let node = link.get_or_init(|| Box::new(Node { observed: Arc::clone(observed), next: OnceLock::new() }));
            if Arc::ptr_eq(&node.observed, observed) {
                return;
            }
            link = &node.next;
        }
    }

    /// Tells each of the first `first` observers something. Never called under a lock (invariant 6).
    #[cfg(any(feature = "fleet", feature = "http"))]
    pub(crate) fn each(&self, first: usize, tell: impl Fn(&O)) {
        self.nodes().take(first).for_each(|node| node.observed.tell(&tell).unwrap_or_default());
    }

    /// Returns how many there are.
    pub(crate) fn count(&self) -> usize {
        self.nodes().count()
    }

    /// Returns how many have panicked, and callbacks with them.
    pub(crate) fn off(&self) -> usize {
        let observers = self.nodes().filter(|node| node.observed.off.load(Relaxed)).count();
        observers + self.callbacks_off.load(Relaxed)
    }

    /// Asks a callback of a layer; one that panics is asked no more, and is counted here. Never called under a lock
    /// (invariant 6).
    pub(crate) fn ask<C: ?Sized, R>(&self, callback: &Observed<C>, ask: impl FnOnce(&C) -> R) -> Option<R> {
        callback.tell_or(ask, || {
            self.callbacks_off.fetch_add(1, Relaxed);
        })
    }

    fn nodes(&self) -> impl Iterator<Item = &Node<O>> {
        successors(self.first.get(), |node| node.next.get()).map(|node| &**node)
    }
}

impl Observers {
    /// Tells as many of them, from the first on, as were there when what the event is about began. So an observer that
    /// is told of an end has been told of the beginning.
    #[inline(never)]
    pub(crate) fn tell(&self, mut first: usize, event: &Event<'_>) {
        let mut link = &self.first;
        while let Some(node) = link.get().filter(|_| first > 0) {
            node.observed.tell(|observer| observer.on(event));
            (link, first) = (&node.next, first - 1);
        }
    }
}

impl<O: ?Sized> Default for Observers<O> {
    fn default() -> Self {
        Self::new()
    }
}
