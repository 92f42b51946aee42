//! One lock, the flights under it, and the ways in which a flight ends.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use tokio::time::Instant;

use super::{
    company::End,
    flight::{Ending, Stage},
    table::{At, Gauge, Table},
    wake::Wakes,
    work::BoxedWork,
};
use crate::{
    Limits, OnAbandon,
    sync::{Mutex, MutexGuard, Spawner, lock},
};

/// A part of a group's keys. Padded, so that two shards never share a cache line (or an adjacent pair).
#[repr(align(128))]
pub(super) struct Shard<K, T> {
    table: Mutex<Table<K, T>>,
    /// Numbered through the process.
    pub(super) number: u64,
    pub(super) limits: Limits,
}

/// Who polled the work when it ended.
#[derive(Clone, Copy)]
pub(super) enum Lander {
    Leader,
    Task,
}

impl<K, T> Shard<K, T> {
    pub(super) fn new(limits: Limits, flights: Option<Arc<AtomicUsize>>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let gauge = Gauge::new(flights.map(|count| (count, limits.max_flights)));
        Self { table: Mutex::new(Table::new(gauge)), number: NUMBER.fetch_add(1, Relaxed), limits }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Table<K, T>> {
        lock(&self.table)
    }

    /// Solo, Shared => Landed: frees the key, publishes the outcome, wakes those who wait, in this order (invariant 3).
    ///
    /// Returns the ending if nobody but the lander can have it; then the flight is gone.
    pub(super) fn land(&self, at: At, ending: Ending<T>, lander: Lander) -> Option<Ending<T>> {
        let mut table = self.lock();
        let flight = table.at(at.slot);
        match flight.stage {
            // Solo => gone: nobody joined and nothing waits, so the leader lands it, and the key is freed as below
            // (invariants 3, 4).
            Stage::Solo if flight.rare.is_none() => {
                let key = table.unlist(at.slot);
                let gone = table.remove(at.slot);
                drop(table);
                drop((key, gone));
                return Some(ending);
            }
            Stage::Solo | Stage::Shared => {}
            // Dying => gone: all left during the last poll.
            Stage::Dying => {
                drop(table);
                let _burial = Burial { shard: self, at };
                drop(ending);
                return None;
            }
            // Lost => Lost: the task died during the leader's poll; the leader has its own work's ending.
            Stage::Landed(_) | Stage::Lost => {
                let gone = table.remove(at.slot);
                drop(table);
                drop(gone);
                return Some(ending);
            }
        }
        let (key, successor) = table.end(at.slot);
        let flight = table.at(at.slot);
        let mut wakes = Wakes { successor, ..flight.take_wakers() };
        // Who lands the flight is awake: the leader, whose landing has to end the task, or the task.
        let (own, others) = match lander {
            Lander::Leader => (wakes.leader.take(), flight.callers - 1),
            Lander::Task => (wakes.task.take(), flight.callers),
        };
        if others == 0 {
            let gone = table.remove(at.slot);
            drop(table);
            wakes.wake();
            drop((key, own, gone));
            return Some(ending);
        }
        let unwanted = flight.freeze(ending);
        let gone = (!flight.leader).then(|| table.remove(at.slot));
        drop(table);
        wakes.wake();
        drop((key, own, gone, unwanted));
        None
    }

    /// Solo, Shared => (Shared | Dying): the last caller has left.
    pub(super) fn unattended(self: &Arc<Self>, mut table: MutexGuard<'_, Table<K, T>>, at: At) {
        let flight = table.at(at.slot);
        let keep = flight.finish || (flight.polled && self.limits.on_abandon != OnAbandon::Cancel);
        let solo = matches!(flight.stage, Stage::Solo);
        let spawner = if keep && solo { Spawner::current() } else { None };
        if !keep || (solo && spawner.is_none()) {
            return self.abandon(table, at);
        }
        flight.stage = Stage::Shared;
        let task = match self.limits.on_abandon {
            OnAbandon::CancelAfter(grace) if !flight.finish => {
                flight.rare_mut().grace = Instant::now().checked_add(grace);
                // The task sets its timer when it is polled.
                flight.take_task()
            }
            _ => None,
        };
        let launch = table.launch;
        drop(table);
        if let (Some(spawner), Some(launch)) = (spawner, launch) {
            launch(spawner, Arc::clone(self), at);
        }
        Wakes::task(task).wake();
    }

    /// Solo, Shared => Dying: nobody can join any more, and the work is dropped, here or by who is polling it.
    pub(super) fn abandon(&self, mut table: MutexGuard<'_, Table<K, T>>, at: At) {
        table.doom(at.slot);
        let work = table.at(at.slot).work.take();
        drop(table);
        if let Some(work) = work {
            self.drop_work(at, work);
        }
    }

    /// Drops the work of a dying flight, then the flight (invariant 5).
    pub(super) fn drop_work(&self, at: At, work: BoxedWork<T>) {
        let _burial = Burial { shard: self, at };
        drop(work);
    }

    /// Shared => (Lost | Dying): the task was dropped without an outcome. The leader takes its work back; with no
    /// leader the work is dropped before anyone is told.
    pub(super) fn lose(&self, at: At) {
        let mut table = self.lock();
        let Some(flight) = table.get(at) else { return };
        if !matches!(flight.stage, Stage::Shared) {
            return;
        }
        if !flight.leader {
            return self.abandon(table, at);
        }
        let (key, successor) = table.end(at.slot);
        let flight = table.at(at.slot);
        flight.stage = Stage::Lost;
        flight.tell(End::Lost);
        let wakes = Wakes { successor, ..flight.take_wakers() };
        drop(table);
        wakes.wake();
        drop(key);
    }

    /// Dying => gone: the work is dropped; frees the key, lets the successor start, tells followers if any are left.
    fn bury(&self, at: At) {
        let mut table = self.lock();
        let (key, successor) = table.end(at.slot);
        let flight = table.at(at.slot);
        flight.tell(End::Lost);
        let wakes = Wakes { successor, ..flight.take_wakers() };
        let gone = table.remove(at.slot);
        drop(table);
        wakes.wake();
        drop((key, gone));
    }
}

/// Buries a dying flight when its work has been dropped, also by a drop that panics.
struct Burial<'a, K, T> {
    shard: &'a Shard<K, T>,
    at: At,
}

impl<K, T> Drop for Burial<'_, K, T> {
    fn drop(&mut self) {
        self.shard.bury(self.at);
    }
}
