//! The generic layer on a router, with a key function of one's own: no rule of HTTP is kept, whoever has the same key has
//! the same response.
//!
//! `cargo run --example generic`

use std::{
    error::Error,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Path, Request, State},
    http::Method,
    routing::get,
};
use bytes::Bytes;
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tower::ServiceBuilder;
use tower_singleflight::{Group, SingleflightLayer, http::CloneBodyLayer};

/// All that an answer depends on: it tells the routes apart, and sends alone what must not be shared. The query is left
/// out, since no handler reads it.
fn key(request: &Request) -> Option<String> {
    (request.method() == Method::GET).then(|| request.uri().path().to_owned())
}

async fn report(State(runs): State<Arc<AtomicU64>>, Path(id): Path<u64>) -> String {
    runs.fetch_add(1, Relaxed);
    sleep(Duration::from_millis(300)).await;
    format!("report {id}")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runs = Arc::new(AtomicU64::new(0));
    // axum applies a layer once per route and connection: without a given group, every connection would have its own.
    let group = Group::new();
    let layers = ServiceBuilder::new()
        .layer(SingleflightLayer::new(key).group(group.clone()))
        // Makes the responses `Clone`: each caller reads the whole body.
        .layer(CloneBodyLayer::new());
    let app = Router::new().route("/reports/{id}", get(report)).with_state(Arc::clone(&runs)).layer(layers);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let bodies = try_join_all((0..8).map(|caller| get_report(address, format!("/reports/7?caller={caller}")))).await?;
    assert_eq!(bodies, ["report 7"; 8]);
    assert_eq!(runs.load(Relaxed), 1);
    assert!(group.is_empty());
    println!("8 connections, 1 run, and all read {:?}", bodies[0]);
    Ok(())
}

/// Asks on a connection of its own.
async fn get_report(address: SocketAddr, target: String) -> Result<Bytes, Box<dyn Error>> {
    let (mut client, connection) = http1::handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    tokio::spawn(connection);
    let request = hyper::Request::get(target).header("host", address.to_string()).body(Empty::<Bytes>::new())?;
    Ok(client.send_request(request).await?.into_body().collect().await?.to_bytes())
}
