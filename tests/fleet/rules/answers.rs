//! Which answers may be shared: S7 to S10, S20, S28, S29.

use tower_singleflight::{
    fleet::{FleetReason, FleetRole},
    http::Rule,
};

use super::{
    harness::{Reply, Traffic, equal, fault, get, ok, status},
    play::Part,
    site::{Sent, Spread},
};

/// Asserts that each of five callers has its own answer, in whichever processes they are; returns the rules that are named in one.
async fn nobody_shares(reply: impl Fn() -> Reply + 'static, what: &str) -> Vec<Option<Rule>> {
    let play = Traffic::of(equal(5)).answered(move |_| reply()).as_in_one().await;
    assert_eq!(play.calls, 5, "{what}");
    assert_eq!(play.bodies(), ["for 0", "for 1", "for 2", "for 3", "for 4"], "{what}");
    play.rules()
}

/// T22: every field that hands out what is somebody's own.
#[tokio::test(start_paused = true)]
async fn s7_what_is_handed_out_to_one_caller_reaches_nobody_else() {
    let names = [
        "set-cookie",
        "set-cookie2",
        "mcp-session-id",
        "x-csrf-token",
        "x-xsrf-token",
        "csrf-token",
        "x-auth-token",
        "x-session-token",
        "x-session-id",
        "replay-nonce",
        "dpop-nonce",
        "authentication-info",
        "proxy-authentication-info",
        "authorization",
        "access-token",
        "x-access-token",
        "refresh-token",
        "x-refresh-token",
        "secure-session-challenge",
        "secure-session-registration",
        "sec-session-challenge",
        "sec-session-registration",
    ];
    for name in names {
        // Each caller's own, which it gets.
        let mine = Traffic::of(equal(4)).answered(move |asked| ok().field(name, format!("s={}", asked.whose())));
        let play = mine.as_in_one().await;
        assert_eq!(play.calls, 4, "{name}");
        for (caller, got) in play.got.iter().enumerate() {
            assert_eq!(got.field(name), Some(&*format!("s={caller}")), "{name}");
        }
        // An answer of any status, and one whose trailers bring it.
        for code in [404, 403, 429, 500, 503] {
            nobody_shares(move || status(code).field(name, "s=1"), name).await;
        }
        nobody_shares(move || ok().field("trailer", name).trailer(name, "s=1"), name).await;
    }
    assert_eq!(
        nobody_shares(|| ok().field("set-cookie", "a=1").field("set-cookie", "b=2"), "two").await[1],
        Some(Rule::S7Personal)
    );
}

#[tokio::test(start_paused = true)]
async fn s7_what_the_application_adds_reaches_nobody_else_and_what_it_strips_is_not_sent() {
    let kept = Traffic::of(equal(4)).told(|layer| layer.keep_header("x-basket".parse().unwrap()));
    assert_eq!(kept.answered(|_| ok().field("x-basket", "1")).as_in_one().await.calls, 4);
    let stripped = Traffic::of(equal(4)).told(|layer| layer.strip_set_cookie());
    let play = stripped.answered(|asked| ok().field("set-cookie", format!("s={}", asked.whose()))).as_in_one().await;
    assert_eq!(play.calls, 1);
    assert_eq!(play.got.iter().map(|got| got.field("set-cookie")).collect::<Vec<_>>(), [Some("s=0"), None, None, None]);
}

/// T23.
#[tokio::test(start_paused = true)]
async fn s8_what_says_that_it_is_for_one_reaches_nobody_else() {
    let cases: [&[(&str, &str)]; 17] = [
        &[("cache-control", "private")],
        &[("cache-control", "no-store")],
        &[("cache-control", "no-cache")],
        &[("cache-control", "NO-STORE")],
        &[("cache-control", "Private")],
        &[("cache-control", "private=\"x-a\"")],
        &[("cache-control", "no-cache=\"set-cookie\"")],
        &[("cache-control", "max-age=60"), ("cache-control", "private")],
        &[("cache-control", "public, max-age=60, no-store")],
        &[("cache-control", "max-age=60, a=\"")],
        &[("cdn-cache-control", "private")],
        &[("cdn-cache-control", "no-store")],
        &[("surrogate-control", "no-store")],
        &[("cloudflare-cdn-cache-control", "no-cache")],
        &[("cache-control", "public"), ("cdn-cache-control", "private")],
        &[("cache-control", "\tprivate ,")],
        &[("cache-control", "max-age=60,,private")],
    ];
    for fields in cases {
        let reply = move || fields.iter().fold(ok(), |reply, (name, value)| reply.field(name, *value));
        let rules = nobody_shares(reply, &format!("{fields:?}")).await;
        assert!(rules[1..].contains(&Some(Rule::S8CacheControl)), "{fields:?} {rules:?}");
    }
}

