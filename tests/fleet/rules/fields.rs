//! What a key holds, and what of it leaves the process: S5, S6, S25 to S27.

use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    fleet::{FleetReason, FleetRole},
    http::Rule,
};

use super::{
    harness::{Traffic, equal, get, of_each, ok},
    play::Part,
    site::{Sent, Spread},
};

const PRIVATE: Option<FleetRole> = Some(FleetRole::Local(FleetReason::Private));

type Told = fn(HttpSingleflightLayer) -> HttpSingleflightLayer;

/// Asserts that nothing is asked of the engine, however the requests are spread.
async fn nothing_leaves(traffic: &Traffic) {
    for (spread, commands) in of_each(Spread::ACROSS, &traffic.told, async |site| {
        let play = traffic.play_in(site).await;
        assert!(play.fleets().iter().all(|fleet| fleet.is_none() || *fleet == PRIVATE), "{:?}", play.fleets());
        site.engine.commands()
    })
    .await
    {
        assert_eq!(commands, 0, "{spread:?}");
    }
}

/// T13.
#[tokio::test(start_paused = true)]
async fn s5_credentials_go_alone_or_stay_in_their_process_unless_they_may_leave_it() {
    for name in ["authorization", "proxy-authorization"] {
        let of = |who: &str| get(&[(name, who)]);
        let requests =
            || [of("Basic ann"), of("Basic ann"), of("Basic bob"), get(&[]), of("Basic ann"), of("Basic bob")];
        let play = Traffic::of(requests()).as_in_one().await;
        assert_eq!((play.calls, play.rules()[1]), (6, Some(Rule::S5Authorization)), "{name}");
        let keyed = Traffic::of(requests()).told(|layer| layer.per_credential());
        assert_eq!(keyed.calls().await, [3, 4, 6], "{name}");
        let with_some = Traffic::of([of("Basic ann"), of("Basic ann"), of("Basic bob")]);
        nothing_leaves(&with_some.told(|layer| layer.per_credential())).await;
        let private = Traffic::of(requests()).told(|layer| layer.per_credential().fleet_private()).as_in_one().await;
        assert_eq!(private.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 0", "for 2"], "{name}");
    }
}

/// The answer says whether those without credentials, or with other ones, may have it.
#[tokio::test(start_paused = true)]
async fn s5_where_the_answer_decides_it_does_so_in_every_process() {
    let of = |who: &[&str]| -> Sent { get(&who.iter().map(|who| ("authorization", *who)).collect::<Vec<_>>()) };
    let answers = ["public", "s-maxage=60", "must-revalidate, max-age=60", "max-age=60", ""];
    for (said, is_for_all) in answers.into_iter().zip([true, true, true, false, false]) {
        for requests in [
            [of(&["Basic ann"]), of(&[]), of(&["Basic bob"])],
            [of(&[]), of(&["Basic ann"]), of(&["Basic ann"])],
            [of(&["Basic ann"]), of(&["Basic ann"]), of(&["Basic ann"])],
        ] {
            let answered = move |_: &_| if said.is_empty() { ok() } else { ok().field("cache-control", said) };
            let traffic = Traffic::of(requests.clone()).answered(answered);
            let private = traffic.told(|layer| layer.share_authorized().fleet_private());
            for spread in Spread::ALL {
                let play = private.in_spread(spread).await;
                let others = play.parts().iter().filter(|part| **part == Part::Followed).count();
                if is_for_all {
                    assert_eq!(others, 2, "{spread:?} {said}: {:?}", play.bodies());
                }
                // Those with other credentials never have it, nor those with none.
                for (got, request) in play.got.iter().zip(&requests) {
                    let whose: usize = got.body().strip_prefix("for ").unwrap().parse().unwrap();
                    let same = requests[whose].headers().get("authorization") == request.headers().get("authorization");
                    assert!(is_for_all || same, "{spread:?} {said}: {:?}", play.bodies());
                }
            }
            nothing_leaves_with_credentials(&requests, answered).await;
        }
    }
}

async fn nothing_leaves_with_credentials(
    requests: &[Sent; 3],
    answered: impl Fn(&super::site::Asked) -> super::harness::Reply + 'static,
) {
    let traffic = Traffic::of(requests.clone()).answered(answered).told(|layer| layer.share_authorized());
    // Each leads a flight of its own.
    for spread in [Spread::Each, Spread::Looking] {
        let play = traffic.in_spread(spread).await;
        for (fleet, request) in play.fleets().iter().zip(requests) {
            assert_eq!(*fleet == PRIVATE, request.headers().contains_key("authorization"), "{spread:?} {fleet:?}");
        }
    }
}

/// T14.
#[tokio::test(start_paused = true)]
async fn s6_cookies_go_alone_or_stay_in_their_process_unless_they_may_leave_it() {
    let of = |cookie: &str| get(&[("cookie", cookie)]);
    let requests = || [of("sid=a"), of("sid=a"), of("sid=b"), get(&[]), of("sid=a")];
    let play = Traffic::of(requests()).as_in_one().await;
    assert_eq!((play.calls, play.rules()[1]), (5, Some(Rule::S6Cookie)));
    let keyed: [(Told, Told); 2] = [
        (|layer| layer.per_credential(), |layer| layer.per_credential().fleet_private()),
        (|layer| layer.key_cookies(["sid"]), |layer| layer.key_cookies(["sid"]).fleet_private()),
    ];
    for (keyed, private) in keyed {
        assert_eq!(Traffic::of(requests()).told(keyed).calls().await, [3, 4, 5]);
        nothing_leaves(&Traffic::of([of("sid=a"), of("sid=a"), of("sid=b")]).told(keyed)).await;
        let play = Traffic::of(requests()).told(private).as_in_one().await;
        assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 0"]);
    }
}

/// Cookies that do not count are in no key, and keep nobody in a process.
#[tokio::test(start_paused = true)]
async fn s6_cookies_that_are_overlooked_keep_nobody_apart() {
    let of = |cookie: &str| get(&[("cookie", cookie)]);
    let all = Traffic::of([of("_ga=1"), of("_ga=2"), get(&[])]).told(|layer| layer.ignore_cookies()).as_in_one().await;
    assert_eq!(all.calls, 1);
    let named = Traffic::of([of("_ga=1"), of("_ga=2"), get(&[]), of("_ga=1; sid=a"), of("sid=a")]);
    let play = named.told(|layer| layer.ignore_cookies_named(["_ga"])).as_in_one().await;
    assert_eq!(play.bodies(), ["for 0", "for 0", "for 0", "for 3", "for 4"]);
}

#[tokio::test(start_paused = true)]
async fn s25_who_asks_never_leaves_the_process() {
    let of = |who: u32| {
        let mut request = get(&[]);
        request.extensions_mut().insert(who);
        request
    };
    let told: [Told; 2] = [
        |layer| layer.identity(|parts| parts.extensions.get::<u32>().copied()),
        |layer| layer.identity(|parts| parts.extensions.get::<u32>().copied()).fleet_private(),
    ];
    for told in told {
        let traffic = Traffic::of([of(1), of(1), of(2), of(1)]).told(told);
        assert_eq!(traffic.calls().await, [2, 3, 4]);
        nothing_leaves(&traffic).await;
    }
}

/// T55: what clients send makes the state of no process, and not that of the engine, grow.
#[tokio::test(start_paused = true)]
async fn s26_above_a_bound_requests_go_alone_in_every_process() {
    let long = || get(&[("accept", &"a".repeat(200))]);
    let play =
        Traffic::of([long(), long(), get(&[]), get(&[])]).told(|layer| layer.max_key_bytes(200)).as_in_one().await;
    assert_eq!((play.calls, play.rules()[1]), (3, Some(Rule::S26KeyLength)));
    let mut few = Limits::new();
    few.max_followers = 2;
    // Each process has followers of its own: of the second, the first of these is the leader.
    assert_eq!(Traffic::of(equal(6)).limits(few).calls().await, [4, 3, 1]);
    let mut one = Limits::new();
    one.max_flights = 1;
    let other = || super::harness::request("GET", "http://site/other", &[]);
    let play = Traffic::of([get(&[]), other(), get(&[])]).limits(one);
    assert_eq!(play.calls().await, [2, 3, 2]);
}

/// Every field but those of the list counts, and none that could be somebody's own is in the engine unless it is named.
#[tokio::test(start_paused = true)]
async fn s27_unknown_fields_keep_requests_apart_and_in_their_process() {
    for name in
        ["x-api-key", "x-tenant", "x-user", "api-key", "x-forwarded-user", "tenant", "idempotency-key", "x-1", "from"]
    {
        let of = |value: &str| get(&[(name, value)]);
        let requests = || [of("a"), of("a"), of("b"), get(&[]), of("a"), of("b")];
        assert_eq!(Traffic::of(requests()).calls().await, [3, 4, 6], "{name}");
        nothing_leaves(&Traffic::of([of("a"), of("a"), of("b")])).await;
        let named = Traffic::of(requests()).told(move |layer| layer.fleet_headers([name])).as_in_one().await;
        assert_eq!(named.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 0", "for 2"], "{name}");
        let ignored = Traffic::of(requests()).told(move |layer| layer.ignore_headers([name])).as_in_one().await;
        assert_eq!(ignored.calls, 1, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn s27_what_all_browsers_send_counts_and_travels() {
    let names = [
        "accept",
        "accept-encoding",
        "accept-language",
        "accept-charset",
        "content-type",
        "origin",
        "sec-fetch-mode",
        "sec-ch-prefers-color-scheme",
        "sec-purpose",
        "sec-gpc",
        "dnt",
        "save-data",
        "upgrade-insecure-requests",
        "x-requested-with",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
    ];
    for name in names {
        let of = |value: &str| get(&[(name, value)]);
        let play = Traffic::of([of("1"), of("1"), of("2"), get(&[]), of("2")]).as_in_one().await;
        assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 2"], "{name}");
    }
}

/// The list of section 1a, but for what other rules look at: such fields keep nobody apart, nor in a process, unless their value is
/// one that must not be reflected.
#[tokio::test(start_paused = true)]
async fn s27_fields_of_the_list_keep_nobody_apart_unless_their_value_is_odd() {
    let names = [
        "via",
        "cdn-loop",
        "max-forwards",
        "priority",
        "traceparent",
        "tracestate",
        "b3",
        "x-b3-traceid",
        "uber-trace-id",
        "x-cloud-trace-context",
        "x-amzn-trace-id",
        "sentry-trace",
        "x-datadog-trace-id",
        "newrelic",
        "x-correlation-id",
        "x-trace-id",
        "cf-ray",
        "x-forwarded-for",
        "x-real-ip",
        "true-client-ip",
        "user-agent",
        "sec-ch-ua-mobile",
        "referer",
        "x-envoy-attempt-count",
        "request-timeout",
        "grpc-timeout",
    ];
    for name in names {
        let of = |value: &str| get(&[(name, value)]);
        let play = Traffic::of([of("1"), of("2"), get(&[])]).as_in_one().await;
        assert_eq!(play.calls, 1, "{name}");
        // Some begin as what all browsers and gRPC clients send.
        let travels = name.starts_with("sec-ch-") || name.starts_with("grpc-");
        let odd = Traffic::of(vec![of("<1>"); 3]);
        assert_eq!(odd.calls().await, if travels { [1; 3] } else { [1, 2, 3] }, "{name}");
        if !travels {
            nothing_leaves(&odd).await;
        }
        let keyed = Traffic::of([of("1"), of("1"), of("2")]).told(move |layer| layer.key_header(name.parse().unwrap()));
        let across = if travels { 2 } else { 3 };
        assert_eq!(keyed.calls().await, [2, across, across], "{name}");
    }
}
