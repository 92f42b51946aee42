//! An axum server whose coalescing Prometheus can scrape: `cargo run -p telemetry --bin prometheus [ADDRESS]`, then
//! `curl http://127.0.0.1:3000/metrics`.

use std::{env::args, error::Error, time::Duration};

use axum::{Router, routing::get};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{net::TcpListener, time::sleep};
use tower_singleflight::{HttpSingleflightLayer, metrics::Metered};

/// Bounds of the histograms, in seconds; without any, the exporter makes summaries.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

async fn report() -> &'static str {
    sleep(Duration::from_millis(200)).await;
    "rows\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    // Before the first request: figures are registered with the recorder that is installed then.
    let builder = PrometheusBuilder::new().with_recommended_naming(true).set_buckets(&SECONDS)?;
    let recorder = builder.install_recorder()?;
    // Between two scrapes it keeps every sample of a histogram, until it is told to add them up.
    let upkeep = recorder.clone();
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let app = Router::new()
        .route("/report/{id}", get(report))
        .layer(HttpSingleflightLayer::new().observe(Metered::new("public").per_route()))
        .route("/metrics", get(move || async move { recorder.render() }));
    let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
    println!("http://{}/report/7 and /metrics", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
