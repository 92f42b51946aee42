//! A reverse proxy that sends equal requests upstream once:
//! `cargo run --example reverse_proxy -- 127.0.0.1:8080 127.0.0.1:3000`.
//!
//! Without two addresses it shows what it does, on an upstream of its own. The package in `crates/proxy` is a proxy to run:
//! with timeouts, limits, a log, HTTP/2 and upgrades.

use std::{
    convert::Infallible,
    error::Error,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use axum::{Router, body::Body, body::HttpBody, routing::get};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header, uri::Authority};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tower::service_fn;
use tower_singleflight::HttpSingleflightLayer;

type Fault = Box<dyn Error + Send + Sync>;
type Upstream = Client<HttpConnector, Body>;

/// Fields that are about one connection, beside those that `Connection` names.
const HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TE, header::TRAILER, header::TRANSFER_ENCODING, header::UPGRADE];

fn without_hop(fields: &mut HeaderMap) {
    let listed: Vec<_> = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok()).collect();
    let listed = listed.join(",");
    let listed = listed.split(',').filter_map(|name| name.trim().parse::<HeaderName>().ok());
    for name in HOP.into_iter().chain([HeaderName::from_static("keep-alive")]).chain(listed) {
        fields.remove(name);
    }
}

/// Sends one request upstream. An upstream that cannot be reached is the proxy's own answer.
async fn forward(client: Upstream, upstream: Authority, mut request: Request<Body>) -> Response<Body> {
    let target = request.uri().path_and_query().cloned().unwrap_or_else(|| "/".parse().expect("a path"));
    let uri = Uri::builder().scheme("http").authority(upstream).path_and_query(target).build();
    *request.uri_mut() = uri.expect("made of parts that are valid");
    *request.version_mut() = http::Version::HTTP_11;
    without_hop(request.headers_mut());
    // hyper would send a GET without its content, where that comes in chunks.
    if request.body().size_hint().exact().is_none() {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    match client.request(request).await {
        Ok(mut answer) => {
            without_hop(answer.headers_mut());
            answer.map(Body::new)
        }
        Err(error) => {
            let mut answer = Response::new(Body::from(format!("no answer from upstream: {error}\n")));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    }
}

fn proxy(upstream: Authority) -> Router {
    let client: Upstream = Client::builder(TokioExecutor::new()).build_http();
    let forward = service_fn(move |request| {
        let answer = forward(client.clone(), upstream.clone(), request);
        async { Ok::<_, Infallible>(answer.await) }
    });
    // The whole of it: equal requests that meet are one below this line.
    Router::new().fallback_service(forward).layer(HttpSingleflightLayer::new())
}

#[tokio::main]
async fn main() -> Result<(), Fault> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else { return show().await };
    let listener = TcpListener::bind(&listen).await.map_err(|error| format!("{listen}: {error}"))?;
    let upstream = upstream.parse().map_err(|error| format!("{upstream}: {error}"))?;
    Ok(axum::serve(listener, proxy(upstream)).await?)
}

/// Ten clients ask at the same time, through the proxy, for a page that takes a while.
async fn show() -> Result<(), Fault> {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let page = || async {
        sleep(Duration::from_millis(200)).await;
        format!("page {}", CALLS.fetch_add(1, SeqCst))
    };
    let (origin, listener) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
    let (upstream, address) = (origin.local_addr()?.to_string().parse()?, listener.local_addr()?);
    tokio::spawn(async move { axum::serve(origin, Router::new().route("/", get(page))).await });
    tokio::spawn(async move { axum::serve(listener, proxy(upstream)).await });
    let client: Upstream = Client::builder(TokioExecutor::new()).build_http();
    let ask = |_| client.get(format!("http://{address}/").parse().expect("a URI"));
    for answer in (0..10).map(ask).collect::<JoinSet<_>>().join_all().await {
        println!("{:?}", answer?.into_body().collect().await?.to_bytes());
    }
    assert_eq!(CALLS.load(SeqCst), 1, "one call of the upstream");
    Ok(())
}
