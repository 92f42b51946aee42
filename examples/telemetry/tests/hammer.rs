//! Every call is counted once, whatever becomes of it on two threads: calls that lead, follow, go alone, panic and leave.
//!
//! It is small when all tests are run; in full it is
//! `HAMMER_CALLS=100000 cargo test --release -p telemetry --test hammer`.

use std::{
    env,
    panic::{AssertUnwindSafe, resume_unwind},
};

use futures_util::{FutureExt, poll};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
};
use tower_singleflight::{Group, Limits, metrics::Metered};

const TASKS: u32 = 8;

fn calls() -> u32 {
    env::var("HAMMER_CALLS").map_or(2_000, |calls| calls.parse().expect("HAMMER_CALLS is a number"))
}

/// One of the tasks. Of 17 calls one panics, one leaves, and now and then one goes alone since there is no room.
async fn hammer(group: Group<u32, u32>, task: u32) {
    for number in 0..calls() {
        let kind = (task + number) % 17;
        let mut call = group.call(number % 3, move || async move {
            yield_now().await;
            if kind == 0 {
                resume_unwind(Box::new("on purpose"));
            }
            number
        });
        if kind == 1 {
            let _ = poll!(AssertUnwindSafe(&mut call).catch_unwind());
        } else {
            let _ = AssertUnwindSafe(call).catch_unwind().await;
        }
    }
}

#[test]
fn the_sum_of_all_roles_is_the_number_of_calls_on_two_threads() {
    let recorder = DebuggingRecorder::new();
    let figures = recorder.snapshotter();
    recorder.install().unwrap();
    let group: Group<u32, u32> = Group::with_limits(Limits::new().max_followers(4)).observed(Metered::new("g"));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(hammer(group.clone(), task));
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    });
    // The tasks of flights that have answered all their callers end with the runtime.
    drop(runtime);
    let all = figures.snapshot().into_vec();
    let sum = |name: &str, label: Option<(&str, &str)>| -> u64 {
        let figures = all.iter().filter(|(key, ..)| {
            key.key().name() == name
                && label.is_none_or(|label| key.key().labels().any(|it| (it.key(), it.value()) == label))
        });
        figures
            .map(|(.., value)| match value {
                DebugValue::Counter(count) => *count,
                DebugValue::Gauge(gauge) => gauge.into_inner() as u64,
                DebugValue::Histogram(samples) => samples.len() as u64,
            })
            .sum()
    };
    let stats = group.stats();
    let made = u64::from(TASKS * calls());
    assert_eq!((stats.calls(), sum("singleflight.calls", None)), (made, made));
    for (role, counted) in [("leader", stats.led), ("follower", stats.followed), ("alone", stats.alone)] {
        assert_eq!(sum("singleflight.calls", Some(("role", role))), counted, "{role}");
    }
    assert_eq!(sum("singleflight.released", None), stats.released);
    for (name, counted) in [("singleflight.left", stats.left), ("singleflight.panicked", stats.panicked)] {
        assert_eq!(sum(name, Some(("follower", "true"))), counted, "{name}");
    }
    for (end, counted) in [("abandoned", stats.abandoned), ("lost", stats.lost)] {
        assert_eq!(sum("singleflight.flights", Some(("end", end))), counted, "{end}");
    }
    assert_eq!(sum("singleflight.flights", None), stats.led, "each flight has one end");
    let ended = ["singleflight.wait.duration", "singleflight.left", "singleflight.panicked"];
    assert_eq!(ended.map(|name| sum(name, None)).iter().sum::<u64>(), made, "each call has one end");
    assert_eq!((sum("singleflight.in_flight", None), sum("singleflight.waiting", None)), (0, 0));
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
    assert!(group.is_empty());
}
