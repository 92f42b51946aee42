//! What the recorder has counted, against what the group says of itself.

use std::{future::pending, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
};
use tower_singleflight::{
    Group, Limits, Stats,
    fleet::{Fleet, FleetEvent, MemoryEngine, PostcardCodec},
    metrics::Metered,
};

/// Runs with a recorder of its own on one thread, and returns what it has counted.
fn recorded(run: impl Future<Output = ()>) -> Figures {
    let recorder = DebuggingRecorder::new();
    let figures = Figures(recorder.snapshotter());
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    with_local_recorder(&recorder, || runtime.block_on(run));
    figures
}

struct Figures(Snapshotter);

impl Figures {
    /// Returns all figures, each as its name and labels, and a sum: of a histogram, of its samples.
    fn all(&self) -> Vec<(String, f64)> {
        let figure = |(key, _, _, value): (metrics_util::CompositeKey, _, _, DebugValue)| {
            let labels = key.key().labels().map(|label| format!(" {}={}", label.key(), label.value()));
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(gauge) => gauge.into_inner(),
                DebugValue::Histogram(samples) => samples.into_iter().map(|sample| sample.into_inner()).sum(),
            };
            (key.key().name().to_owned() + &labels.collect::<String>(), value)
        };
        self.0.snapshot().into_vec().into_iter().map(figure).collect()
    }

    /// Sums the figures whose names begin so.
    fn sum(all: &[(String, f64)], begins: &str) -> f64 {
        all.iter().filter(|(name, _)| name.starts_with(begins)).map(|(_, value)| value).sum()
    }
}

#[test]
fn each_life_of_a_call_is_counted_by_its_end() {
    let figures = recorded(async {
        let group: Group<&str, u32> = Group::with_limits(Limits::new().max_followers(1)).observed(Metered::new("g"));
        // Solo; shared, with one for whom there is no room; panicked; abandoned.
        group.call("a", || async { 1 }).await;
        let calls = [(); 3].map(|()| {
            group.call("b", || async {
                yield_now().await;
                2
            })
        });
        for call in calls {
            assert_eq!(call.await.value, 2);
        }
        let call = group.call("c", || async { panic!("on purpose") });
        assert!(AssertUnwindSafe(call).catch_unwind().await.is_err());
        let (leader, follower) = (group.call("d", pending), group.call("d", pending));
        drop((leader, follower));
    });
    let all = figures.all();
    for (begins, value) in [
        ("singleflight.calls group=g role=leader", 4.0),
        ("singleflight.calls group=g role=follower", 2.0),
        ("singleflight.calls group=g role=alone why=Full", 1.0),
        ("singleflight.left group=g follower=false", 1.0),
        ("singleflight.left group=g follower=true", 1.0),
        ("singleflight.panicked group=g follower=false", 1.0),
        ("singleflight.panicked group=g follower=true", 0.0),
        ("singleflight.flights group=g end=solo", 1.0),
        ("singleflight.flights group=g end=shared", 1.0),
        ("singleflight.flights group=g end=panicked", 1.0),
        ("singleflight.flights group=g end=abandoned", 1.0),
        ("singleflight.callers group=g", 3.0),
        ("singleflight.in_flight", 0.0),
        ("singleflight.waiting", 0.0),
    ] {
        assert_eq!(Figures::sum(&all, begins), value, "{begins} in {all:#?}");
    }
}

#[test]
fn the_sums_are_those_of_stats_and_the_gauges_return_to_nothing() {
    let (sender, receiver) = std::sync::mpsc::channel::<Stats>();
    let figures = recorded(async move {
        let group: Group<u32, u32> = Group::with_limits(Limits::new().max_followers(4)).observed(Metered::new("g"));
        let mut tasks = JoinSet::new();
        for task in 0..8 {
            let group = group.clone();
            tasks.spawn(async move {
                for number in 0..500 {
                    let kind = (task + number) % 17;
                    let mut call = group.call(number % 3, move || async move {
                        yield_now().await;
                        assert!(kind != 0, "a panic on purpose");
                        number
                    });
                    if kind == 1 {
                        let _ = AssertUnwindSafe(async { (&mut call).now_or_never() }).catch_unwind().await;
                    } else {
                        let _ = AssertUnwindSafe(call).catch_unwind().await;
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        sender.send(group.stats()).unwrap();
    });
    let stats = receiver.recv().unwrap();
    let all = figures.all();
    let sum = |begins| Figures::sum(&all, begins) as u64;
    assert_eq!(sum("singleflight.calls group=g role=leader"), stats.led);
    assert_eq!(sum("singleflight.calls group=g role=follower"), stats.followed);
    assert_eq!(sum("singleflight.calls group=g role=alone"), stats.alone);
    assert_eq!(sum("singleflight.calls"), 8 * 500);
    assert_eq!(sum("singleflight.flights group=g end=abandoned"), stats.abandoned);
    assert_eq!((sum("singleflight.in_flight"), sum("singleflight.waiting")), (0, 0), "{all:#?}");
}

#[test]
fn what_a_fleet_did_with_the_work_of_flights_is_counted() {
    let figures = recorded(async {
        let engine = MemoryEngine::new();
        let process = || {
            let fleet = Fleet::new(engine.clone(), [7; 32]).observed(Metered::new("g").fleet());
            (fleet, Group::<u32, u32>::new())
        };
        let processes = [process(), process(), process()];
        let call = |(fleet, group): &(Fleet, Group<u32, u32>)| {
            fleet.call(group, 7, PostcardCodec::new(), || async {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                1
            })
        };
        let [a, b, c] = processes.each_ref().map(call);
        tokio::join!(a, b, c);
        engine.fail();
        call(&processes[0]).await;
        let told = Metered::new("g").fleet();
        [2, 3].into_iter().for_each(|scopes| told(&FleetEvent::Untold { scopes }));
    })
    .all();
    let sum = |begins| Figures::sum(&figures, begins);
    assert_eq!(sum("singleflight.fleet.calls group=g how=led"), 1.0);
    assert_eq!(sum("singleflight.fleet.calls group=g how=followed"), 2.0);
    assert_eq!(sum("singleflight.fleet.calls group=g how=unavailable"), 1.0);
    assert_eq!(sum("singleflight.fleet.calls"), 4.0);
    assert_eq!(sum("singleflight.fleet.untold group=g"), 3.0);
    assert!(sum("singleflight.fleet.duration group=g op=join") > 0.0);
    assert!(sum("singleflight.fleet.duration group=g op=close") > 0.0);
}

#[test]
fn names_may_be_empty_huge_or_not_ascii() {
    for name in ["".to_owned(), "é".repeat(100_000), "レポート \"x\"".to_owned()] {
        let figures = recorded(async {
            let group: Group<u32, u32> = Group::new().observed(Metered::new(name.clone()));
            assert_eq!(group.call(7, || async { 1 }).await.value, 1);
            assert_eq!(group.stats().observers_off, 0);
        });
        assert_eq!(Figures::sum(&figures.all(), &format!("singleflight.calls group={name} role=leader")), 1.0);
    }
}
