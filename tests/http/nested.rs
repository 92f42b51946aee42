//! Below a nested router: what was asked for counts, not what the router made of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use axum::{Router, body::Body, extract::Path, http::Request, routing::get};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_singleflight::HttpSingleflightLayer;

#[tokio::test]
async fn s02_two_tenants_of_a_nested_router_never_share() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let items = move |Path(tenant): Path<String>| {
        counted.fetch_add(1, SeqCst);
        async move {
            tokio::task::yield_now().await;
            tenant
        }
    };
    // The layer is applied below, where all tenants ask for `/items`.
    let api = Router::new().route("/items", get(items)).layer(HttpSingleflightLayer::new());
    let app: Router = Router::new().nest("/{tenant}", api);
    let tenants = ["ann", "bob", "ann", "bob"];
    let calls = tenants.map(|tenant| {
        let request = Request::get(format!("/{tenant}/items")).header("host", "a").body(Body::empty()).unwrap();
        app.clone().oneshot(request)
    });
    for (tenant, answer) in tenants.into_iter().zip(join_all(calls).await) {
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), tenant);
    }
    assert_eq!(runs.load(SeqCst), 2);
}
