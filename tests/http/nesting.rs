//! Services that ask through their own layer before they answer: nothing that they wait for waits for them.

use std::task::Poll;

use http::{Request, Response};
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_singleflight::{HttpSingleflightLayer, SharedBody, http::Heads};

use crate::origin::{Bench, Call, Fault, Held, OriginBody, RequestBody, bench, get_with, ok, text};

type Asked = Response<SharedBody<OriginBody>>;

/// Returns a service of the same group that asks the one below for this path, with its own plan, before it answers.
fn relay<S>(
    bench: &Bench<Heads, RequestBody>,
    path: &'static str,
    below: S,
) -> impl Service<Request<RequestBody>, Response = Asked, Error = Fault, Future: Send> + Clone + Send + 'static
where
    S: Service<Request<RequestBody>, Response = Asked, Error = Fault, Future: Send> + Clone + Send + 'static,
{
    bench.layer.layer(service_fn(move |request: Request<RequestBody>| {
        let below = below.clone();
        async move {
            let plan = request.headers()["referer"].to_str().expect("text");
            text(below.oneshot(get_with(path, &[("referer", plan)])).await?).await;
            Ok::<_, Fault>(ok(&[("cache-control", "private")], "x"))
        }
    }))
}

fn limited() -> Bench<Heads, RequestBody> {
    bench(HttpSingleflightLayer::new().release_limit(1))
}

fn plan(held: &Held<RequestBody>) -> &str {
    held.request.headers()["referer"].to_str().expect("text")
}

fn is_done<F: Future<Output = Result<Asked, Fault>>>(call: &mut Call<F>) -> bool {
    matches!(call.poll(), Poll::Ready(Ok(_)))
}

#[tokio::test]
async fn a_released_caller_needs_no_second_permit_for_what_it_asks_itself() {
    for said in [("cache-control", "private"), ("vary", "referer")] {
        let mut bench = limited();
        let mut outer = relay(&bench, "/inner", bench.service.clone());
        let mut leader = spawn(outer.call(get_with("/outer", &[("referer", "b")])));
        assert!(!is_done(&mut leader));
        let mut released = spawn(outer.call(get_with("/outer", &[("referer", "b")])));
        assert!(!is_done(&mut released));
        bench.next().await.answer(ok(&[], "x"));
        bench.settle().await;
        assert!(is_done(&mut leader));

        // What the released one asks follows the first of these, and the second may have what it may have.
        let mut first = bench.call(get_with("/inner", &[("referer", "a")]));
        let mut second = bench.call(get_with("/inner", &[("referer", "b")]));
        assert!(!is_done(&mut released));
        bench.next().await.answer(ok(&[said], "x"));
        bench.settle().await;
        assert!(is_done(&mut first));
        assert!(!is_done(&mut second));
        assert!(!is_done(&mut released));
        let own = bench.next().await;
        assert_eq!(plan(&own), "b");
        own.answer(ok(&[], "x"));
        bench.settle().await;
        assert!(is_done(&mut released), "{said:?}");
        assert!(!is_done(&mut second));
        bench.next().await.answer(ok(&[], "x"));
        assert!(is_done(&mut second));
    }
}

#[tokio::test]
async fn a_regrouped_call_that_would_wait_for_itself_waits_for_no_permit() {
    let mut bench = limited();
    let mut middle = relay(&bench, "/x", bench.service.clone());
    let mut outer = relay(&bench, "/middle", middle.clone());

    // `regrouped` leads the flight of its plan, with the only permit, and waits for `/middle`.
    let mut first = bench.call(get_with("/x", &[("referer", "a")]));
    let mut regrouped = spawn(outer.call(get_with("/x", &[("referer", "b")])));
    assert!(!is_done(&mut regrouped));
    bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    bench.settle().await;
    assert!(is_done(&mut first));
    let mut second = bench.call(get_with("/x", &[("referer", "a")]));
    assert!(!is_done(&mut regrouped));

    // `/middle`, in a task of its own since it has a second caller, is sent to that flight.
    let mut other = spawn(middle.call(get_with("/middle", &[("referer", "b")])));
    assert!(!is_done(&mut other));
    bench.next().await.answer(ok(&[("vary", "referer")], "x"));
    bench.settle().await;
    assert!(is_done(&mut second));
    bench.settle().await;
    let own = bench.next().await;
    assert_eq!(plan(&own), "b");
    own.answer(ok(&[], "x"));
    bench.settle().await;
    assert!(is_done(&mut regrouped));
}
