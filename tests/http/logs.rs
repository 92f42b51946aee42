//! What is logged, and at which level (feature `tracing`).

use std::{
    fmt::{Debug, Write},
    sync::{Arc, Mutex},
};

use http_body_util::BodyExt;
use tower_singleflight::HttpSingleflightLayer;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{Registry, layer::Context, layer::SubscriberExt};

use crate::origin::{OriginBody, bench, get, get_with, ok};

/// The lines of a log: level, and each field by its name.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
}

impl Log {
    fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(Registry::default().with(log.clone()));
        (log, guard)
    }

    #[track_caller]
    fn assert(&self, expected: &[&str]) {
        assert_eq!(*self.0.lock().unwrap(), expected);
    }
}

#[tokio::test]
async fn a_request_that_a_rule_sends_alone_is_logged_with_the_rule() {
    let (log, _guard) = Log::begin();
    let mut bench = bench(HttpSingleflightLayer::new());
    for request in [get_with("/x", &[("cookie", "a=b")]), get("/x")] {
        let call = bench.call(request);
        bench.next().await.answer(ok(&[], "x"));
        call.await.unwrap();
        // Nothing is said of the other, which leads.
        log.assert(&[r#"DEBUG message=a rule sends a request alone rule="S6Cookie""#]);
    }
}

#[tokio::test(start_paused = true)]
async fn readers_that_are_cut_are_logged_once_with_their_number() {
    let (log, _guard) = Log::begin();
    let mut bench = bench(HttpSingleflightLayer::new().window(1));
    let calls = [(); 3].map(|()| bench.call(get("/x")));
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().into_body());
    }
    frames.data("one");
    frames.data("two");
    drop(frames);
    bodies[0].frame().await.unwrap().unwrap();
    log.assert(&[]);
    // It waits for room, until the others are cut.
    bodies[0].frame().await.unwrap().unwrap();
    log.assert(&["WARN message=readers of a shared body were cut: they held the others up readers=2"]);
}
