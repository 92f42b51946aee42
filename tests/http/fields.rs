//! Request fields: all count but those of the list (S27), and none of them can harm another caller.

mod counted;
mod listed;
pub(crate) use counted::COUNTED;

use http::{HeaderName, HeaderValue, Request, Response};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{ContentBody, Contents, Heads},
};

use self::listed::LISTED;
use crate::{
    grpc::grpc,
    origin::{Bench, Held, OriginBody, RequestBody, bench, get, get_with, text},
};

/// What the origin saw of a request, in any order of its fields.
fn seen<B>(request: &Request<B>) -> String {
    let mut lines: Vec<_> = request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    lines.sort();
    format!("{} {} {lines:?}", request.method(), request.uri())
}

fn echo<B>(held: Held<B>) {
    let body = OriginBody::full(seen(&held.request));
    held.answer(Response::new(body));
}

/// Sends all of them at once; returns how many calls the origin got, having asserted that each that shares nothing got
/// its own answer, and how many callers got an answer that was not made for them.
async fn served(requests: Vec<Request<RequestBody>>) -> (usize, usize) {
    let mut bench: Bench<Heads, RequestBody> = bench(HttpSingleflightLayer::new());
    let alone: Vec<_> = requests.iter().map(seen).collect();
    let calls: Vec<_> = requests.into_iter().map(|request| bench.call(request)).collect();
    let count = bench.count().await;
    for _ in 0..count {
        echo(bench.next().await);
    }
    let mut strangers = 0;
    for (call, alone) in calls.into_iter().zip(alone) {
        strangers += usize::from(text(call.await.unwrap()).await != alone);
    }
    assert!(bench.group.is_empty());
    (count, strangers)
}

/// The spellings of a name: small, mixed, capital, and with `_` for `-`.
fn spellings(name: &str) -> Vec<String> {
    let mixed = name.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c }).collect();
    vec![name.to_owned(), mixed, name.to_ascii_uppercase(), name.replace('-', "_")]
}

#[tokio::test]
async fn s27_requests_that_differ_in_any_field_that_counts_never_share() {
    for name in COUNTED {
        for spelled in spellings(name) {
            let with = |value| get_with("/x", &[(&spelled, value)]);
            assert_eq!(served(vec![with("ann"), with("bob")]).await, (2, 0), "{spelled}");
            assert_eq!(served(vec![with("ann"), get("/x")]).await, (2, 0), "{spelled}");
            assert_eq!(served(vec![get("/x"), with("ann")]).await, (2, 0), "{spelled}");
            assert_eq!(served(vec![get("/x"), with("")]).await, (2, 0), "{spelled}");
            // Those that agree in it share.
            assert_eq!(served(vec![with("ann"), with("ann"), with("ann")]).await, (1, 0), "{spelled}");
        }
        // In one spelling and in the other they are two fields, but a name has no case.
        let (low, high) = (get_with("/x", &[(name, "a")]), get_with("/x", &[(&name.to_ascii_uppercase(), "a")]));
        assert_eq!(served(vec![low, high]).await, (1, 0), "{name}");
    }
}

#[tokio::test]
async fn s27_fields_of_the_list_with_an_underscore_are_others_and_count() {
    for (_, name, one, two) in LISTED.iter().filter(|(_, name, ..)| name.contains('-')) {
        let name = name.replace('-', "_");
        let with = |value| get_with("/x", &[(&name, value)]);
        assert_eq!(served(vec![with(one), with(two), get("/x")]).await, (3, 0), "{name}");
    }
}

/// Sends them at once to an opted-in method; returns how many calls the origin got.
async fn grpc_calls(requests: Vec<Request<RequestBody>>) -> usize {
    let mut bench: Bench<Contents, ContentBody<RequestBody>> =
        bench(HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]));
    let calls: Vec<_> = requests.into_iter().map(|request| bench.call(request)).collect();
    let count = bench.count().await;
    for _ in 0..count {
        echo(bench.next().await);
    }
    for call in calls {
        call.await.unwrap();
    }
    assert!(bench.group.is_empty());
    count
}

