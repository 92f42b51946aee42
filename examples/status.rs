//! The live page on a router, behind a login.
//!
//! `cargo run --example status --features status` sends a small herd, prints the page as text and exits; with
//! `-- 127.0.0.1:3000` it serves there, and sends herds until it is stopped. The login is `ann`, with the password
//! `secret`.

use std::{error::Error, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use tokio::{net::TcpListener, time::sleep};
use tower::ServiceExt;
use tower_singleflight::{HttpSingleflightLayer, http::StatusPage};

/// `ann:secret`.
const LOGIN: &str = "Basic YW5uOnNlY3JldA==";

fn app() -> Router {
    let page = StatusPage::new();
    let layer = HttpSingleflightLayer::new().observe(page.clone());
    // This one also says what is under way in the layer's group.
    let group = layer.get_group().clone();
    let page = page.group("reports", move || group.stats());

    // The page shows the names of routes and how busy they are: it is for operators.
    let admin = Router::new().nest_service("/singleflight", page).layer(middleware::from_fn(login));
    Router::new().route("/reports/{id}", get(report)).layer(layer).nest("/admin", admin)
}

async fn report(Path(id): Path<u32>) -> String {
    sleep(Duration::from_millis(200)).await;
    format!("report {id}\n")
}

/// Stands for the application's own login.
async fn login(headers: HeaderMap, request: Request, next: Next) -> Response {
    if headers.get(header::AUTHORIZATION).is_some_and(|login| login == LOGIN) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"operators\"")]).into_response()
}

/// Sends a hundred requests for ten reports, and one with a cookie, which goes alone.
async fn herd(app: &Router) {
    let request = |id| Request::get(format!("/reports/{id}")).header(header::HOST, "reports");
    let mut requests: Vec<_> = (0..100).map(|number| request(number % 10)).collect();
    requests.push(request(0).header(header::COOKIE, "session=7"));
    join_all(requests.into_iter().map(async |request| {
        let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        response.into_body().collect().await.unwrap();
    }))
    .await;
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = app();
    if let Some(address) = std::env::args().nth(1) {
        let listener = TcpListener::bind(&address).await.map_err(|error| format!("{address}: {error}"))?;
        println!("http://{}/admin/singleflight", listener.local_addr()?);
        let herds = app.clone();
        tokio::spawn(async move {
            loop {
                herd(&herds).await;
            }
        });
        axum::serve(listener, app).await?;
        return Ok(());
    }

    herd(&app).await;
    let plain = Request::get("/admin/singleflight/plain");
    let refused = app.clone().oneshot(Request::get("/admin/singleflight").body(Body::empty())?).await?;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let response = app.oneshot(plain.header(header::AUTHORIZATION, LOGIN).body(Body::empty())?).await?;
    let text = response.into_body().collect().await?.to_bytes();
    let text = std::str::from_utf8(&text)?;
    print!("{text}");
    assert!(text.contains("calls 101 led 10 followed 90 alone 1"));
    Ok(())
}
