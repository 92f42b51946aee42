//! Who waits for what (invariants 4, 5).

use std::task::Waker;

use super::{Cursor, Deferred, State, WaitFor};

impl<B> State<B> {
    /// Parks a reader; returns the waker that this one replaces.
    pub(in crate::http::body) fn park(&mut self, reader: usize, waits: WaitFor, waker: Waker) -> Option<Waker> {
        let place = &mut self.readers[reader];
        let waiting = &mut self.waiting[waits as usize];
        // If it waits already, it waits for the same: whatever ends one kind of waiting wakes all who wait for that.
        if place.waits.is_none() {
            place.waits = Some((waits, waiting.len()));
            waiting.push(reader);
        }
        place.waker.replace(waker)
    }

    /// Takes the wakers of all who wait for this.
    pub(in crate::http::body) fn take_wakers(&mut self, waits: WaitFor, deferred: &mut Deferred) {
        if matches!(waits, WaitFor::Room) {
            self.patience.rest();
        }
        for reader in self.waiting[waits as usize].drain(..) {
            let place = &mut self.readers[reader];
            place.waits = None;
            deferred.wakers.extend(place.waker.take());
        }
    }

    /// Takes a reader that has left from among those who wait.
    pub(super) fn stop_waiting(&mut self, left: &Cursor) {
        if let Some((waits, at)) = left.waits {
            let waiting = &mut self.waiting[waits as usize];
            waiting.swap_remove(at);
            if let Some(moved) = waiting.get(at) {
                self.readers[*moved].waits = Some((waits, at));
            }
        }
        if self.waiting[WaitFor::Room as usize].is_empty() {
            self.patience.rest();
        }
    }
}
