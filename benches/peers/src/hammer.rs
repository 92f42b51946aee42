//! One key from eight tasks on two threads: do runs overlap, does anybody get what had landed before it asked?

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
};

use crate::adapters::Adapter;

const TASKS: usize = 8;

pub struct Tally {
    pub runs: usize,
    pub overlaps: usize,
    pub stale: usize,
}

struct Watch {
    runs: AtomicUsize,
    alive: AtomicUsize,
    overlaps: AtomicUsize,
    stale: AtomicUsize,
    /// Ticks at the start and at the end of each call.
    clock: AtomicU64,
    /// When somebody first had the outcome of a run; 0 before.
    seen: Vec<AtomicU64>,
}

pub fn hammer<A: Adapter>(calls: usize) -> Tally {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let watch = Arc::new(Watch {
        runs: AtomicUsize::new(0),
        alive: AtomicUsize::new(0),
        overlaps: AtomicUsize::new(0),
        stale: AtomicUsize::new(0),
        clock: AtomicU64::new(1),
        seen: (0..calls).map(|_| AtomicU64::new(0)).collect(),
    });
    runtime.block_on(async {
        let adapter = A::new();
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            tasks.spawn(call_on_and_on(adapter.clone(), Arc::clone(&watch), calls / TASKS));
        }
        while let Some(task) = tasks.join_next().await {
            task.expect("no task panics");
        }
    });
    let Watch { runs, overlaps, stale, .. } = &*watch;
    Tally { runs: runs.load(SeqCst), overlaps: overlaps.load(SeqCst), stale: stale.load(SeqCst) }
}

async fn call_on_and_on<A: Adapter>(adapter: A, watch: Arc<Watch>, calls: usize) {
    for _ in 0..calls {
        let called = watch.clock.fetch_add(1, SeqCst);
        let number = adapter.call(7, Box::pin(run(Arc::clone(&watch)))).await;
        let got = watch.clock.fetch_add(1, SeqCst);
        let first = watch.seen[number as usize].compare_exchange(0, got, SeqCst, SeqCst).unwrap_or_else(|seen| seen);
        if first != 0 && first < called {
            watch.stale.fetch_add(1, SeqCst);
        }
    }
}

async fn run(watch: Arc<Watch>) -> u64 {
    let number = watch.runs.fetch_add(1, SeqCst);
    if watch.alive.fetch_add(1, SeqCst) > 0 {
        watch.overlaps.fetch_add(1, SeqCst);
    }
    yield_now().await;
    watch.alive.fetch_sub(1, SeqCst);
    number as u64
}
