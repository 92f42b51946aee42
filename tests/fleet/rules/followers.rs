//! What followers get: S17, S19, S24.

use super::{
    harness::{Traffic, equal, get, ok, request},
    play::Mark,
    site::Spread,
};

/// Every field of one hop, of one connection and of one exchange.
#[tokio::test(start_paused = true)]
async fn s17_fields_that_were_the_leaders_leave_its_process_no_more_than_they_reach_its_followers() {
    let hop = [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-hop",
    ];
    let exchange = [
        "x-request-id",
        "request-id",
        "x-correlation-id",
        "x-trace-id",
        "traceparent",
        "tracestate",
        "traceresponse",
        "dd-trace-id",
        "x-datadog-trace-id",
        "x-b3-spanid",
        "b3",
        "uber-trace-id",
        "sentry-trace",
        "x-cloud-trace-context",
        "x-amzn-trace-id",
        "x-amz-request-id",
        "cf-ray",
        "fly-request-id",
        "x-vercel-id",
        "x-azure-ref",
        "x-ms-request-id",
        "x-github-request-id",
        "x-own",
    ];
    let end_to_end = ["content-type", "etag", "last-modified", "date", "age", "via", "server", "link", "x-else"];
    let names: Vec<_> = hop.iter().chain(&exchange).chain(&end_to_end).copied().collect();
    let told = names.clone();
    let traffic = Traffic::of(equal(4)).told(|layer| layer.drop_header("x-own".parse().unwrap()));
    let play = traffic.answered(move |asked| {
        told.iter().fold(ok(), |reply, name| {
            let value = if *name == "connection" { "x-hop, close".to_owned() } else { format!("of-{}", asked.whose()) };
            reply.field(name, value)
        })
    });
    let play = play.as_in_one().await;
    assert_eq!(play.calls, 1);
    for (caller, got) in play.got.iter().enumerate() {
        for name in &names {
            let is_there = caller == 0 || end_to_end.contains(name);
            assert_eq!(got.field(name).is_some(), is_there, "{caller}: {name}");
        }
    }
}

/// Lines of one name keep their order, and values that are no text their bytes.
#[tokio::test(start_paused = true)]
async fn s17_all_other_fields_come_as_they_were_sent() {
    let odd = "\u{e9}\u{ff} \"=;,";
    let play = Traffic::of(equal(3)).answered(move |_| {
        ok().field("link", "one").field("link", "two").field("x-odd", odd).field("x-empty", "").field("link", "one")
    });
    let play = play.as_in_one().await;
    assert_eq!((play.calls, play.got[2].seen.fields.len()), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn s19_extensions_are_the_leaders() {
    let play = Traffic::of(equal(4)).as_in_one().await;
    assert_eq!(play.got.iter().map(|got| got.seen.marked).collect::<Vec<_>>(), [true, false, false, false]);
}

/// One that is shared has no bytes: it reaches the callers of its process.
#[tokio::test(start_paused = true)]
async fn s19_an_extension_that_is_shared_does_not_travel() {
    let traffic = Traffic::of(equal(4)).told(|layer| layer.share_extension::<Mark>());
    for (spread, others) in [(Spread::One, true), (Spread::Lone, true), (Spread::Two, false), (Spread::Each, false)] {
        let play = traffic.in_spread(spread).await;
        let marked: Vec<_> = play.got.iter().map(|got| got.seen.marked).collect();
        assert_eq!((play.calls, marked), (1, vec![true, others, others, others]), "{spread:?}");
    }
}

/// T60.
#[tokio::test(start_paused = true)]
async fn s24_cache_status_says_in_every_process_what_became_of_a_request() {
    let words = async |traffic: &Traffic, spread: Spread| -> Vec<String> {
        let play = traffic.in_spread(spread).await;
        play.got.iter().map(|got| got.field("cache-status").unwrap_or_default().to_owned()).collect()
    };
    let told = |traffic: Traffic| traffic.told(|layer| layer.cache_status("edge"));
    let shared = told(Traffic::of(equal(3))).answered(|_| ok().field("cache-status", "origin; hit"));
    let play = shared.in_spread(Spread::Each).await;
    // The member of another hop stays, and the leader's own does not travel.
    let lines = |caller: usize| {
        let lines = play.got[caller].seen.fields.iter().filter(|(name, _)| name == "cache-status");
        lines.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(lines(0), ["edge; fwd=uri-miss", "origin; hit"]);
    assert_eq!(lines(1), ["edge; fwd=uri-miss; collapsed; detail=fleet", "origin; hit"]);
    let equals = told(Traffic::of(equal(3)));
    let [led, followed, elsewhere] =
        ["edge; fwd=uri-miss", "edge; fwd=uri-miss; collapsed", "edge; fwd=uri-miss; collapsed; detail=fleet"];
    assert_eq!(words(&equals, Spread::One).await, [led, followed, followed]);
    assert_eq!(words(&equals, Spread::Lone).await, [led, followed, followed]);
    assert_eq!(words(&equals, Spread::Two).await, [led, elsewhere, elsewhere]);
    // Who has waited for another process in vain leads the flight of its own.
    let private = told(Traffic::of(equal(3))).answered(|_| ok().field("cache-control", "private"));
    let released = "edge; fwd=uri-miss; collapsed=?0; detail=S8CacheControl";
    assert_eq!(words(&private, Spread::One).await, [led, released, released]);
    assert_eq!(words(&private, Spread::Two).await, [led, led, released]);
    // What goes alone says so, wherever it is; and nothing is said where it was not asked for.
    let alone =
        told(Traffic::of([request("POST", "http://site/", &[]), get(&[("range", "bytes=0-1")])])).as_in_one().await;
    assert_eq!(alone.got[0].field("cache-status"), Some("edge; fwd=method; detail=S1Method"));
    assert_eq!(alone.got[1].field("cache-status"), Some("edge; fwd=bypass; detail=S11Range"));
    assert!(Traffic::of(equal(3)).as_in_one().await.got.iter().all(|got| got.field("cache-status").is_none()));
}
