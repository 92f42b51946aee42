//! One odd request before a herd of 100: the herd's answers are what each would have got alone, in at most 3 calls.
//!
//! To this kind belongs every request that one caller can send and others do not: by method, field, value, version,
//! deadline, or by what the origin makes of it. Not every answer to it can keep the promise of 3 calls: one that hands out
//! something (S7), or is `private` or `no-store` (S8), releases all who waited at once (D3), and of a flight that timed
//! out those are released who waited more than half of its time (D9). Those are asked for in `release.rs`.
//! Of the statuses that an origin gives for a field of the list, those that D9 does not name keep to S10: 404 and 301 are
//! shared, 302 and 426 are not.

use std::time::Duration;

use http::{HeaderValue, Request, Version};
use tower_singleflight::{HttpSingleflightLayer, http::Heads};

use crate::{
    fields::COUNTED,
    origin::{Bench, Held, OriginBody, RequestBody, bench, get, get_with, status, text},
};

const HERD: usize = 100;

/// What the origin makes of the odd request.
#[derive(Clone, Copy, Debug)]
enum Gets {
    /// What anybody gets.
    TheSame,
    /// An answer of its own, which shows what was asked.
    Its,
    Status(u16),
    /// An answer of its own that names the field in `Vary`.
    Varying(&'static str),
    Fault,
    /// What anybody gets, in a body of unknown length.
    Unannounced,
}

struct Odd {
    what: String,
    request: Box<dyn Fn() -> Request<RequestBody>>,
    gets: Gets,
}

fn odd(gets: Gets, name: &str, value: &str) -> Odd {
    let (name, value) = (name.to_owned(), value.to_owned());
    let what = format!("{name}: {value}");
    Odd { what, request: Box::new(move || get_with("/x", &[(&name, &value)])), gets }
}

fn made(what: &str, gets: Gets, request: impl Fn() -> Request<RequestBody> + 'static) -> Odd {
    Odd { what: what.to_owned(), request: Box::new(request), gets }
}

/// Fields of the list that a caller may fill with what an origin dislikes.
const BLAMED: [&str; 6] = ["user-agent", "referer", "x-forwarded-for", "x-real-ip", "tracestate", "via"];

const DEADLINES: [&str; 8] = [
    "grpc-timeout",
    "connect-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
    "request-timeout",
    "x-request-timeout",
    "x-request-deadline",
];

fn connections() -> Vec<Odd> {
    let listed = [
        "accept",
        "accept-encoding",
        "authorization",
        "cookie",
        "host",
        "x-user-id",
        "x-tenant",
        "x-forwarded-for",
        "x-forwarded-host",
        "content-length",
        "transfer-encoding",
        "range",
        "origin",
        "user-agent",
        "cache-control",
        "x-any",
        "close, x-any",
        "keep-alive, Upgrade, x-any",
        "http2-settings",
        "\"close\"",
        "a b",
        "*",
    ];
    let mut odd: Vec<_> = listed.iter().map(|value| self::odd(Gets::Its, "connection", value)).collect();
    for value in ["close", "keep-alive", "TE", "Upgrade", "close, close", ","] {
        odd.push(self::odd(Gets::TheSame, "connection", value));
    }
    for value in ["websocket", "h2c, websocket", "TLS/1.0", "", "foo/2"] {
        odd.push(self::odd(Gets::Its, "upgrade", value));
    }
    odd.push(self::odd(Gets::TheSame, "upgrade", "h2c"));
    odd.push(self::odd(Gets::Status(417), "expect", "200-ok"));
    odd
}

fn overrides() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
        for name in [name.to_owned(), name.replace('-', "_"), name.to_ascii_uppercase(), name.replacen('-', "_", 1)] {
            for (method, gets) in [("DELETE", Gets::Its), ("PUT", Gets::Status(405)), ("<", Gets::Status(400))] {
                odd.push(self::odd(gets, &name, method));
            }
        }
    }
    for (name, value) in [
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-original-uri", "/admin"),
        ("x-forwarded-path", "/admin"),
        ("x-host", "evil"),
        ("x-original-host", "evil"),
        ("x-forwarded-server", "evil"),
        ("x-forwarded-scheme", "nothttps"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-ssl", "off"),
        ("x-url-scheme", "ftp"),
        ("front-end-https", "off"),
        ("x-http-destinationurl", "http://evil"),
        ("x-middleware-subrequest", "middleware"),
        ("x-middleware-prefetch", "1"),
        ("x-invoke-status", "500"),
        ("x-timer", "S1"),
        ("x-wap-profile", "http://evil"),
        ("forwarded", "host=evil"),
        ("forwarded", "host=evil;proto=ftp, for=a"),
        ("forwarded", "host=\"evil"),
        ("soapaction", "x"),
        ("translate", "f"),
        ("depth", "1"),
    ] {
        odd.push(self::odd(Gets::Its, name, value));
    }
    odd
}

