//! Recorders that panic, that take their time, or that call the group which they are told of.

#[path = "../../../tests/group/stands.rs"]
mod stands;

use std::{cell::RefCell, collections::BTreeSet, convert::Infallible, sync::Arc};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder, with_local_recorder,
};
use tokio::runtime::Builder;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{Event, Group, Limits, Observer, Reason, SingleflightLayer, metrics::Metered};

use self::stands::stand;

type Hook = Box<dyn FnOnce()>;

thread_local! {
    /// What is run as the next figure is registered, and as the next one is raised.
    static REGISTERS: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static RAISES: RefCell<Option<Hook>> = const { RefCell::new(None) };
    /// The routes of which counters were registered.
    static ROUTES: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

fn run(hook: &RefCell<Option<Hook>>) {
    let hook = hook.borrow_mut().take();
    if let Some(hook) = hook {
        hook();
    }
}

/// Keeps nothing.
struct Hooked;

impl CounterFn for Hooked {
    fn increment(&self, _: u64) {
        RAISES.with(run);
    }

    fn absolute(&self, _: u64) {}
}

impl GaugeFn for Hooked {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {}
}

impl HistogramFn for Hooked {
    fn record(&self, _: f64) {}
}

impl Recorder for Hooked {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let routes = key.labels().filter(|label| label.key() == "route").map(|label| label.value().to_owned());
        ROUTES.with_borrow_mut(|known| known.extend(routes));
        REGISTERS.with(run);
        Counter::from_arc(Arc::new(Self))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        REGISTERS.with(run);
        Gauge::from_arc(Arc::new(Self))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Self))
    }
}

fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread().build().unwrap();
    with_local_recorder(&Hooked, || runtime.block_on(test));
}

/// If a recorder may not do this, the test hangs.
#[test]
fn a_recorder_may_call_the_group_as_it_registers_a_figure() {
    on_one_thread(async {
        let group: Group<u32, u32> = Group::new().observed(Metered::new("g"));
        let again = group.clone();
        REGISTERS.set(Some(Box::new(move || drop(again.call(8, || async { 8 })))));
        assert_eq!(group.call(7, || async { 7 }).await.value, 7);
        assert!(REGISTERS.take().is_none());
        assert_eq!((group.stats().led, group.stats().observers_off), (2, 0));
    });
}

/// Hangs likewise.
#[test]
fn a_recorder_may_call_the_group_as_it_raises_a_figure() {
    on_one_thread(async {
        let metered = Arc::new(Metered::new("g"));
        let group: Group<u32, u32> = Group::with_limits(Limits::new().max_flights(0)).observed(Arc::clone(&metered));
        let layer = SingleflightLayer::new(|_: &u32| None::<u32>).observe(metered);
        let mut keyless = layer.layer(service_fn(async |id: u32| Ok::<_, Infallible>(id)));
        assert_eq!(group.call(7, || async { 7 }).await.value, 7);
        RAISES.set(Some(Box::new(move || drop(keyless.call(8)))));
        assert_eq!(group.call(7, || async { 7 }).await.value, 7);
        assert!(RAISES.take().is_none());
        assert_eq!((group.stats().alone, group.stats().observers_off), (2, 0));
    });
}

#[test]
fn a_recorder_that_panics_fails_no_caller_and_is_told_nothing_more() {
    for hook in [&REGISTERS, &RAISES] {
        on_one_thread(async {
            let group: Group<u32, u32> = Group::new().observed(Metered::new("g"));
            hook.set(Some(Box::new(|| panic!("a recorder panics on purpose"))));
            for _ in 0..2 {
                assert_eq!(group.call(7, || async { 7 }).await.value, 7);
                assert_eq!(group.stats().observers_off, 1);
            }
            assert!(hook.take().is_none());
            hook.set(Some(Box::new(|| panic!("it is told nothing"))));
            assert_eq!(group.call(7, || async { 7 }).await.value, 7);
            assert!(hook.take().is_some());
        });
    }
}

/// An event of a request of that route.
fn of_route(metered: &Metered, route: &str) {
    metered.on(&Event::Alone { reason: Reason::NoKey, why: "NoKey", label: Some(route) });
}

/// While the figures of the thousandth are being registered, another new one comes.
#[test]
fn no_more_than_a_thousand_routes_are_registered_whatever_comes_meanwhile() {
    on_one_thread(async {
        let metered = Arc::new(Metered::new("g").per_route());
        ROUTES.take();
        (1..1_000).for_each(|number| of_route(&metered, &format!("/{number}")));
        assert_eq!(ROUTES.with_borrow(BTreeSet::len), 999);
        let again = Arc::clone(&metered);
        REGISTERS.set(Some(Box::new(move || of_route(&again, "/meanwhile"))));
        of_route(&metered, "/1000");
        of_route(&metered, "/meanwhile");
        let routes = ROUTES.take();
        assert_eq!((routes.len(), routes.contains("/meanwhile"), routes.contains("other")), (1_001, false, true));
    });
}

#[test]
fn a_recorder_that_stands_still_for_one_call_holds_up_no_other() {
    for (at, hook, of_the_route) in [
        ("registering", &REGISTERS, false),
        ("raising", &RAISES, false),
        ("registering a route", &REGISTERS, true),
        ("raising a route's", &RAISES, true),
    ] {
        let (stand, beside) = stand();
        let metered = Arc::new(Metered::new("g").per_route());
        let group: Group<u32, u32> = Group::new().observed(Arc::clone(&metered));
        let of_call = |key: u32| {
            let group = group.clone();
            async move {
                assert_eq!(group.call(key, move || async move { key }).await.value, key);
                assert_eq!(group.stats().observers_off, 0);
            }
        };
        let (held, other) = (of_call(7), of_call(8));
        let (metered, meanwhile) = (Arc::clone(&metered), metered);
        let held = move || async move {
            let _recorded = set_default_local_recorder(&Hooked);
            if of_the_route {
                held.await;
                hook.set(Some(Box::new(move || stand.still())));
            } else {
                hook.set(Some(Box::new(move || stand.still())));
                held.await;
            }
            of_route(&metered, "/held");
        };
        let others = move || async move {
            other.await;
            ["/other", "/held"].iter().for_each(|route| of_route(&meanwhile, route));
        };
        beside.run(at, held, others);
    }
}
