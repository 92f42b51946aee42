//! The spans of a herd as OpenTelemetry gets them: each follower's wait is linked to the request whose call it shares.
//!
//! `cargo run -p telemetry --bin opentelemetry`

use std::{error::Error, time::Duration};

use axum::{Router, body::Body, http::Request, routing::get};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tokio::time::sleep;
use tower::ServiceExt;
use tower_singleflight::HttpSingleflightLayer;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // In place of an exporter to a collector, one that keeps the spans.
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("example"));
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    let report = || async {
        sleep(Duration::from_millis(50)).await;
        "rows"
    };
    let app: Router = Router::new().route("/report", get(report)).layer(HttpSingleflightLayer::new());
    let ask = |number| {
        let request = Request::get("/report").body(Body::empty());
        // The fields are filled in when the flight lands.
        let span = info_span!("request", number, flight = tracing::field::Empty, callers = tracing::field::Empty);
        let app = app.clone();
        async move { Ok::<_, Box<dyn Error>>(app.oneshot(request?).await?.status()) }.instrument(span)
    };
    let (a, b, c) = tokio::join!(ask(1), ask(2), ask(3));
    println!("{} {} {}", a?, b?, c?);

    for span in exporter.get_finished_spans()? {
        let attributes: Vec<_> = span.attributes.iter().map(|pair| format!("{}={}", pair.key, pair.value)).collect();
        let links: Vec<_> = span.links.iter().map(|link| link.span_context.span_id().to_string()).collect();
        println!("{:<18} {} links {:?}  {}", span.name, span.span_context.span_id(), links, attributes.join(" "));
    }
    Ok(())
}
