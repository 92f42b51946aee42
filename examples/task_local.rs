//! A task-local that an outer layer sets: `scope` takes it along when the work moves to the flight's task.
//!
//! `cargo run --example task_local`

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
    extract::{Request, State},
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{net::TcpListener, time::sleep};
use tower_singleflight::HttpSingleflightLayer;

tokio::task_local! {
    /// The user who asks.
    static USER: String;
}

/// Finds the user, and makes it known to everything that handles the request.
async fn authenticate(request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    match token.and_then(|token| token.strip_prefix("Bearer ")).map(str::to_owned) {
        Some(user) => USER.scope(user, next.run(request)).await,
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn inbox(State(runs): State<Arc<AtomicU64>>) -> String {
    runs.fetch_add(1, Relaxed);
    // By now a second caller has joined, and the handler goes on in another task than it began in.
    sleep(Duration::from_millis(300)).await;
    format!("inbox of {}", USER.get())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runs = Arc::new(AtomicU64::new(0));
    let layer = HttpSingleflightLayer::new()
        // The user is a part of the key, since handlers answer by it.
        .per_credential()
        .identity(|_| USER.try_with(String::clone).ok())
        // Called in the leader's task. Without it the handler would panic when a second caller joins, and only then.
        .scope(|work| match USER.try_with(String::clone) {
            Ok(user) => Box::pin(USER.scope(user, work)),
            Err(_) => work,
        });
    let app = Router::new()
        .route("/inbox", get(inbox))
        .layer(layer)
        .layer(middleware::from_fn(authenticate))
        .with_state(Arc::clone(&runs));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });

    let users = ["ann", "bob", "ann", "bob", "ann", "bob"];
    let inboxes = try_join_all(users.map(|user| ask(address, user))).await?;
    assert_eq!(inboxes, users.map(|user| format!("inbox of {user}")));
    assert_eq!(runs.load(Relaxed), 2);
    println!("6 callers, 2 users, 2 runs, and everybody has their own inbox");
    Ok(())
}

/// Asks on a connection of its own.
async fn ask(address: SocketAddr, user: &str) -> Result<String, Box<dyn Error>> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let request = http::Request::get(format!("http://{address}/inbox"))
        .header("authorization", format!("Bearer {user}"))
        .body(Empty::new())?;
    let body = client.request(request).await?.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.into())?)
}
