//! What untrusted input cannot grow, and what readiness costs.

use tower::{Layer, Service, limit::ConcurrencyLimit, service_fn};
use tower_singleflight::{
    HttpSingleflightLayer, Limits, Reason, Role,
    http::{HttpGroup, Rule},
};

use crate::origin::{OriginBody, RequestBody, bench, bench_in, coalesced, get, ok, role};

#[tokio::test]
async fn t55_s26_callers_above_a_limit_go_alone() {
    let limits = Limits::new().max_followers(10);
    let mut bench = bench_in(HttpSingleflightLayer::new(), HttpGroup::with_limits(limits));
    let calls: Vec<_> = (0..13).map(|_| bench.call(get("/x"))).collect();
    assert_eq!(bench.count().await, 3);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[], "x"));
    }
    let mut alone = 0;
    for call in calls {
        alone += usize::from(role(&call.await.unwrap()) == Role::Alone(Reason::Full));
    }
    assert_eq!(alone, 2);
}

#[tokio::test]
async fn t55_a_flight_too_many_goes_alone() {
    let limits = Limits::new().max_flights(1);
    let mut bench = bench_in(HttpSingleflightLayer::new(), HttpGroup::with_limits(limits));
    let calls = [bench.call(get("/x")), bench.call(get("/y")), bench.call(get("/x"))];
    for _ in 0..2 {
        bench.next().await.answer(ok(&[], "x"));
    }
    let mut roles = Vec::new();
    for call in calls {
        roles.push(role(&call.await.unwrap()));
    }
    assert_eq!(roles, [Role::Leader, Role::Alone(Reason::Full), Role::Follower]);
}

#[tokio::test]
async fn t55_a_key_too_long_goes_alone() {
    let mut bench = bench(HttpSingleflightLayer::new().max_key_bytes(256));
    let long = format!("/{}", "x".repeat(300));
    let calls = [bench.call(get(&long)), bench.call(get(&long)), bench.call(get("/x")), bench.call(get("/x"))];
    assert_eq!(bench.count().await, 3);
    for _ in 0..3 {
        bench.next().await.answer(ok(&[], "x"));
    }
    let mut rules = Vec::new();
    for call in calls {
        rules.push(coalesced(&call.await.unwrap()).rule);
    }
    assert_eq!(rules, [Some(Rule::S26KeyLength), Some(Rule::S26KeyLength), None, None]);
    assert!(bench.group.is_empty());
}

#[tokio::test]
async fn t56_one_permit_below_serves_fifty_requests_in_one_call() {
    let calls = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = calls.clone();
    let inner = ConcurrencyLimit::new(
        service_fn(move |_: http::Request<RequestBody>| {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async {
                tokio::task::yield_now().await;
                Ok::<_, std::convert::Infallible>(http::Response::new(OriginBody::full("x")))
            }
        }),
        1,
    );
    let mut service = HttpSingleflightLayer::new().layer(inner);
    let responses = futures_util::future::join_all((0..50).map(|_| service.call(get("/x")))).await;
    assert_eq!(responses.len(), 50);
    assert_eq!(calls.load(std::sync::atomic::Ordering::SeqCst), 1);
}
