//! Which requests may share: S1 to S4, S11 to S15, S30.

use bytes::Bytes;
use http::{Method, Version};
use http_body_util::Full;
use tower_singleflight::http::Rule;

use super::{
    harness::{Traffic, equal, get, ok, request},
    play::Part,
    site::Sent,
};

#[tokio::test(start_paused = true)]
async fn s1_get_and_head_share_and_nothing_else_does() {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "PURGE", "get"] {
        let shares = matches!(method, "GET" | "HEAD");
        let play = Traffic::of((0..3).map(|_| request(method, "http://site/rows", &[]))).as_in_one().await;
        assert_eq!(play.calls, if shares { 1 } else { 3 }, "{method}");
        let part = if shares { Part::Followed } else { Part::Alone };
        assert_eq!(play.parts()[1..], [part, part], "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn s1_a_method_that_was_opted_in_shares() {
    let purge = || Method::from_bytes(b"PURGE").unwrap();
    let requests = (0..3).map(|_| request("PURGE", "http://site/rows", &[]));
    let play = Traffic::of(requests).told(move |layer| layer.methods([purge()])).as_in_one().await;
    assert_eq!(play.calls, 1);
}

/// T03: what is asked for in two ways is asked for twice.
#[tokio::test(start_paused = true)]
async fn s2_targets_that_differ_in_anything_do_not_meet() {
    let targets = [
        "http://site/rows",
        "https://site/rows",
        "http://other/rows",
        "http://site:8080/rows",
        "http://SITE/rows",
        "http://site/Rows",
        "http://site/rows/",
        "http://site//rows",
        "http://site/rows?",
        "http://site/rows?a=1&b=2",
        "http://site/rows?b=2&a=1",
        "http://site/ro%77s",
    ];
    let twice = targets.iter().chain(&targets).map(|target| request("GET", target, &[]));
    let play = Traffic::of(twice).as_in_one().await;
    assert_eq!(play.calls, targets.len());
    for (caller, got) in play.got.iter().enumerate() {
        assert_eq!(got.body(), format!("for {}", caller % targets.len()));
    }
}

/// T04: the host of a request is that of its URI, or else of its field.
#[tokio::test(start_paused = true)]
async fn s2_hosts_meet_however_they_are_said_and_two_that_differ_send_their_request_alone() {
    let said = |uri: &str, hosts: &[&str]| {
        let hosts: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
        request("GET", uri, &hosts)
    };
    let play = Traffic::of([said("/rows", &["site"]), said("/rows", &["site"]), said("/rows", &["other"])]);
    assert_eq!(play.as_in_one().await.bodies(), ["for 0", "for 0", "for 2"]);
    let play = Traffic::of([said("http://site/rows", &[]), said("http://site/rows", &["site"])]).as_in_one().await;
    assert_eq!(play.calls, 1);
    for hosts in [&["other"][..], &["site", "site"], &["a b"]] {
        let play = Traffic::of([said("http://site/rows", hosts), said("http://site/rows", hosts)]).as_in_one().await;
        assert_eq!((play.calls, play.rules()[1]), (2, Some(Rule::S2Target)), "{hosts:?}");
    }
}

/// T07.
#[tokio::test(start_paused = true)]
async fn s3_without_a_key_nobody_shares() {
    let play = Traffic::of(equal(3)).told(|layer| layer.key_fn(|_| None::<u32>)).as_in_one().await;
    assert_eq!((play.calls, play.rules()), (3, vec![Some(Rule::S3NoKey); 3]));
    let play = Traffic::of(equal(3)).told(|layer| layer.identity(|_| None::<u32>)).as_in_one().await;
    assert_eq!((play.calls, play.rules()), (3, vec![Some(Rule::S3NoKey); 3]));
}

/// A value of the application's has no bytes to compare, and stays in its process.
#[tokio::test(start_paused = true)]
async fn s3_a_key_of_the_applications_own_is_shared_within_each_process() {
    let traffic = Traffic::of(equal(4)).told(|layer| layer.key_fn(|_| Some(7)));
    assert_eq!(traffic.calls().await, [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn s4_head_and_get_have_flights_of_their_own() {
    for first in [0, 1] {
        let requests = (0..6).map(|at| request(["GET", "HEAD"][(at + first) % 2], "http://site/rows", &[]));
        let play = Traffic::of(requests).as_in_one().await;
        assert_eq!(play.calls, 2);
        for (caller, got) in play.got.iter().enumerate() {
            let is_head = (caller + first) % 2 == 1;
            assert_eq!(got.body(), if is_head { String::new() } else { format!("for {}", caller % 2) });
            assert_eq!(got.field("etag").is_some(), is_head);
        }
    }
}

/// T15, T16, T17, T18 and their like: what one of these fields is in goes alone, beside a request that has it not.
#[tokio::test(start_paused = true)]
async fn s11_s12_s13_s14_requests_that_go_alone_meet_nobody_in_any_process() {
    let cases: [(&[(&str, &str)], Rule); 19] = [
        (&[("range", "bytes=0-9")], Rule::S11Range),
        (&[("if-range", "\"a\"")], Rule::S11Range),
        (&[("if-none-match", "\"a\"")], Rule::S12Condition),
        (&[("if-modified-since", "Sat, 29 Oct 1994 19:43:31 GMT")], Rule::S12Condition),
        (&[("if-match", "\"a\"")], Rule::S12Condition),
        (&[("if-unmodified-since", "Sat, 29 Oct 1994 19:43:31 GMT")], Rule::S12Condition),
        (&[("cache-control", "no-store")], Rule::S13CacheControl),
        (&[("cache-control", "max-age=5, No-Store")], Rule::S13CacheControl),
        (&[("cache-control", "only-if-cached")], Rule::S13CacheControl),
        (&[("cache-control", "a=\"")], Rule::S13CacheControl),
        (&[("expect", "100-continue")], Rule::S14Connection),
        (&[("upgrade", "websocket"), ("connection", "upgrade")], Rule::S14Connection),
        (&[("upgrade", "h2c, websocket"), ("connection", "upgrade")], Rule::S14Connection),
        (&[("connection", "x-hop")], Rule::S14Connection),
        (&[("connection", "http2-settings")], Rule::S14Connection),
        (&[("content-length", "4")], Rule::S15Content),
        (&[("transfer-encoding", "chunked")], Rule::S15Content),
        (&[("x-http-method-override", "DELETE")], Rule::S30MethodOverride),
        (&[("x_method_override", "GET")], Rule::S30MethodOverride),
    ];
    for (fields, rule) in cases {
        for requests in [[get(&[]), get(fields), get(fields)], [get(fields), get(&[]), get(fields)]] {
            let play = Traffic::of(requests).as_in_one().await;
            assert_eq!(play.calls, 3, "{fields:?}");
            assert_eq!(play.rules()[2], Some(rule), "{fields:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s14_what_a_connection_says_of_itself_keeps_nobody_apart() {
    let fields: [&[(&str, &str)]; 5] = [
        &[],
        &[("connection", "keep-alive")],
        &[("connection", "close, TE"), ("te", "trailers")],
        &[
            ("upgrade", "h2c"),
            ("connection", "upgrade, http2-settings"),
            ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ],
        &[("keep-alive", "timeout=5"), ("proxy-connection", "keep-alive")],
    ];
    assert_eq!(Traffic::of(fields.map(get)).as_in_one().await.calls, 1);
}

/// Validators are no fields that all browsers send with every request: they stay in the process, where they are compared.
#[tokio::test(start_paused = true)]
async fn s12_conditions_that_are_compared_share_within_each_process() {
    for status in [200, 304] {
        let requests = vec![get(&[("if-none-match", "\"a\"")]); 4];
        let traffic = Traffic::of(requests).told(|layer| layer.key_validators());
        let traffic = traffic.answered(move |_| super::harness::status(status));
        assert_eq!(traffic.calls().await, [1, 2, 4]);
        let named = traffic.told(|layer| layer.key_validators().fleet_headers(["if-none-match"]));
        assert_eq!(named.as_in_one().await.calls, 1, "{status}");
    }
}

/// Who reloads wants what began after it came, and no other process says when its call began: each makes its own.
#[tokio::test(start_paused = true)]
async fn s13_requests_that_reload_share_the_next_call_of_their_process() {
    let cases: [&[(&str, &str)]; 3] =
        [&[("cache-control", "no-cache")], &[("cache-control", "max-age=0")], &[("pragma", "no-cache")]];
    for fields in cases {
        let requests = || [get(fields), get(fields), get(fields), get(fields)];
        // The first leads; the others wait for the call after it.
        assert_eq!(Traffic::of(requests()).calls().await, [2, 3, 4], "{fields:?}");
        let mut after = requests();
        after[0] = get(&[]);
        let play = Traffic::of(after).in_spread(super::site::Spread::Two).await;
        assert!(play.bodies()[1..].iter().all(|body| *body != "for 0"), "{fields:?}: {:?}", play.bodies());
    }
}

/// What says how old an answer may be is for caches, and no browser's on every request: it stays in the process.
#[tokio::test(start_paused = true)]
async fn s13_other_directives_are_compared_within_each_process() {
    let of_age = |age: &str| get(&[("cache-control", age)]);
    let traffic = || Traffic::of([of_age("max-age=5"), of_age("max-age=5"), of_age("max-age=6"), of_age("max-age=5")]);
    assert_eq!(traffic().calls().await, [2, 3, 4]);
    let named = traffic().told(|layer| layer.fleet_headers(["cache-control"])).as_in_one().await;
    assert_eq!(named.bodies(), ["for 0", "for 0", "for 2", "for 0"]);
}

/// T21.
#[tokio::test(start_paused = true)]
async fn s15_content_is_compared_where_it_is_in_the_key_and_else_sends_its_request_alone() {
    let query = |kind: &str, content: &'static str| -> Sent {
        let request = request("QUERY", "http://site/rows", &[("content-type", kind)]);
        request.map(|_| Full::new(Bytes::from_static(content.as_bytes())))
    };
    let requests = || {
        [
            query("text/plain", "one"),
            query("text/plain", "one"),
            query("text/plain", "two"),
            query("text/html", "one"),
            query("text/plain", ""),
            query("text/plain", "two"),
            query("text/plain", "longer than the cap"),
            query("text/plain", "longer than the cap"),
        ]
    };
    let queries = || [Method::from_bytes(b"QUERY").unwrap()];
    let keyed = Traffic::of(requests()).told_of_contents(move |layer| layer.methods(queries()).content_key(8));
    let play = keyed.as_in_one().await;
    assert_eq!(play.bodies(), ["for 0", "for 0", "for 2", "for 3", "for 4", "for 2", "for 6", "for 7"]);
    let unkeyed = Traffic::of(requests()).told(move |layer| layer.methods(queries())).as_in_one().await;
    // But for the one that has none.
    assert_eq!((unkeyed.calls, unkeyed.rules()[0]), (8, Some(Rule::S15Content)));
}

fn old(mut request: Sent) -> Sent {
    *request.version_mut() = Version::HTTP_10;
    request
}

#[tokio::test(start_paused = true)]
async fn s30_answers_of_known_length_reach_old_callers() {
    for requests in [[old(get(&[])), old(get(&[])), get(&[])], [get(&[]), old(get(&[])), old(get(&[]))]] {
        assert_eq!(Traffic::of(requests).as_in_one().await.calls, 1);
    }
}

/// The first may have got half of it without seeing that. The others ask once more (D9), and one for all.
#[tokio::test(start_paused = true)]
async fn s30_an_answer_of_unknown_length_to_an_old_leader_reaches_nobody_else() {
    let traffic = Traffic::of([old(get(&[])), get(&[]), get(&[])]).answered(|_| ok().streamed());
    for spread in super::site::Spread::ALL {
        let play = traffic.in_spread(spread).await;
        assert_eq!((play.calls, &play.bodies()[..1]), (2, &["for 0"][..]), "{spread:?}");
        assert_eq!(play.bodies()[1], play.bodies()[2], "{spread:?}");
    }
}

/// In one process an old caller goes alone then. From another one the answer comes as a whole, so its length is known.
#[tokio::test(start_paused = true)]
async fn s30_an_answer_of_unknown_length_has_one_when_it_comes_from_another_process() {
    let traffic = Traffic::of([get(&[]), old(get(&[])), get(&[])]).answered(|_| ok().streamed());
    assert_eq!(traffic.calls().await, [2, 1, 1]);
    let play = traffic.in_spread(super::site::Spread::Two).await;
    assert_eq!(play.bodies(), ["for 0"; 3]);
    assert_eq!(play.got.iter().map(|got| got.has_length).collect::<Vec<_>>(), [false, true, true]);
}