#[tokio::test]
async fn s27_requests_that_differ_in_fields_of_the_list_only_are_one_call_over_http_and_grpc() {
    for (who, name, one, two) in LISTED {
        for spelled in [name.to_owned(), name.to_ascii_uppercase()] {
            let fields = [&[(&*spelled, one)][..], &[(&*spelled, two)], &[], &[(&*spelled, one), (&*spelled, two)]];
            let requests = fields.map(|fields| get_with("/x", fields)).to_vec();
            assert_eq!(served(requests).await.0, 1, "{who}: {spelled}");
            assert_eq!(
                grpc_calls(fields.map(|fields| grpc("pkg.Service/Get", fields)).to_vec()).await,
                1,
                "{who}: {spelled}"
            );
        }
    }
    // All of them at once.
    let one: Vec<_> = LISTED.iter().map(|(_, name, one, _)| (*name, *one)).collect();
    let two: Vec<_> = LISTED.iter().rev().map(|(_, name, _, two)| (*name, *two)).collect();
    assert_eq!(served(vec![get_with("/x", &one), get_with("/x", &two), get("/x")]).await.0, 1);
    assert_eq!(
        grpc_calls(vec![grpc("pkg.Service/Get", &one), grpc("pkg.Service/Get", &two), grpc("pkg.Service/Get", &[])])
            .await,
        1
    );
    assert!(LISTED.iter().map(|(who, ..)| who).collect::<std::collections::HashSet<_>>().len() >= 8);
}

/// What might be reflected to others. To this kind belong all bytes but letters, digits, space and
/// `-._~:/?#[]@!$&'()*+,;=%`.
#[tokio::test]
async fn s27_an_odd_value_of_a_listed_field_reaches_nobody_else() {
    for (_, name, one, _) in LISTED {
        for odd in ["<script>", "\"", "${jndi}", "a\\b", "a|b", "a\tb", "`id`", "a^b"] {
            // Within `baggage`, the member is what counts.
            let odd = if name == "baggage" { format!("sentry-a={odd}") } else { odd.to_owned() };
            let with = |value| get_with("/x", &[(name, value)]);
            let (calls, _) = served(vec![with(&odd), with(one), get("/x")]).await;
            assert_eq!(calls, 2, "{name}: {odd}");
            let (calls, strangers) = served(vec![with(&odd), get("/x"), get("/x")]).await;
            assert_eq!((calls, strangers), (2, 0), "{name}: {odd}");
            assert_eq!(
                grpc_calls(vec![
                    grpc("pkg.Service/Get", &[(name, &odd)]),
                    grpc("pkg.Service/Get", &[(name, one)]),
                    grpc("pkg.Service/Get", &[])
                ])
                .await,
                2,
                "{name}: {odd}"
            );
        }
    }
}

