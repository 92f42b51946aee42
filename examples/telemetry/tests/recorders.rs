//! Recorders that panic, or that call the group which they are told of.

use std::{cell::RefCell, convert::Infallible, sync::Arc};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use tokio::runtime::Builder;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{Group, Limits, SingleflightLayer, metrics::Metered};

type Hook = Box<dyn FnOnce()>;

thread_local! {
    /// What is run as the next figure is registered, and as the next one is raised.
    static REGISTERS: RefCell<Option<Hook>> = const { RefCell::new(None) };
    static RAISES: RefCell<Option<Hook>> = const { RefCell::new(None) };
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

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
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
