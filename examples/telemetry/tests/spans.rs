//! Each follower has a span of its own, with one link, to the request whose call it shares.

use std::{future::pending, time::Duration};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::task::yield_now;
use tower_singleflight::{Group, Limits};
use tracing::{Instrument, field::Empty, info_span, instrument::WithSubscriber};
use tracing_subscriber::layer::SubscriberExt;

/// Runs with an exporter of its own, and returns the spans that have ended.
async fn exported(run: impl Future<Output = ()>) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    run.with_subscriber(tracing_subscriber::registry().with(layer)).await;
    provider.force_flush().unwrap();
    exporter.get_finished_spans().unwrap()
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> Vec<&'a SpanData> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[tokio::test]
async fn each_followers_wait_is_linked_once_to_its_leader() {
    let spans = exported(async {
        let group = Group::new();
        let request = |name: &'static str| {
            let group = group.clone();
            let call = async move {
                let work = || async {
                    yield_now().await;
                    7
                };
                assert_eq!(group.call("key", work).await.value, 7);
            };
            call.instrument(info_span!("request", name, flight = Empty, callers = Empty))
        };
        tokio::join!(request("leader"), request("follower"), request("follower"));
    })
    .await;
    let requests = named(&spans, "request");
    let leader = requests.iter().find(|span| attribute(span, "name").as_deref() == Some("leader")).unwrap();
    assert_eq!(attribute(leader, "callers").as_deref(), Some("3"));
    let flight = attribute(leader, "flight").expect("the flight is noted at its landing");
    assert!(leader.links.is_empty());
    let waits = named(&spans, "singleflight.wait");
    assert_eq!(waits.len(), 2);
    for wait in waits {
        let links: Vec<_> = wait.links.iter().map(|link| link.span_context.span_id()).collect();
        assert_eq!(links, [leader.span_context.span_id()]);
        assert_eq!(attribute(wait, "flight").as_ref(), Some(&flight));
        assert_eq!(attribute(wait, "outcome").as_deref(), Some("shared"));
        let parent = requests.iter().find(|span| span.span_context.span_id() == wait.parent_span_id).unwrap();
        assert_eq!(attribute(parent, "name").as_deref(), Some("follower"), "it is within the follower's own request");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_says_what_it_came_to() {
    let spans = exported(async {
        let group: Group<&str, u32> = Group::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
        let leader = group.call("key", pending);
        let late = group.call("key", || async { 2 });
        drop(group.call("key", pending));
        assert_eq!(late.await.value, 2);
        drop(leader);
    })
    .await;
    let outcomes: Vec<_> =
        named(&spans, "singleflight.wait").iter().map(|span| attribute(span, "outcome").unwrap()).collect();
    assert_eq!(outcomes, ["left", "WaitedTooLong"]);
}
