//! On an axum router, as one line.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, body::Body, http::Request, routing::get};
use futures_util::future::join_all;
use http::Method;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn, util::Either};
use tower_singleflight::HttpSingleflightLayer;

use crate::herd::{calls, plain};

/// A handler that counts its runs, and ends when so many callers are aboard.
fn counted(
    runs: Arc<AtomicUsize>,
) -> impl Fn() -> futures_util::future::BoxFuture<'static, String> + Clone + Send + Sync + 'static {
    move || {
        let number = runs.fetch_add(1, SeqCst);
        Box::pin(async move {
            for _ in 0..64 {
                tokio::task::yield_now().await;
            }
            number.to_string()
        })
    }
}

/// axum makes the routes of a router without state anew for each connection: they share flights all the same.
#[cfg(feature = "axum")]
#[tokio::test]
async fn connections_of_a_router_without_state_share_flights() {
    let layer = HttpSingleflightLayer::new();
    let group = layer.get_group().clone();
    share(|router| router.layer(layer.clone()), &group).await;
    // Above another layer too.
    let stack = tower::ServiceBuilder::new().layer(layer.clone()).layer(tower_http::trace::TraceLayer::new_for_http());
    share(|router| router.layer(stack), &group).await;
}

#[cfg(feature = "axum")]
async fn share(layered: impl FnOnce(Router) -> Router, group: &tower_singleflight::http::HttpGroup) {
    use http_body_util::BodyExt;
    use tokio::net::TcpListener;

    let runs = Arc::new(AtomicUsize::new(0));
    let (gate, opened) = tokio::sync::watch::channel(false);
    let counted = Arc::clone(&runs);
    let handler = move || {
        let mut opened = opened.clone();
        counted.fetch_add(1, SeqCst);
        async move {
            let _ = opened.wait_for(|open| *open).await;
            "rows"
        }
    };
    let app = layered(Router::new().route("/report/{id}", get(handler)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    let calls = (0..5).map(|_| tokio::spawn(crate::sockets::ask(address, http::Version::HTTP_11, "/report/7")));
    let calls: Vec<_> = calls.collect();
    let host = address.to_string();
    let key = HttpSingleflightLayer::new()
        .key(&crate::origin::get_with("/report/7", &[("host", &host)]).into_parts().0)
        .unwrap();
    let of_key = || group.callers(&key);
    let aboard = async {
        while of_key() < 5 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::sockets::TOO_LONG, aboard).await.expect("five callers of one flight");
    gate.send(true).unwrap();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes(), "rows");
    }
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test]
async fn routes_of_one_layer_do_not_share() {
    let (one, two) = (Arc::default(), Arc::default());
    let app: Router = Router::new()
        .route("/one", get(counted(Arc::clone(&one))))
        .route("/two", get(counted(Arc::clone(&two))))
        .layer(HttpSingleflightLayer::new());
    let calls =
        ["/one", "/two", "/one"].map(|path| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()));
    join_all(calls).await;
    // Each clone is as a connection of its own, which shares with others where the URI that was asked for is shown.
    let shared = if cfg!(feature = "axum") { 1 } else { 2 };
    assert_eq!((one.load(SeqCst), two.load(SeqCst)), (shared, 1));
}

/// Anything else gets a group for each call of `layer`: two clients may differ in what their requests do not show.
#[tokio::test]
async fn two_services_of_one_layer_do_not_share() {
    let (one, two) = (Arc::default(), Arc::default());
    let layer = HttpSingleflightLayer::new();
    let service = |runs: &Arc<AtomicUsize>| {
        let run = counted(Arc::clone(runs));
        layer.layer(service_fn(move |_: Request<Body>| {
            let run = run();
            async { Ok::<_, Infallible>(http::Response::new(Body::from(run.await))) }
        }))
    };
    let calls = [service(&one), service(&two)].map(|service| service.oneshot(Request::new(Body::empty())));
    join_all(calls).await;
    assert_eq!((one.load(SeqCst), two.load(SeqCst)), (1, 1));
}

/// A switch in a configuration: one type either way, with content in the key and without.
#[tokio::test]
async fn a_switch_in_a_configuration_type_checks() {
    for (on, expected) in [(true, 1), (false, 3)] {
        assert_eq!(calls(HttpSingleflightLayer::new().coalesce_if(move |_| on), plain(), &[]).await, expected);
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let rows = move || {
            counted.fetch_add(1, SeqCst);
            async {
                tokio::task::yield_now().await;
                "rows"
            }
        };
        let app = Router::new().route("/x", axum::routing::post(rows.clone()).get(rows));
        let layer = if on {
            Either::Left(HttpSingleflightLayer::new().methods([Method::POST]).content_key(64))
        } else {
            Either::Right(HttpSingleflightLayer::new())
        };
        let service = layer.layer(app);
        let post = || Request::post("/x").body(Body::from("q")).unwrap();
        for answer in join_all((0..3).map(|_| service.clone().oneshot(post()))).await {
            assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "rows");
        }
        assert_eq!(runs.load(SeqCst), expected);
    }
}
