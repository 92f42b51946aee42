//! A count that every thread raises without waiting for the others.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crate::{sync::thread_local, threads::threads};

/// A count in several parts, each in cache lines of its own: as a rule no core takes one from another.
#[derive(Debug)]
pub(crate) struct Striped {
    /// The number of stripes is a power of two.
    stripes: Box<[Stripe]>,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Striped {
    pub(crate) fn new() -> Self {
        Self { stripes: (0..threads().next_power_of_two()).map(|_| Stripe::default()).collect() }
    }

    #[inline]
    pub(crate) fn add_one(&self) {
        self.stripes[thread_number() & (self.stripes.len() - 1)].0.fetch_add(1, Relaxed);
    }

    /// Returns the sum: exact at rest, a snapshot otherwise.
    pub(crate) fn get(&self) -> u64 {
        self.stripes.iter().map(|stripe| stripe.0.load(Relaxed)).sum()
    }
}

/// Returns the number of the calling thread, from 1 on in the order in which they first ask.
#[inline]
pub(crate) fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        /// 0 until the thread has asked. Without a destructor or a lazy start, which took 140 instructions.
        static NUMBER: Cell<usize> = const { Cell::new(0) };
    }
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(1 + NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}
