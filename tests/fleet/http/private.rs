//! What is somebody's own does not leave the process, not even encrypted.

use std::convert::Infallible;

use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_singleflight::{
    HttpSingleflightLayer,
    fleet::{Fleet, FleetReason, FleetRole, MemoryEngine},
    http::Coalesced,
};

use super::{answered, ask, fleet, local, node};
use crate::origin::{get_with, ok};

/// Asks once, and says what the fleet did.
async fn once(layer: HttpSingleflightLayer, headers: &[(&str, &str)]) -> (Option<FleetRole>, u64) {
    let engine = MemoryEngine::new();
    let mut node = node(&engine, layer);
    let task = ask(&mut node, get_with("/x", headers)).await;
    node.next().await.answer(ok(&[("cache-control", "public")], "rows"));
    let role = fleet(&answered(task).await);
    node.settle().await;
    (role, engine.commands())
}

const PRIVATE: (Option<FleetRole>, u64) = (Some(FleetRole::Local(FleetReason::Private)), 0);
const LED: (Option<FleetRole>, u64) = (Some(FleetRole::Led), 2);

#[tokio::test(start_paused = true)]
async fn a_key_of_an_api_is_never_in_the_engine_unless_it_is_named() {
    let new = HttpSingleflightLayer::new;
    for name in ["x-api-key", "x-tenant", "x-auth-token", "api-key"] {
        assert_eq!(once(new(), &[(name, "1")]).await, PRIVATE);
        assert_eq!(once(new().fleet_headers(["x-other"]), &[(name, "1")]).await, PRIVATE);
        assert_eq!(once(new().fleet_private(), &[(name, "1")]).await, PRIVATE);
        assert_eq!(once(new().fleet_headers([name]), &[(name, "1")]).await, LED);
    }
    let browsers = [("accept", "text/html"), ("accept-language", "en"), ("sec-fetch-mode", "navigate"), ("dnt", "1")];
    assert_eq!(once(new(), &browsers).await, LED);
}

#[tokio::test(start_paused = true)]
async fn s5_s6_s25_credentials_cookies_and_identities_stay() {
    let new = HttpSingleflightLayer::new;
    let authorization = [("authorization", "Bearer a")];
    let cookie = [("cookie", "sid=a")];
    assert_eq!(once(new().per_credential(), &authorization).await, PRIVATE);
    assert_eq!(once(new().per_credential(), &cookie).await, PRIVATE);
    assert_eq!(once(new().key_cookies(["sid"]), &cookie).await, PRIVATE);
    assert_eq!(once(new().share_authorized(), &authorization).await, PRIVATE);
    assert_eq!(once(new().per_credential().fleet_private(), &authorization).await, LED);
    assert_eq!(once(new().key_cookies(["sid"]).fleet_private(), &cookie).await, LED);
    assert_eq!(once(new().identity(|_| Some(7)).fleet_private(), &[]).await, PRIVATE);
    assert_eq!(once(new().key_fn(|_| Some("page")).fleet_private(), &[]).await, PRIVATE);
}

/// Without a group of the application's, nothing tells two services apart that do not show the URI they were asked for.
#[tokio::test(start_paused = true)]
async fn requests_that_do_not_show_what_was_asked_stay() {
    let engine = MemoryEngine::new();
    let fleet = Fleet::new(engine.clone(), [7; 32]);
    let layer = HttpSingleflightLayer::new().fleet(fleet, "pages");
    let page =
        service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(Full::<bytes::Bytes>::from("x"))) });
    let response = layer.layer(page).oneshot(Request::get("/x").body(String::new()).unwrap()).await.unwrap();
    let coalesced = response.extensions().get::<Coalesced>().unwrap();
    assert_eq!(coalesced.fleet, local(FleetReason::Private));
    assert_eq!(engine.commands(), 0);
}

/// Two services with equal keys and different names never meet; with one name by mistake they do, which is why there must be
/// one.
#[tokio::test(start_paused = true)]
async fn two_services_with_different_names_never_meet() {
    let engine = MemoryEngine::new();
    let one = HttpSingleflightLayer::new().fleet(Fleet::new(engine.clone(), [7; 32]), "orders");
    let mut orders = crate::origin::bench(one);
    let mut pages = node(&engine, HttpSingleflightLayer::new());
    let (first, second) = (ask(&mut orders, get_with("/7", &[])).await, ask(&mut pages, get_with("/7", &[])).await);
    orders.next().await.answer(ok(&[], "an order"));
    pages.next().await.answer(ok(&[], "a page"));
    assert_eq!(fleet(&answered(first).await), Some(FleetRole::Led));
    assert_eq!(fleet(&answered(second).await), Some(FleetRole::Led));
}
