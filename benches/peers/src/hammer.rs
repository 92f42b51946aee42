//! One key from eight tasks on two threads: do runs overlap, does anybody get what was there before it asked?

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use tokio::task::{JoinSet, yield_now};

use crate::peer::Peer;

const TASKS: usize = 8;

#[derive(Default)]
pub struct Tally {
    pub runs: AtomicU64,
    pub overlaps: AtomicUsize,
    pub stale: AtomicUsize,
    alive: AtomicUsize,
    /// The newest run that somebody has the value of.
    landed: AtomicU64,
}

pub async fn hammer<P: Peer>(calls: usize) -> Arc<Tally> {
    let (peer, tally) = (P::new(), Arc::new(Tally::default()));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (peer, tally) = (peer.clone(), Arc::clone(&tally));
        tasks.spawn(async move {
            for _ in 0..calls / TASKS {
                let before = tally.landed.load(SeqCst);
                let number = peer.call(7, Box::pin(run(Arc::clone(&tally)))).await;
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
    tally
}

async fn run(tally: Arc<Tally>) -> u64 {
    let number = tally.runs.fetch_add(1, SeqCst) + 1;
    if tally.alive.fetch_add(1, SeqCst) > 0 {
        tally.overlaps.fetch_add(1, SeqCst);
    }
    yield_now().await;
    tally.alive.fetch_sub(1, SeqCst);
    number
}
