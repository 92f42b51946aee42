//! The generic layer over clients: callers of one process share a request, over hyper-util's client and over reqwest.
//!
//! `cargo run --example client`

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, routing::get};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use reqwest::ResponseBuilderExt;
use tokio::{net::TcpListener, time::sleep};
use tower::{ServiceBuilder, ServiceExt};
use tower_singleflight::{SharedError, SingleflightLayer, http::CloneBodyLayer};

async fn rates(State(requests): State<Arc<AtomicU64>>) -> &'static str {
    requests.fetch_add(1, Relaxed);
    sleep(Duration::from_millis(300)).await;
    "1 EUR = 1.16 USD"
}

/// Makes reqwest's response one of `http`, which does not say by itself where it is from; reqwest finds its URL again there.
fn with_url(response: reqwest::Response) -> http::Response<reqwest::Body> {
    let noted = http::Response::builder().url(response.url().clone()).body(()).expect("it has a URL and nothing else");
    let mut response = http::Response::from(response);
    response.extensions_mut().extend(noted.into_parts().0.extensions);
    response
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let requests = Arc::new(AtomicU64::new(0));
    let app = Router::new().route("/rates", get(rates)).with_state(Arc::clone(&requests));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/rates", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    // hyper-util: its errors cannot be cloned, so that all callers of a flight share one; nor can its bodies.
    let client = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|request: &http::Request<Empty<Bytes>>| Some(request.uri().clone())))
        .layer(CloneBodyLayer::new())
        .map_err(SharedError::new)
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());
    let bodies = try_join_all((0..50).map(|_| async {
        let request = http::Request::get(&url).body(Empty::new()).map_err(SharedError::new)?;
        let response = client.clone().oneshot(request).await?;
        Ok::<_, SharedError>(response.into_body().collect().await.map_err(SharedError::new)?.to_bytes())
    }))
    .await?;
    assert_eq!(bodies, ["1 EUR = 1.16 USD"; 50]);
    assert_eq!(requests.swap(0, Relaxed), 1);
    println!("hyper-util: 50 callers, 1 request");

    // reqwest: its responses are of its own type. Below the layer they become those of `http`, and above it, where each
    // caller has one, reqwest's again, with `json()`, `text()` and the like.
    let client = ServiceBuilder::new()
        .map_response(|response: http::Response<_>| reqwest::Response::from(response.map(reqwest::Body::wrap)))
        .layer(SingleflightLayer::new(|request: &reqwest::Request| {
            (request.method() == http::Method::GET).then(|| request.url().clone())
        }))
        .layer(CloneBodyLayer::new())
        .map_response(with_url)
        .map_err(SharedError::new)
        .service(reqwest::Client::new());
    let bodies = try_join_all((0..50).map(|_| async {
        let request = reqwest::Request::new(http::Method::GET, url.parse()?);
        let response = client.clone().oneshot(request).await?;
        assert_eq!(response.url().path(), "/rates");
        Ok::<_, Box<dyn Error>>(response.text().await?)
    }))
    .await?;
    assert_eq!(bodies, ["1 EUR = 1.16 USD"; 50]);
    assert_eq!(requests.swap(0, Relaxed), 1);
    println!("reqwest: 50 callers, 1 request");
    Ok(())
}
