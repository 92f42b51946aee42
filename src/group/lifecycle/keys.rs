//! Which flight has the key: where one ends or is set aside, the one that waits behind it is next.

use std::task::Waker;

use tokio::time::Instant;

use super::table::Table;

impl<K, T, S> Table<K, T, S> {
    /// Unlists a flight, if the index lists it and not a successor (invariant 4); returns its key.
    #[inline]
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(super) fn unlist(&mut self, slot: usize) -> Option<K> {
        let flight = &mut self.flights[slot];
        let joinable = flight.is_joinable();
        let key = flight.key.take()?;
        self.joinable.sub(joinable);
        self.unindex(slot);
        Some(key)
    }

    /// Takes a flight that nobody can join from now on out of the count.
    pub(super) fn uncount(&mut self, slot: usize) {
        self.give_up_turn(slot);
        self.joinable.sub(self.flights[slot].is_joinable());
    }

    /// Ends the wait of a flight behind another, if it is one that waits. It has no key, and gets none.
    fn give_up_turn(&mut self, slot: usize) {
        let Some(waiting) = &mut self.flights[slot].waiting else { return };
        if waiting.turn.take().is_some() {
            if let Some(running) = waiting.blocked_by.take() {
                self.flights[running].waiting_mut().successor = None;
            }
            self.joinable.sub(true);
        }
    }

    /// Lists a flight that waits behind another in that one's place (invariants 1, 4); both have been counted.
    pub(super) fn pass_key(&mut self, from: usize, to: usize) {
        self.unindex(from);
        self.flights[to].key = self.flights[from].key.take();
        self.add_to_index(to);
        // Without a join window there is no call whose time is known.
        let began = self.flights[to].leader_call.as_ref().map(|_| Instant::now());
        let waiting = self.flights[to].waiting_mut();
        (waiting.turn, waiting.began) = (None, began);
    }

    /// Unlists a flight whose work may go on, if the index lists it (invariant 4); the flight that waits behind it
    /// takes the key and may start. If the flight that is unlisted itself waits for the drop of an older one's work, it
    /// goes on waiting.
    ///
    /// Returns the key if nobody else has it now, and the waker of whoever drives the flight that starts.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(super) fn set_aside(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let Some(next) = self.flights[slot].next() else { return (self.unlist(slot), None) };
        self.flights[slot].waiting_mut().successor = None;
        let key = self.hand_over(slot, next);
        (key, self.start(next))
    }

    /// Removes a flight that ends from the index. A newer flight of the key that waits for this one's end may start now; one
    /// that has waited for its turn takes the key, too. Where an older flight's work is still being dropped, the newer one
    /// waits for that instead (invariant 5).
    ///
    /// Returns its key and the waker of whoever drives the newer flight.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    pub(super) fn release_key(&mut self, slot: usize) -> (Option<K>, Option<Waker>) {
        let Some(waiting) = &mut self.flights[slot].waiting else { return (self.unlist(slot), None) };
        if waiting.turn.is_some() {
            self.give_up_turn(slot);
            return (None, None);
        }
        match (waiting.blocked_by.take(), waiting.successor.take()) {
            (None, None) => (self.unlist(slot), None),
            (None, Some(next)) => {
                let key = self.hand_over(slot, next);
                (key, self.start(next))
            }
            (Some(previous), Some(next)) => {
                let key = self.hand_over(slot, next);
                self.flights[previous].waiting_mut().successor = Some(next);
                self.flights[next].waiting_mut().blocked_by = Some(previous);
                (key, None)
            }
            (Some(previous), None) => {
                self.flights[previous].waiting_mut().successor = None;
                // The key's tombstone is the previous flight again.
                if let Some(key) = self.unlist(slot) {
                    self.flights[previous].key = Some(key);
                    self.add_to_index(previous);
                }
                (None, None)
            }
        }
    }

    /// Gives the key of a flight to the one behind it, if that waits for its turn; else returns it.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    fn hand_over(&mut self, slot: usize, next: usize) -> Option<K> {
        if self.flights[next].turn().is_none() {
            return self.unlist(slot);
        }
        self.joinable.sub(true);
        self.pass_key(slot, next);
        None
    }

    /// Lets a flight start that has waited for another one; returns the waker of whoever drives it.
    #[must_use = "it is user code, to be dropped or woken once the lock is released"]
    fn start(&mut self, next: usize) -> Option<Waker> {
        let next = &mut self.flights[next];
        next.waiting_mut().blocked_by = None;
        next.take_driver()
    }
}
