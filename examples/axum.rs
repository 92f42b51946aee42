//! On a router: where the layer belongs, and what it is told on each route.
//!
//! `cargo run --example axum` sends a small herd to each route and exits; with `-- 127.0.0.1:3000` it serves there.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{future::join_all, stream};
use http_body_util::BodyExt;
use tokio::{net::TcpListener, time::sleep};
use tower::{Service, ServiceExt};
use tower_singleflight::HttpSingleflightLayer;

/// How many handlers have run.
type Runs = Arc<AtomicU64>;

/// Who asks, as the auth layer found out.
#[derive(Clone, PartialEq, Eq, Hash)]
struct User(String);

fn app(runs: Runs) -> Router {
    // Anyone's: one line.
    let reports = Router::new().route("/reports/{id}", get(report)).layer(HttpSingleflightLayer::new());

    // Never shared: without the layer.
    let live = Router::new().route("/live/{id}", get(report));

    // Each user's own: one user's duplicates share a run, two users' never do.
    let inbox = Router::new().route("/inbox", get(inbox)).layer(HttpSingleflightLayer::new().per_credential());

    // The same by what the auth layer, which runs first, put into the extensions.
    let account = Router::new()
        .route("/account", get(account))
        .layer(HttpSingleflightLayer::new().per_credential().identity(|parts| parts.extensions.get::<User>().cloned()))
        .layer(middleware::from_fn(authenticate));

    // Streamed to all who wait, frame by frame.
    let ticks = Router::new().route("/ticks", get(ticks)).layer(HttpSingleflightLayer::new());

    Router::new().merge(reports).merge(live).merge(inbox).merge(account).merge(ticks).with_state(runs)
}

/// Runs the heavy query.
async fn query(runs: &Runs) -> u64 {
    sleep(Duration::from_millis(300)).await;
    runs.fetch_add(1, Relaxed) + 1
}

async fn report(State(runs): State<Runs>, Path(id): Path<u64>) -> String {
    format!("report {id}, run {}\n", query(&runs).await)
}

async fn inbox(State(runs): State<Runs>, request: Request) -> String {
    let whose = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("nobody");
    format!("inbox of {whose}, run {}\n", query(&runs).await)
}

async fn account(State(runs): State<Runs>, Extension(User(name)): Extension<User>) -> String {
    format!("account of {name}, run {}\n", query(&runs).await)
}

async fn ticks(State(runs): State<Runs>) -> Body {
    let run = query(&runs).await;
    Body::from_stream(stream::unfold(0, move |tick| async move {
        sleep(Duration::from_millis(10)).await;
        let line = Bytes::from(format!("tick {tick}, run {run}\n"));
        (tick < 3).then_some((Ok::<_, std::convert::Infallible>(line), tick + 1))
    }))
}

/// Stands for any auth layer: finds the user, or refuses.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(name) = token.and_then(|token| token.strip_prefix("Bearer ")).map(str::to_owned) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    request.extensions_mut().insert(User(name));
    next.run(request).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let runs = Runs::default();
    let app = app(Arc::clone(&runs));
    if let Some(address) = std::env::args().nth(1) {
        let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
        println!("http://{}/reports/7", listener.local_addr()?);
        return Ok(axum::serve(listener, app).await?);
    }
    for (route, expected, users) in [
        ("/reports/7", 1, &[None; 20][..]),
        ("/live/7", 20, &[None; 20]),
        ("/inbox", 2, &[Some("Bearer ann"), Some("Bearer bob"), Some("Bearer ann"), Some("Bearer bob")]),
        ("/account", 2, &[Some("Bearer ann"), Some("Bearer bob"), Some("Bearer ann"), None]),
        ("/ticks", 1, &[None; 20]),
    ] {
        let before = runs.load(Relaxed);
        let calls = users.iter().map(|user| call(app.clone(), route, *user));
        let answers: Result<Vec<_>, _> = join_all(calls).await.into_iter().collect();
        let made = runs.load(Relaxed) - before;
        println!("{route}: callers {}, runs {made}", answers?.len());
        assert_eq!(made, expected, "{route}");
    }
    Ok(())
}

async fn call(mut app: Router, route: &str, user: Option<&str>) -> Result<Bytes, Box<dyn Error>> {
    let mut request = Request::get(route);
    if let Some(user) = user {
        request = request.header(header::AUTHORIZATION, user);
    }
    let response = <Router as ServiceExt<Request>>::ready(&mut app).await?.call(request.body(Body::empty())?).await?;
    Ok(response.into_body().collect().await?.to_bytes())
}
