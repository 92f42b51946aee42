//! Answers that may not be shared, and what may be: D3, D5 to D8, D11.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::Full;
use tokio::time::sleep;
use tower_singleflight::{
    fleet::{FleetReason, FleetRole},
    http::Rule,
};

use super::{
    harness::{Traffic, equal, get, of_each, ok, request},
    play::Part,
    site::{Asked, Spread, Told},
};

fn plain() -> Told {
    Told::heads(|layer| layer)
}

/// The next burst does not wait for nothing, in any process, and the one after an answer that all may have shares again.
#[tokio::test(start_paused = true)]
async fn d3_what_is_nobody_elses_is_remembered_in_every_process() {
    for (spread, waited) in of_each(Spread::ALL, &plain(), async |site| {
        let mut waited = Vec::new();
        for round in 0..2 {
            let first = site.call(10 * round, get(&[])).await;
            let second = site.call(10 * round + 1, get(&[])).await;
            let mut held = site.all().await;
            // In the first round only the leader's is there.
            waited.push(held.len() == 1);
            while !(first.is_finished() && second.is_finished()) {
                held.drain(..).for_each(|asked| ok().field("cache-control", "private").give(asked));
                held.extend(site.all().await);
            }
        }
        // It is forgotten after ten seconds.
        sleep(Duration::from_secs(11)).await;
        let first = site.call(20, get(&[])).await;
        let second = site.call(21, get(&[])).await;
        ok().give(site.next().await);
        assert_eq!(first.await.unwrap().body(), "for 20");
        assert_eq!(second.await.unwrap().body(), "for 20");
        waited
    })
    .await
    {
        assert!(waited[0], "{spread:?}");
        // Callers of other numbers are in processes that know nothing yet, where each has its own.
        let remembers = !matches!(spread, Spread::Each | Spread::Looking);
        assert_eq!(waited[1], !remembers, "{spread:?}");
    }
}

/// T24.
#[tokio::test(start_paused = true)]
async fn d5_d6_answers_that_say_nothing_or_how_long_they_live_are_shared() {
    for said in
        [None, Some("max-age=0"), Some("s-maxage=0"), Some("public, max-age=60"), Some("must-revalidate"), Some("x=1")]
    {
        let reply = move |_: &Asked| said.into_iter().fold(ok(), |reply, said| reply.field("cache-control", said));
        assert_eq!(Traffic::of(equal(4)).answered(reply).as_in_one().await.calls, 1, "{said:?}");
    }
    let said = |_: &Asked| ok().field("cache-control", "no-cache, max-age=0");
    assert_eq!(Traffic::of(equal(4)).answered(said).as_in_one().await.calls, 4);
}

#[tokio::test(start_paused = true)]
async fn d6_a_plain_answer_is_shared() {
    assert_eq!(Traffic::of(equal(4)).as_in_one().await.calls, 1);
}

#[tokio::test(start_paused = true)]
async fn d7_requests_that_say_who_asks_go_alone_until_more_is_asked_for() {
    let who: [&[(&str, &str)]; 3] =
        [&[("authorization", "Basic a")], &[("proxy-authorization", "Basic a")], &[("cookie", "a=1")]];
    for fields in who {
        let play = Traffic::of(vec![get(fields); 3]).as_in_one().await;
        assert_eq!((play.calls, play.parts()), (3, vec![Part::Alone; 3]), "{fields:?}");
    }
}

/// Whatever they have asked for first.
#[tokio::test(start_paused = true)]
async fn d8_no_head_is_answered_from_a_get_in_another_process() {
    for methods in [["GET", "HEAD", "HEAD"], ["HEAD", "GET", "GET"]] {
        let play = Traffic::of(methods.map(|method| request(method, "http://site/", &[]))).as_in_one().await;
        assert_eq!(play.calls, 2);
        for (got, method) in play.got.iter().zip(methods) {
            assert_eq!(got.body().is_empty(), method == "HEAD");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn d11_the_content_decides_in_every_process() {
    let post = |content: &'static str| {
        let request = request("POST", "http://site/graphql", &[("content-type", "application/json")]);
        request.map(|_| Full::new(Bytes::from_static(content.as_bytes())))
    };
    let traffic = Traffic::of([post("query"), post("query"), post("mutation"), post("mutation"), post("query")]);
    let traffic = traffic.told_of_contents(|layer| {
        layer.methods([Method::POST]).content_if(|_, content| content.starts_with(b"query")).content_key(1_000)
    });
    let play = traffic.as_in_one().await;
    assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 0"]);
    assert_eq!(play.rules()[2..4], [Some(Rule::D11Content); 2]);
}

/// A local flight whose leader has waited in vain says so of all who are on it.
#[tokio::test(start_paused = true)]
async fn d3_released_callers_say_by_which_rule_in_one_process_and_in_many_that_they_waited_elsewhere() {
    let private = Traffic::of(equal(3)).answered(|_| ok().field("cache-control", "private"));
    let one = private.in_spread(Spread::One).await;
    assert_eq!(one.rules(), [Some(Rule::S8CacheControl); 3]);
    let two = private.in_spread(Spread::Two).await;
    assert_eq!(two.rules(), one.rules());
    assert_eq!(two.fleets()[1], Some(FleetRole::Local(FleetReason::NotShareable)));
    assert_eq!(two.parts(), [Part::Led, Part::Released, Part::Released]);
}
