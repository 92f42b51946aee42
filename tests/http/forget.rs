//! Flights that are forgotten by hand.

use tower_singleflight::{HttpSingleflightLayer, http::HttpKey};

use crate::{
    origin::{Plain, bench, get, ok, text},
    writes::get_old_and_new,
};

#[tokio::test]
async fn a_forgotten_flight_is_joined_no_more_and_still_serves_its_callers() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = bench.call(get("/x"));
    let reading = bench.next().await;
    let key = bench.layer.key(&get("/x").into_parts().0).unwrap();
    assert!(bench.group.forget(&key));
    assert!(!bench.group.forget(&key));
    let after = bench.call(get("/x"));
    get_old_and_new(&mut bench, reading, [before, after]).await;
}

#[tokio::test]
async fn flights_that_a_predicate_picks_are_forgotten_and_no_others() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new());
    let before = [bench.call(get("/x")), bench.call(get("/y"))];
    let path = |known: &HttpKey| known.path() == Some("/x") && known.method() == "GET" && known.authority().is_none();
    assert_eq!(bench.group.forget_where(path), 1);
    assert_eq!(bench.group.forget_where(path), 0);
    let after = [bench.call(get("/x")), bench.call(get("/y"))];
    assert_eq!(bench.count().await, 3);
    for body in ["old", "y", "new"] {
        bench.next().await.answer(ok(&[], body));
    }
    for (call, body) in before.into_iter().chain(after).zip(["old", "y", "new", "y"]) {
        assert_eq!(text(call.await.unwrap()).await, body);
    }
    assert!(bench.group.is_empty());
}