fn malformed() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in
        ["user-agent", "referer", "x-request-id", "x-forwarded-for", "traceparent", "sec-ch-ua", "via", "priority"]
    {
        for value in ["<script>", "${jndi:ldap}", "a\\b", "{}", "a|b", "a\tb", "`id`"] {
            odd.push(self::odd(Gets::Its, name, value));
        }
        odd.push(self::odd(Gets::TheSame, name, ""));
        let bytes = move || {
            let mut request = get("/x");
            request.headers_mut().insert(name, HeaderValue::from_bytes(b"\xc3\x28").unwrap());
            request
        };
        odd.push(made(&format!("{name}: no ASCII"), Gets::Its, bytes));
    }
    for (name, value) in [
        ("accept", ";;;"),
        ("accept-encoding", "gzip;q=x"),
        ("content-type", "text"),
        ("content-encoding", "x"),
        ("cache-control", "a b"),
        ("cache-control", "no-store"),
        ("range", "bytes=x"),
        ("if-none-match", "x"),
        ("if-modified-since", "x"),
        ("if-match", "x"),
        ("authorization", "x"),
        ("proxy-authorization", "x"),
        ("cookie", "a"),
        ("cookie", ""),
        ("host", "a b"),
        ("host", ""),
        ("host", "evil"),
        ("content-length", "1"),
        ("content-length", "x"),
        ("transfer-encoding", "x"),
        ("baggage", "tenant=1"),
        ("baggage", "sentry-a=<"),
    ] {
        odd.push(self::odd(Gets::Its, name, value));
    }
    // Others may have the answer that a reload leads to (S13): it says how fresh, not what.
    for (name, value) in [("cache-control", "no-cache"), ("cache-control", "max-age=x"), ("pragma", "no-cache")] {
        odd.push(self::odd(Gets::TheSame, name, value));
    }
    odd
}

fn blamed() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in BLAMED {
        for code in [400, 401, 403, 407, 408, 412, 413, 414, 415, 417, 421, 425, 428, 429, 431, 500, 502, 503, 504] {
            odd.push(self::odd(Gets::Status(code), name, "sqlmap/1.7"));
        }
        odd.push(self::odd(Gets::Fault, name, "sqlmap/1.7"));
        odd.push(self::odd(Gets::Varying(name), name, "sqlmap/1.7"));
    }
    for name in DEADLINES {
        for code in [408, 499, 504] {
            odd.push(self::odd(Gets::Status(code), name, "1"));
        }
        odd.push(self::odd(Gets::Fault, name, "1"));
        odd.push(self::odd(Gets::TheSame, name, "1"));
    }
    odd
}

fn by_other_means() -> Vec<Odd> {
    let versioned = |version| {
        move || {
            let mut request = get("/x");
            *request.version_mut() = version;
            request
        }
    };
    let method = |method: &'static str| move || crate::origin::request(method, "/x", &[]);
    let mut odd = vec![
        made("HTTP/1.0", Gets::TheSame, versioned(Version::HTTP_10)),
        made("HTTP/1.0, unknown length", Gets::Unannounced, versioned(Version::HTTP_10)),
        made("HTTP/1.0, refused", Gets::Status(426), || {
            let mut request = get_with("/x", &[("x-any", "1")]);
            *request.version_mut() = Version::HTTP_10;
            request
        }),
        made("HTTP/0.9", Gets::Unannounced, versioned(Version::HTTP_09)),
        made("HTTP/2", Gets::TheSame, versioned(Version::HTTP_2)),
        made("HTTP/1.1, unknown length", Gets::Unannounced, versioned(Version::HTTP_11)),
        made("300 fields", Gets::Status(431), || {
            let mut request = get("/x");
            for i in 0..300 {
                request
                    .headers_mut()
                    .insert(http::HeaderName::try_from(format!("x-{i}")).unwrap(), HeaderValue::from(i));
            }
            request
        }),
        made("64 KiB in a listed field", Gets::Status(431), || {
            get_with("/x", &[("user-agent", &"a".repeat(64 << 10))])
        }),
        made("64 KiB in another field", Gets::Status(413), || get_with("/x", &[("x-any", &"a".repeat(64 << 10))])),
        made("300 hops", Gets::Status(400), || {
            let mut request = get("/x");
            for _ in 0..300 {
                request.headers_mut().append("via", HeaderValue::from_static("1.1 a"));
            }
            request
        }),
    ];
    for name in ["HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"] {
        odd.push(made(name, Gets::Its, method(name)));
    }
    odd.extend(COUNTED.iter().map(|name| self::odd(Gets::Its, name, "mallory")));
    odd.extend(COUNTED.iter().take(12).map(|name| self::odd(Gets::Status(403), name, "mallory")));
    odd
}

