//! What is recorded of a flight: in the span in which its leader called, and in those in which followers wait.

use std::{
    collections::HashMap,
    fmt::Debug,
    future::pending,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{runtime::Builder, time::advance};
use tokio_test::{assert_pending, task::spawn};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{Group, Limits, SingleflightLayer};
use tracing::{
    Event, Subscriber,
    field::{Empty, Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Registry, layer::Context, layer::SubscriberExt, registry::LookupSpan};

use crate::{recorder::Recorder, work::never};

/// Writes down what is recorded in spans, each flight by its number in order.
#[derive(Clone, Default)]
struct Recorded {
    lines: Arc<Mutex<Vec<String>>>,
    flights: Arc<Mutex<HashMap<String, usize>>>,
}

struct Fields<'a>(&'a Recorded, &'a str);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut value = format!("{value:?}");
        if field.name() == "flight" {
            let mut flights = self.0.flights.lock().unwrap();
            let next = flights.len();
            value = flights.entry(value).or_insert(next).to_string();
        }
        self.0.lines.lock().unwrap().push(format!("{}: {} {value}", self.1, field.name()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Recorded {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        attributes.record(&mut Fields(self, attributes.metadata().name()));
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, context: Context<'_, S>) {
        record.record(&mut Fields(self, context.metadata(id).expect("the span is there").name()));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = event.metadata().level();
        let place =
            context.event_span(event).map_or_else(|| level.to_string(), |span| format!("{level} in {}", span.name()));
        event.record(&mut Fields(self, &place));
    }
}

impl Recorded {
    fn listening() -> (Self, DefaultGuard) {
        let recorded = Self::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(recorded.clone()));
        (recorded, guard)
    }

    fn assert_recorded(&self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut *self.lines.lock().unwrap()), expected);
    }
}

fn request() -> tracing::Span {
    tracing::info_span!("request", flight = Empty, callers = Empty)
}

const JOINED: [&str; 3] =
    ["singleflight.wait: flight 0", "singleflight.wait: age_ms 0", "singleflight.wait: callers 2"];

#[tokio::test(start_paused = true)]
async fn the_span_of_a_leader_has_its_flight_and_how_many_shared_it() {
    let (recorded, _guard) = Recorded::listening();
    let group = Group::new();
    let lone = request().in_scope(|| group.call("key", || async { 1 }));
    assert_eq!(lone.await.value, 1);
    recorded.assert_recorded(&["request: flight 0", "request: callers 1"]);

    let leader = request().in_scope(|| group.call("key", || async { 1 }));
    let follower = group.call("key", never);
    assert_eq!((leader.await.callers, follower.await.callers), (2, 2));
    recorded.assert_recorded(&[
        "singleflight.wait: flight 1",
        "singleflight.wait: age_ms 0",
        "singleflight.wait: callers 2",
        "request: flight 1",
        "request: callers 2",
        "DEBUG in request: message others shared the outcome of this call",
        "DEBUG in request: flight 1",
        "DEBUG in request: callers 2",
        "singleflight.wait: outcome shared",
    ]);
    assert!(group.is_empty());
}

