//! Counts what is allocated, while it is told to: counting costs time, most of all on two threads.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering::Relaxed},
};

static COUNTS: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);

pub struct Counting;

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Relaxed) {
            COUNT.fetch_add(1, Relaxed);
            LIVE.fetch_add(layout.size() as isize, Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTS.load(Relaxed) {
            LIVE.fetch_sub(layout.size() as isize, Relaxed);
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Says whether to count from now on.
pub fn counts(on: bool) {
    COUNTS.store(on, Relaxed);
}

/// Returns how many allocations there have been.
pub fn count() -> usize {
    COUNT.load(Relaxed)
}

/// Returns how many bytes are allocated.
pub fn live() -> isize {
    LIVE.load(Relaxed)
}
