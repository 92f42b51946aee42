//! Over a client: callers of one process share a request, and each reads the whole body.
//!
//! `cargo run --example hyper`

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tower::{ServiceBuilder, ServiceExt};
use tower_singleflight::{HttpSingleflightLayer, Role, SharedError, http::Coalesced};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let requests = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(origin(listener, Arc::clone(&requests)));

    // hyper's errors cannot be cloned: all callers share one.
    let client = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new())
        .map_err(SharedError::new)
        .service(Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>());

    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let client = client.clone();
        let request = Request::get(format!("http://{address}/exchange-rates")).body(Empty::new())?;
        callers.spawn(async move {
            let response = client.oneshot(request).await?;
            let role = response.extensions().get::<Coalesced>().map(|coalesced| coalesced.role);
            let body = response.into_body().collect().await.map_err(SharedError::new)?.to_bytes();
            Ok::<_, SharedError>((role, body))
        });
    }
    let mut leaders = 0;
    while let Some(answer) = callers.join_next().await {
        let (role, body) = answer??;
        assert_eq!(body, "1 EUR = 1.16 USD");
        leaders += u32::from(role == Some(Role::Leader));
    }
    assert_eq!((leaders, requests.load(Relaxed)), (1, 1));
    println!("50 callers, {leaders} leader, {} request to the origin", requests.load(Relaxed));

    // A dead origin: everybody gets the same error, which leads to hyper's own.
    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let request = Request::get(format!("http://{gone}/")).body(Empty::new())?;
    if let Err(error) = client.oneshot(request).await {
        let connect = error.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(|error| error.is_connect());
        println!("a dead origin: {error}, on connecting: {connect}");
    }
    Ok(())
}

/// Answers slowly, and counts.
async fn origin(listener: TcpListener, requests: Arc<AtomicU64>) -> std::io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let requests = Arc::clone(&requests);
        let answer = service_fn(move |_: Request<Incoming>| {
            requests.fetch_add(1, Relaxed);
            async {
                sleep(Duration::from_millis(100)).await;
                Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"1 EUR = 1.16 USD"))))
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}