/// Answers by what the request says, and so that nobody can take the odd one's answer for its own.
fn answer(held: Held<RequestBody>, odd: &Odd) {
    let is_odd = {
        let odd = (odd.request)();
        let same = held.request.headers() == odd.headers() && held.request.version() == odd.version();
        same && held.request.method() == odd.method()
    };
    match odd.gets {
        _ if !is_odd => held.answer(status(200, &[], "page")),
        Gets::TheSame => held.answer(status(200, &[], "page")),
        Gets::Its => held.answer(status(200, &[], "what the odd one asked for")),
        Gets::Varying(name) => held.answer(status(200, &[("vary", name)], "what the odd one asked for")),
        Gets::Status(code) => held.answer(status(code, &[], "refused")),
        Gets::Fault => held.fail("reset"),
        Gets::Unannounced => {
            let (frames, body) = OriginBody::streamed();
            frames.data("page");
            held.answer(http::Response::new(body));
        }
    }
}

/// Returns how many calls the origin got, and what each of the herd did, as `status body`. The herd comes when the odd one
/// has been held for so long, and has waited for a hundredth of that when it is answered.
async fn before_a_herd(odd: &Odd, held_for: Duration) -> (usize, Vec<String>) {
    let mut bench: Bench<Heads, RequestBody> = bench(HttpSingleflightLayer::new());
    let first = tokio::spawn(bench.call((odd.request)()).into_inner());
    let held = bench.next().await;
    tokio::time::advance(held_for).await;
    let herd: Vec<_> = (0..HERD).map(|_| tokio::spawn(bench.call(get("/x")).into_inner())).collect();
    assert!(bench.count().await <= 2, "{}", odd.what);
    tokio::time::advance(held_for / 100).await;
    answer(held, odd);
    // Bounded: each turn answers one call.
    for _ in 0..=HERD {
        bench.settle().await;
        if bench.held.is_empty() {
            break;
        }
        let held = bench.next().await;
        answer(held, odd);
    }
    assert_eq!(first.await.unwrap().is_err(), matches!(odd.gets, Gets::Fault), "{}", odd.what);
    let mut answers = Vec::new();
    for caller in herd {
        answers.push(match caller.await.unwrap() {
            Ok(response) => format!("{} {}", response.status().as_u16(), text(response).await),
            Err(fault) => fault.to_string(),
        });
    }
    assert!(bench.group.is_empty(), "{}", odd.what);
    (bench.count().await, answers)
}

async fn none_is_noticed(odds: Vec<Odd>, at_least: usize) {
    assert!(odds.len() >= at_least, "{} oddities", odds.len());
    for odd in odds {
        let (calls, answers) = before_a_herd(&odd, Duration::from_secs(1)).await;
        assert!(calls <= 3, "{} ({:?}): {calls} calls", odd.what, odd.gets);
        for answer in answers {
            assert_eq!(answer, "200 page", "{} ({:?})", odd.what, odd.gets);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn s14_a_connection_that_lists_or_offers_oddly() {
    none_is_noticed(connections(), 30).await;
}

#[tokio::test(start_paused = true)]
async fn s30_s27_overrides_of_the_method_and_aliases_of_the_target() {
    none_is_noticed(overrides(), 60).await;
}

#[tokio::test(start_paused = true)]
async fn s27_malformed_values() {
    none_is_noticed(malformed(), 90).await;
}

#[tokio::test(start_paused = true)]
async fn d9_s28_a_request_that_is_refused_or_times_out_by_its_own_doing() {
    none_is_noticed(blamed(), 160).await;
}

#[tokio::test(start_paused = true)]
async fn s27_s30_other_versions_methods_sizes_and_every_field_of_a_gateway() {
    none_is_noticed(by_other_means(), 100).await;
}

/// Callers of a fast service have deadlines of a few milliseconds.
#[tokio::test(start_paused = true)]
async fn d9_s28_a_deadline_however_short_sets_no_herd_loose() {
    for name in DEADLINES {
        for gets in [Gets::Status(408), Gets::Status(499), Gets::Status(504), Gets::Fault] {
            for held_for in [Duration::from_micros(200), Duration::from_millis(5), Duration::from_millis(24)] {
                let (calls, answers) = before_a_herd(&odd(gets, name, "1"), held_for).await;
                assert_eq!(calls, 2, "{name} {gets:?} {held_for:?}");
                assert!(answers.iter().all(|answer| answer == "200 page"), "{name} {gets:?} {held_for:?}");
            }
        }
    }
}