/// To this kind belongs whatever a client can get past the server's parser.
#[tokio::test]
async fn bad_input_goes_alone_or_is_keyed_and_nobody_else_notices() {
    type Bad = (&'static str, fn(&mut http::HeaderMap));
    let bad: [Bad; 14] = [
        ("an underscore", |h| drop(h.insert("x_user", HeaderValue::from_static("a")))),
        ("nothing but an underscore", |h| drop(h.insert("_", HeaderValue::from_static("a")))),
        ("odd token bytes", |h| drop(h.insert("x!#$%&'*+.^`|~", HeaderValue::from_static("a")))),
        ("a field twice", |h| {
            h.append("x-user", HeaderValue::from_static("a"));
            h.append("x-user", HeaderValue::from_static("b"));
        }),
        ("an empty value", |h| drop(h.insert("x-user", HeaderValue::from_static("")))),
        ("no ASCII", |h| drop(h.insert("x-user", HeaderValue::from_bytes(b"\xff\xfe").unwrap()))),
        ("UTF-8", |h| drop(h.insert("x-user", HeaderValue::from_bytes("é".as_bytes()).unwrap()))),
        ("no ASCII in a listed field", |h| drop(h.insert("user-agent", HeaderValue::from_bytes(b"\x80").unwrap()))),
        ("no ASCII in baggage", |h| drop(h.insert("baggage", HeaderValue::from_bytes(b"a=\x80").unwrap()))),
        ("300 fields", |h| {
            for i in 0..300 {
                h.insert(HeaderName::try_from(format!("x-{i}")).unwrap(), HeaderValue::from_static("a"));
            }
        }),
        ("300 lines of one field", |h| {
            for _ in 0..300 {
                h.append("x-user", HeaderValue::from_static("a"));
            }
        }),
        ("a value of 64 KiB", |h| drop(h.insert("x-user", HeaderValue::try_from("a".repeat(64 << 10)).unwrap()))),
        ("an odd value of 64 KiB", |h| {
            drop(h.insert("user-agent", HeaderValue::try_from("<".repeat(64 << 10)).unwrap()));
        }),
        ("a name of 32 KiB", |h| {
            let name = HeaderName::try_from("a".repeat(32 << 10)).unwrap();
            h.insert(name, HeaderValue::from_static("a"));
        }),
    ];
    for (what, spoil) in bad {
        let spoilt = || {
            let mut request = get("/x");
            spoil(request.headers_mut());
            request
        };
        let (calls, strangers) = served(vec![get("/x"), spoilt(), get("/x"), spoilt(), get("/x")]).await;
        // The two that are alike are keyed, or go alone.
        assert!((2..=3).contains(&calls), "{what}: {calls} calls");
        assert_eq!(strangers, 0, "{what}");
        // What the key does not hold is kept for `Vary`, and bounded by the request.
        let mut long = get("/x");
        long.headers_mut().insert("user-agent", HeaderValue::try_from("a".repeat(64 << 10)).unwrap());
        assert_eq!(served(vec![long, get("/x")]).await.0, 1);
    }
}

#[test]
fn a_name_that_is_none_is_refused_when_the_layer_is_made_in_one_line() {
    for name in ["", "*", "**", "a b", "a*b", "a**", "x-*-y", "é", "a:", "a\nb", "(a)", " a", "a*,b", "a,b*"] {
        let made = std::panic::catch_unwind(|| HttpSingleflightLayer::new().ignore_headers([name]));
        let panic = made.map(drop).expect_err(name);
        let text = panic.downcast_ref::<String>().expect("a formatted text");
        assert!(
            text.contains(&format!("{name:?}")) && text.contains("field name") | text.contains("end of a name"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[tokio::test]
async fn s27_members_of_baggage_and_parameters_of_forwarded_count_each_for_itself() {
    let one =
        |name: &'static str, values: [&'static str; 2]| values.map(|value| get_with("/x", &[(name, value)])).to_vec();
    for (name, same) in [
        ("baggage", ["sentry-a=1", "sentry-b=2"]),
        ("baggage", ["tenant=1,sentry-a=1", "sentry-a=2, tenant=1"]),
        ("baggage", ["", "sentry-a=1"]),
        ("forwarded", ["for=192.0.2.1", "for=\"[2001:db8::1]:4711\";by=_x"]),
        ("forwarded", ["for=a;host=h", "host=h;by=b"]),
        ("forwarded", ["proto=https;for=a", "For=b;Proto=https"]),
    ] {
        assert_eq!(served(one(name, same)).await.0, 1, "{same:?}");
    }
    for (name, apart) in [
        ("baggage", ["tenant=1", "tenant=2"]),
        ("baggage", ["tenant=1", "sentry-a=1"]),
        ("baggage", ["a=1,b=2", "b=2,a=1"]),
        ("baggage", ["sentry-a=1", "sentry-a=<"]),
        ("forwarded", ["host=a", "host=b"]),
        ("forwarded", ["proto=http", "proto=https"]),
        ("forwarded", ["for=a", "for=a;host=b"]),
        ("forwarded", ["host=a, for=b", "for=b, host=a"]),
        // Out of order: alone.
        ("forwarded", ["for", "for"]),
        ("forwarded", ["host=\"a", "host=\"a"]),
    ] {
        assert_eq!(served(one(name, apart)).await, (2, 0), "{apart:?}");
    }
}
