//! Many callers of one key, at once or one after the other.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::task::JoinSet;

use super::process::Process;

/// Sends callers at that time, in ms since 1970, and says how they fared.
pub(crate) async fn run(process: Process, at: u64, key: String, callers: usize, work: Duration) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(at).saturating_sub(since)).await;
    let runs = Arc::default();
    let mut herd = JoinSet::new();
    for _ in 0..callers {
        let (process, key, runs) = (process.clone(), key.clone(), Arc::clone(&runs));
        herd.spawn(async move {
            let began = Instant::now();
            let value = process.call(&key, work, &runs, true).await;
            (value, began.elapsed())
        });
    }
    let answers = herd.join_all().await;
    let mut values: Vec<_> = answers.iter().map(|(value, _)| &value[..]).collect();
    values.sort_unstable();
    values.dedup();
    let mut times: Vec<_> = answers.iter().map(|(_, time)| time.as_micros()).collect();
    times.sort_unstable();
    let (p50, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let (runs, values) = (runs.load(Relaxed), values.join(","));
    println!("herd {key} callers={callers} runs={runs} p50={p50} slowest={slowest} values={values}");
}

/// Calls one after the other, each with a key of its own.
pub(crate) async fn series(process: &Process, calls: usize, key: &str, work: Duration) {
    let runs = Arc::default();
    let mut times = Vec::with_capacity(calls);
    for at in 0..calls {
        let began = Instant::now();
        process.call(&format!("{key}-{at}"), work, &runs, false).await;
        times.push(began.elapsed().as_micros());
    }
    times.sort_unstable();
    let (p50, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("series {key} calls={calls} runs={} p50={p50} slowest={slowest}", runs.load(Relaxed));
}