/// T25: who agrees with the leader has its answer, and those of one process who agree with each other share the next.
#[tokio::test(start_paused = true)]
async fn s9_vary_is_obeyed_in_every_process() {
    let from = |referer: &str| get(&[("referer", referer)]);
    let requests = || [from("a"), from("a"), from("b"), from("b"), get(&[]), from("a")];
    let traffic = Traffic::of(requests()).answered(|_| ok().field("vary", "Referer"));
    let [one, two, each] = traffic.calls().await;
    // The two of b do not meet each other if they are in two processes: what is asked again is asked there.
    assert_eq!([one, two, each], [3, 3, 4]);
    for spread in Spread::ALL {
        let play = traffic.in_spread(spread).await;
        for (got, request) in play.got.iter().zip(requests()) {
            let whose: usize = got.body().strip_prefix("for ").unwrap().parse().unwrap();
            assert_eq!(requests()[whose].headers().get("referer"), request.headers().get("referer"), "{spread:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s9_what_cannot_be_compared_reaches_nobody_else() {
    let many = (0..65).map(|number| format!("x-{number}")).collect::<Vec<_>>().join(",");
    for vary in ["*", "accept, *", "*, accept", "a b", "(", "x-\u{7f}"] {
        let Ok(_) = http::HeaderValue::from_str(vary) else { continue };
        let rules = nobody_shares(move || ok().field("vary", vary), vary).await;
        assert_eq!(rules[1], Some(Rule::S9Vary), "{vary}");
    }
    nobody_shares(|| ok().field("vary", "accept").field("vary", "*"), "two lines").await;
    nobody_shares(move || ok().field("vary", many.clone()), "many").await;
}

/// Whatever field is named, in whatever lines it comes: who shares in one process does so in many, and nobody else.
#[tokio::test(start_paused = true)]
async fn s9_requests_agree_in_any_field_across_processes_as_they_do_in_one() {
    let lines: [&[&str]; 7] = [&[], &[""], &["a"], &["b"], &["a", "b"], &["b", "a"], &["a, b"]];
    for name in ["user-agent", "referer", "x-forwarded-for", "via", "host", "x-nothing", "accept"] {
        for leaders in lines {
            for others in lines {
                let of = |values: &[&str]| {
                    let fields: Vec<_> = values.iter().map(|value| (name, *value)).collect();
                    super::harness::request("GET", "/rows", &fields)
                };
                let traffic = Traffic::of([of(leaders), of(others)]).answered(move |_| ok().field("vary", name));
                let [one, two] = [traffic.in_spread(Spread::One).await, traffic.in_spread(Spread::Two).await];
                let unknown = name == "x-nothing" && leaders == others && !leaders.is_empty();
                let expected = if unknown { (2, vec!["for 0", "for 1"]) } else { (one.calls, one.bodies()) };
                assert_eq!((two.calls, two.bodies()), expected, "{name}: {leaders:?} and {others:?}");
            }
        }
    }
}

/// T28: every status, with a lifetime and without.
#[tokio::test(start_paused = true)]
async fn s10_a_status_is_shared_in_all_processes_or_in_none() {
    for code in (200..=599).step_by(1) {
        for lifetime in [None, Some("max-age=60"), Some("public")] {
            let reply =
                move || lifetime.into_iter().fold(status(code), |reply, said| reply.field("cache-control", said));
            let traffic = Traffic::of(equal(3)).answered(move |_| reply());
            let [one, two] = [traffic.in_spread(Spread::One).await, traffic.in_spread(Spread::Two).await];
            assert_eq!(two.outcome(), one.outcome(), "{code} {lifetime:?}");
            let shared = match code {
                206 | 226 | 304 | 401 | 403 | 407 | 408 | 421 | 425 | 426 | 429 | 431 | 505 | 508 | 511 => false,
                200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 500..=599 => true,
                _ => lifetime.is_some(),
            };
            // The others ask once more (D9).
            let asked_again = matches!(code, 400 | 411..=417 | 428);
            let calls = if !shared {
                3
            } else if asked_again {
                2
            } else {
                1
            };
            assert_eq!(one.calls, if code == 511 { one.calls } else { calls }, "{code} {lifetime:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s10_a_part_of_something_reaches_nobody_else() {
    for (name, value) in [("content-range", "bytes 0-1/4"), ("content-type", "multipart/byteranges; boundary=a")] {
        let rules = nobody_shares(move || ok().field(name, value), name).await;
        assert_eq!(rules[1], Some(Rule::S10Status));
    }
    for code in [100, 101, 103] {
        nobody_shares(move || status(code), "interim").await;
    }
}

/// The origin is in the key, unless the application takes it out.
#[tokio::test(start_paused = true)]
async fn s20_an_answer_for_one_origin_reaches_those_of_that_origin() {
    let of = |origin: &str| get(&[("origin", origin)]);
    let requests = || [of("https://one"), of("https://one"), of("https://two"), get(&[])];
    let allowed = |said: &'static str| {
        let traffic = Traffic::of(requests()).told(|layer| layer.ignore_headers(["origin"]));
        traffic.answered(move |asked| {
            let own = asked.head.headers.get("origin").map_or("null", |origin| origin.to_str().unwrap());
            ok().field("access-control-allow-origin", if said == "own" { own } else { said })
        })
    };
    let play = allowed("own").as_in_one().await;
    assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 3"]);
    assert_eq!(allowed("*").as_in_one().await.calls, 1);
    assert_eq!(Traffic::of(requests()).as_in_one().await.calls, 3);
}

fn of_time(time: Option<&str>) -> Sent {
    get(&time.map(|time| ("request-timeout", time)).into_iter().collect::<Vec<_>>())
}

/// They ask by themselves, since they have waited for as long as the leader; those of one process share the call that its leader
/// makes then.
#[tokio::test(start_paused = true)]
async fn s28_what_may_be_due_to_the_leaders_deadline_reaches_nobody_else() {
    for code in [None, Some(408), Some(499), Some(504)] {
        let late = move |asked: &super::site::Asked| match code {
            _ if asked.whose() > 0 => ok(),
            Some(code) => status(code),
            None => fault(),
        };
        let traffic = Traffic::of([of_time(Some("1")), of_time(None), of_time(None)]).answered(late);
        for spread in Spread::ALL {
            let play = traffic.in_spread(spread).await;
            assert_eq!(play.got[0].seen.status, code);
            assert!(
                play.got[1..].iter().all(|got| got.seen.status == Some(200)),
                "{spread:?} {code:?} {:?}",
                play.bodies()
            );
        }
        // A request that timed out is tried again by one for all (D9).
        assert_eq!(traffic.calls().await, if code == Some(408) { [2; 3] } else { [3, 2, 3] }, "{code:?}");
    }
}

/// The deadline of one who waits says nothing of an answer to another's request.
#[tokio::test(start_paused = true)]
async fn s28_a_failure_that_is_nobodys_deadline_is_shared_with_those_who_have_one() {
    for code in [499, 504] {
        let reply = move |_: &_| status(code).field("cache-control", "public");
        let play = Traffic::of([of_time(None), of_time(Some("1")), of_time(None)]).answered(reply).as_in_one().await;
        assert_eq!((play.calls, play.bodies()), (1, vec!["for 0"; 3]), "{code}");
    }
    // Nor is it remembered of a failing origin that its answers are for nobody.
    let traffic = Traffic::of([of_time(None), of_time(Some("1"))]).answered(|_| status(504));
    let twice = super::harness::as_in_one(&traffic.told, async |site| {
        let mut calls = Vec::new();
        for round in 0..2 {
            let first = site.call(2 * round, of_time(None)).await;
            let second = site.call(2 * round + 1, of_time(Some("1"))).await;
            for asked in site.all().await {
                status(504).give(asked);
            }
            calls.push((first.await.unwrap().seen, second.await.unwrap().seen));
        }
        (site.calls, calls)
    });
    assert_eq!(twice.await.0, 2);
}

/// Those elsewhere would have to wait for the end of what has none.
#[tokio::test(start_paused = true)]
async fn s29_event_streams_reach_the_callers_of_one_process() {
    let stream = || ok().field("content-type", "text/event-stream");
    let rules = nobody_shares(stream, "for its client").await;
    assert_eq!(rules[1], Some(Rule::S29EventStream));
    for said in ["public", "max-age=1", "s-maxage=1"] {
        let traffic = Traffic::of(equal(4)).answered(move |_| stream().field("cache-control", said));
        let calls = traffic.calls().await;
        assert_eq!(calls, [1, 2, 4], "{said}");
        let play = traffic.in_spread(Spread::Two).await;
        assert_eq!(play.fleets()[1], Some(FleetRole::Local(FleetReason::TooLarge)));
        assert_eq!(play.parts(), [Part::Led, Part::Released, Part::Followed, Part::Followed]);
    }
    let all = Traffic::of(equal(4)).told(|layer| layer.share_event_streams()).answered(move |_| stream());
    assert_eq!(all.calls().await, [1, 2, 4]);
    for said in ["max-age=0", "no-store"] {
        nobody_shares(move || stream().field("cache-control", said), said).await;
    }
}
