//! What the layer would do on a router, tried without doing it: `cargo run --example dry_run --features dry-run`.
//!
//! The layer was told to leave `x-tenant` out of the key, which is wrong on one route; the report says so.

use std::{
    error::Error,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body, extract::Path, http::HeaderMap, http::Request, routing::get};
use futures_util::future::try_join_all;
use http_body_util::BodyExt;
use tokio::time::sleep;
use tower::ServiceExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun},
};

/// The same for everybody.
async fn report(Path(id): Path<u64>) -> String {
    sleep(Duration::from_millis(20)).await;
    format!("rows of report {id}")
}

/// Another one for each tenant.
async fn inbox(headers: HeaderMap) -> String {
    sleep(Duration::from_millis(20)).await;
    let tenant = headers.get("x-tenant").and_then(|tenant| tenant.to_str().ok()).unwrap_or("nobody");
    format!("letters to {tenant}")
}

/// Another one each time.
async fn ticket() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    sleep(Duration::from_millis(20)).await;
    format!("ticket {}", NEXT.fetch_add(1, Relaxed))
}

async fn account() -> &'static str {
    "yours"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let layer =
        HttpSingleflightLayer::new().ignore_headers(["x-tenant"]).dry_run(DryRun::new().on_difference(|difference| {
            let inputs: Vec<_> = difference.inputs().map(|input| input.name()).collect();
            println!("{}: two answers differ; so do these inputs: {inputs:?}", difference.route());
        }));
    let app = Router::new()
        .route("/reports/{id}", get(report))
        .route("/inbox", get(inbox))
        .route("/ticket", get(ticket))
        .route("/account", get(account))
        .layer(layer.clone());

    for path in ["/reports/7", "/inbox", "/ticket", "/account"] {
        let calls = ["a", "b", "a", "b"].map(|tenant| {
            let builder = Request::get(path).header("host", "example.com").header("x-tenant", tenant);
            let builder = if path == "/account" { builder.header("authorization", "Bearer ann") } else { builder };
            let request = builder.body(Body::empty());
            let app = app.clone();
            async move {
                let response = app.oneshot(request?).await?;
                Ok::<_, Box<dyn Error>>(response.into_body().collect().await?)
            }
        });
        try_join_all(calls).await?;
    }

    let report = layer.dry_run_report();
    println!("\n{report}");
    let found = report.routes().iter().map(|route| (route.route(), route.colour())).collect::<Vec<_>>();
    assert_eq!(
        found,
        [
            ("/inbox", Colour::Red),
            ("/ticket", Colour::Yellow),
            ("/account", Colour::Grey),
            ("/reports/{id}", Colour::Green)
        ]
    );
    Ok(())
}
