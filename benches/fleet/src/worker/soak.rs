//! Many callers of few keys for a long time, whatever happens to the servers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::process::Process;

/// Calls that often in all, and counts outcomes that belong to another key.
pub(crate) async fn run(process: &Process, callers: u64, calls: u64, keys: u32, work: Duration, seed: u64) {
    let (runs, wrong, answered) = (Arc::default(), Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let (process, runs, wrong, answered) =
            (process.clone(), Arc::clone(&runs), Arc::clone(&wrong), Arc::clone(&answered));
        all.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed + caller);
            for _ in 0..calls / callers {
                let key = format!("soak-{}", random.random_range(0..keys));
                let value = process.call(&key, work.mul_f64(random.random()), &runs, false).await;
                if !value.starts_with(&format!("{key}/")) {
                    wrong.fetch_add(1, Relaxed);
                }
                answered.fetch_add(1, Relaxed);
            }
        });
    }
    all.join_all().await;
    let (answered, runs, wrong) = (answered.load(Relaxed), runs.load(Relaxed), wrong.load(Relaxed));
    let lost = process.fleet.stats().lost;
    println!("soak answered={answered} runs={runs} wrong={wrong} lost={lost}");
}
