//! Two threads, one hot key: is it really one run at a time?

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use tokio::task::{JoinSet, yield_now};
use tower_singleflight::Group;

const TASKS: usize = 8;
const CALLS: usize = 25_000;

#[derive(Default)]
struct Tally {
    /// Runs so far: each flight's value is its own number.
    runs: AtomicU64,
    alive: AtomicUsize,
    overlaps: AtomicUsize,
    /// The newest flight that is known to have landed.
    landed: AtomicU64,
    stale: AtomicUsize,
}

/// Invariants 1, 3 and 5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_one_key_never_overlap_and_nobody_gets_an_outcome_older_than_the_call() {
    let group: Group<&str, u64> = Group::new();
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (group, tally) = (group.clone(), Arc::clone(&tally));
        tasks.spawn(async move {
            for _ in 0..CALLS {
                let before = tally.landed.load(SeqCst);
                let run = Arc::clone(&tally);
                let call = group.call("hot", move || async move {
                    let number = run.runs.fetch_add(1, SeqCst) + 1;
                    if run.alive.fetch_add(1, SeqCst) > 0 {
                        run.overlaps.fetch_add(1, SeqCst);
                    }
                    yield_now().await;
                    run.alive.fetch_sub(1, SeqCst);
                    number
                });
                let number = call.await.value;
                tally.landed.fetch_max(number, SeqCst);
                if number <= before {
                    tally.stale.fetch_add(1, SeqCst);
                }
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no task panics");
    }
    assert_eq!(tally.overlaps.load(SeqCst), 0);
    assert_eq!(tally.stale.load(SeqCst), 0);
    assert!(tally.runs.load(SeqCst) < (TASKS * CALLS) as u64, "nothing was shared");
    assert!(group.is_empty());
}