/// A span that has no fields for it is told all the same, and so a log in which a follower's flight is looked for has it.
#[tokio::test(start_paused = true)]
async fn a_leaders_log_has_the_flight_that_others_shared_whatever_fields_its_span_has() {
    let (recorded, _guard) = Recorded::listening();
    let (group, request) = (Group::new(), || tracing::info_span!("bare"));
    let lone = request().in_scope(|| group.call("key", || async { 1 }));
    assert_eq!(lone.await.value, 1);
    // One that is alone again is not shared.
    let leader = request().in_scope(|| group.call("key", || async { 1 }));
    drop(group.call("key", never));
    assert_eq!(leader.await.callers, 1);
    recorded.assert_recorded(&[&JOINED[..], &["singleflight.wait: outcome left"]].concat());

    let leader = request().in_scope(|| group.call("key", || async { 1 }));
    let followers = [(); 2].map(|()| group.call("key", never));
    assert_eq!(leader.await.callers, 3);
    let shared = [
        "DEBUG in bare: message others shared the outcome of this call",
        "DEBUG in bare: flight 1",
        "DEBUG in bare: callers 3",
    ];
    let told = std::mem::take(&mut *recorded.lines.lock().unwrap());
    assert_eq!(told[6..], shared, "{told:?}");
    drop(followers);
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_outcome_that_is_not_shared_has_one_caller_in_the_leaders_span() {
    let (recorded, _guard) = Recorded::listening();
    let service = service_fn(|id: u8| async move { Ok::<_, std::convert::Infallible>(id) });
    let mut service = SingleflightLayer::new(|id: &u8| Some(*id)).share_if(|_| false).layer(service);
    let (leader, follower) = (request().in_scope(|| service.call(7)), service.call(7));
    assert_eq!((leader.await, follower.await), (Ok(7), Ok(7)));
    let ended = ["request: flight 0", "request: callers 1", "singleflight.wait: outcome NotShareable"];
    recorded.assert_recorded(&[&JOINED[..], &ended].concat());
    assert!(service.group().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_follower_says_how_its_wait_has_ended() {
    let (group, limits) = (Group::new(), Limits::new().max_wait(Duration::from_secs(1)));
    let (recorded, _guard) = Recorded::listening();
    let leader = request().in_scope(|| group.call("key", || async { panic!("of the work") }));
    for call in [leader.boxed(), group.call("key", never).boxed()] {
        AssertUnwindSafe(call).catch_unwind().await.expect_err("the work panics");
    }
    recorded.assert_recorded(&[&JOINED[..], &["singleflight.wait: outcome panicked"]].concat());
    assert!(group.is_empty());

    let (recorded, _guard) = Recorded::listening();
    let leader = request().in_scope(|| group.call("key", pending));
    drop(group.call("key", never));
    recorded.assert_recorded(&[&JOINED[..], &["singleflight.wait: outcome left"]].concat());
    drop(leader);
    assert!(group.is_empty());

    let (recorded, _guard) = Recorded::listening();
    let group = Group::with_limits(limits);
    let leader = request().in_scope(|| group.call("key", pending));
    let mut follower = spawn(group.call("key", || async { 2 }));
    assert_pending!(follower.poll());
    advance(Duration::from_secs(2)).await;
    assert_eq!(follower.await.value, 2);
    recorded.assert_recorded(&[&JOINED[..], &["singleflight.wait: outcome WaitedTooLong"]].concat());
    drop(leader);
    assert!(group.is_empty());
}

#[test]
fn a_flight_that_is_lost_is_a_warning_with_its_number() {
    let (recorded, _guard) = Recorded::listening();
    let (group, runtime) = (Group::<_, u8>::new(), Builder::new_current_thread().build().expect("a runtime starts"));
    let calls = {
        let _context = runtime.enter();
        [group.call("key", pending), group.call("key", pending)]
    };
    let lost = ["WARN: message the task of a flight died without an outcome", "WARN: flight 0"];
    recorded.assert_recorded(&["singleflight.wait: flight 0", "singleflight.wait: callers 2"]);
    drop(runtime);
    recorded.assert_recorded(&lost);
    drop(calls);
    assert!(group.is_empty());
}

/// Panics at one thing that happens to spans.
struct Broken(&'static str);

impl Broken {
    fn at(&self, what: &str) {
        if self.0 == what {
            panic!("a subscriber panics on purpose");
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Broken {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.at(context.metadata(id).map_or("", |metadata| metadata.name()));
    }

    fn on_record(&self, _: &Id, _: &Record<'_>, _: Context<'_, S>) {
        self.at("record");
    }

    fn on_follows_from(&self, _: &Id, _: &Id, _: Context<'_, S>) {
        self.at("follows");
    }

    fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
        self.at("event");
    }

    fn on_close(&self, _: Id, _: Context<'_, S>) {
        self.at("close");
    }
}

/// Spans of ours, and what is recorded in those of callers, would else be failures that a caller would not have had alone.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_panics_fails_nobody_and_all_is_counted() {
    for what in ["nothing", "singleflight.wait", "record", "follows", "event", "close"] {
        let _guard = tracing::subscriber::set_default(Registry::default().with(Broken(what)));
        let told = Arc::new(Recorder::default());
        let group = Group::new().observed(told.clone());
        // The last handle of each caller's span is the flight's.
        let leader = request().in_scope(|| group.call("key", || async { 1 }));
        let followers = [(); 2].map(|()| group.call("key", never));
        drop(group.call("key", never));
        assert_eq!(leader.await.callers, 3, "{what}");
        for follower in followers {
            assert_eq!(follower.await.value, 1, "{what}");
        }
        let lone = request().in_scope(|| group.call("key", || async { 2 }));
        assert_eq!(lone.await.value, 2, "{what}");
        let leaves = request().in_scope(|| group.call("key", never));
        drop(leaves);

        let runtime = Builder::new_current_thread().build().unwrap();
        let lost = {
            let _inside = runtime.enter();
            request().in_scope(|| [(); 2].map(|()| group.call("key", || async { 3 })))
        };
        std::thread::spawn(|| drop(runtime)).join().unwrap();
        for call in lost {
            assert_eq!(call.await.value, 3, "{what}");
        }
        let stats = group.stats();
        assert_eq!((stats.led, stats.followed, stats.left, stats.released), (4, 4, 1, 1), "{what}");
        assert_eq!((stats.lost, stats.abandoned, stats.observers_off), (1, 1, 0), "{what}");
        assert!(group.is_empty());
    }
}
