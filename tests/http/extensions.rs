//! What lies in the extensions of a response.

use tower_singleflight::{HttpSingleflightLayer, Role};

use crate::origin::{bench, coalesced, get, ok, role};

#[derive(Clone)]
struct Session;
#[derive(Clone)]
struct Served;

#[tokio::test]
async fn s19_extensions_stay_with_the_leader_unless_they_are_listed() {
    let mut bench = bench(HttpSingleflightLayer::new().share_extension::<Served>());
    let calls = [bench.call(get("/x")), bench.call(get("/x")), bench.call(get("/x"))];
    let mut response = ok(&[], "x");
    response.extensions_mut().insert(Session);
    response.extensions_mut().insert(Served);
    bench.next().await.answer(response);
    for call in calls {
        let response = call.await.unwrap();
        let is_leader = role(&response) == Role::Leader;
        assert_eq!(response.extensions().get::<Session>().is_some(), is_leader);
        assert!(response.extensions().get::<Served>().is_some());
        assert_eq!(coalesced(&response).rule, None);
    }
}
