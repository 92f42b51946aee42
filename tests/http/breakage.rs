//! What a hostile or unlucky caller might try, beside the rules one by one.

use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;
use tokio_test::task::spawn;
use tower::{Layer, Service, ServiceBuilder};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{ContentBody, Contents, Heads, LargeBodies},
};

use crate::origin::{Bench, Held, Origin, OriginBody, RequestBody, bench, get, get_with, ok, request, status, text};

type Plain = Bench<Heads, RequestBody>;
type Keyed = Bench<Contents, ContentBody<RequestBody>>;

async fn settle() {
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
}

async fn read<B: Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Returns whether the second of two requests shares the flight of the first.
async fn shares(layer: HttpSingleflightLayer, first: Request<RequestBody>, second: Request<RequestBody>) -> bool {
    let mut bench: Plain = bench(layer);
    let first = bench.call(first);
    let second = bench.call(second);
    let calls = bench.count().await;
    for _ in 0..calls {
        bench.next().await.answer(ok(&[], "x"));
    }
    first.await.unwrap();
    second.await.unwrap();
    assert!(bench.group.is_empty());
    calls == 1
}

/// The kind: everything of `Forwarded` but `for` and `by` counts; these too where their values are odd.
#[tokio::test]
async fn s27_of_forwarded_nothing_but_for_and_by_is_left_out() {
    let with = |value: &str| get_with("http://a/x", &[("forwarded", value)]);
    for (one, other, expected) in [
        ("for=192.0.2.1;host=a", "for=192.0.2.2;host=a", true),
        ("for=\"[2001:db8::1]:80\";by=_b;host=a", "for=192.0.2.2;host=a", true),
        ("for=1.1.1.1;tenant=ann", "for=1.1.1.1;tenant=bob", false),
        ("for=1.1.1.1;tenant=ann", "for=1.1.1.1", false),
        ("for=1.1.1.1;Port=1", "for=1.1.1.1;port=2", false),
        ("for=1.1.1.1;secret=\"x\"", "for=1.1.1.1;secret=\"y\"", false),
        ("for=<script>", "for=x", false),
        ("host=a", "host=b", false),
    ] {
        assert_eq!(shares(HttpSingleflightLayer::new(), with(one), with(other)).await, expected, "{one} {other}");
    }
}

/// One layer value above and below a layer that turns credentials into an extension, as auth layers do; returns what
/// Ann's and the other's requests got.
async fn around_auth(
    layer: HttpSingleflightLayer,
    shows_uri: [bool; 2],
    ann: Request<RequestBody>,
    other: Request<RequestBody>,
) -> [String; 2] {
    let show = |shows: bool| {
        move |mut request: Request<RequestBody>| {
            let _ = &mut request;
            #[cfg(feature = "axum")]
            if shows {
                let uri = axum::extract::OriginalUri(request.uri().clone());
                request.extensions_mut().insert(uri);
            }
            let _ = shows;
            request
        }
    };
    #[derive(Clone)]
    struct User(String);
    let auth = |mut request: Request<RequestBody>| {
        let mut user = String::from("nobody");
        let api_key = header::HeaderName::from_static("x-api-key");
        for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, api_key] {
            if let Some(value) = request.headers_mut().remove(name) {
                user = value.to_str().unwrap().to_owned();
            }
        }
        request.extensions_mut().insert(User(user));
        request
    };
    let (sender, mut held) = mpsc::unbounded_channel::<Held<RequestBody>>();
    let mut service = ServiceBuilder::new()
        .map_request(show(shows_uri[0]))
        .layer(&layer)
        .map_request(auth)
        .map_request(show(shows_uri[1]))
        .layer(&layer)
        .service(Origin::new(sender));
    let mut ann = spawn(service.call(ann));
    assert!(ann.poll().is_pending());
    let mut other = spawn(service.call(other));
    assert!(other.poll().is_pending());
    settle().await;
    tokio::spawn(async move {
        while let Some(held) = held.recv().await {
            let user = held.request.extensions().get::<User>().unwrap().0.clone();
            held.answer(Response::new(OriginBody::full(user)));
        }
    });
    [read(ann.await.unwrap()).await, read(other.await.unwrap()).await]
}

/// The kind: wherever the two places are, whichever credential it is, whatever rule speaks first, and whatever was opted
/// in.
#[tokio::test]
async fn s02_one_value_above_and_below_an_auth_layer_never_hands_out_anothers_page() {
    type Make = fn() -> HttpSingleflightLayer;
    let layers: [(&str, Make); 5] = [
        ("default", HttpSingleflightLayer::new),
        ("per_credential", || HttpSingleflightLayer::new().per_credential()),
        ("share_authorized", || HttpSingleflightLayer::new().share_authorized()),
        ("key_cookies", || HttpSingleflightLayer::new().key_cookies(["session"])),
        ("coalesce_if", || {
            HttpSingleflightLayer::new().coalesce_if(|parts| !parts.headers.contains_key(header::AUTHORIZATION))
        }),
    ];
    let places = [[false, false], [false, true], [true, true]];
    for (named, layer) in layers {
        for shows in places {
            for (name, value, others) in [
                ("authorization", "ann", "bob"),
                ("proxy-authorization", "ann", "bob"),
                ("cookie", "session=ann", "session=bob"),
            ] {
                for second in [get("http://a/x"), get_with("http://a/x", &[(name, others)])] {
                    let expected = second.headers().get(name).map_or("nobody", |_| others);
                    let first = get_with("http://a/x", &[(name, value)]);
                    let got = around_auth(layer(), shows, first, second).await;
                    assert_eq!(got, [value, expected], "{named} {shows:?} {name}");
                }
            }
        }
    }
}

/// The kind: any field that tells requests apart above, or sends them alone there, and is gone below; whether or not the
/// requests show their URI.
#[tokio::test]
async fn s02_what_tells_requests_apart_above_tells_them_apart_below() {
    let key = |value: &str| get_with("http://a/x", &[("x-api-key", value)]);
    let long = |user: &str| format!("{user}{}", "x".repeat(9000));
    type Make = fn() -> HttpSingleflightLayer;
    let layers: [Make; 3] = [
        HttpSingleflightLayer::new,
        || HttpSingleflightLayer::new().per_credential(),
        || HttpSingleflightLayer::new().coalesce_if(|parts| !parts.headers.contains_key("x-api-key")),
    ];
    for layer in layers {
        for shows in [[false, false], [false, true], [true, true]] {
            for (ann, bob) in [("ann".to_owned(), "bob".to_owned()), (long("ann"), long("bob"))] {
                let got = around_auth(layer(), shows, key(&ann), key(&bob)).await;
                assert_eq!(got, [&*ann, &bob], "{shows:?}");
                let got = around_auth(layer(), shows, key(&ann), get("http://a/x")).await;
                assert_eq!(got, [&*ann, "nobody"], "{shows:?}");
                let got = around_auth(layer(), shows, get("http://a/x"), key(&bob)).await;
                assert_eq!(got, ["nobody", &*bob], "{shows:?}");
            }
        }
    }
}

/// Where there are no credentials the lower service shares as ever.
#[tokio::test]
async fn s02_two_services_of_a_value_share_what_is_anonymous() {
    let got = around_auth(HttpSingleflightLayer::new(), [true, true], get("http://a/x"), get("http://a/x")).await;
    assert_eq!(got, ["nobody", "nobody"]);
}

/// The kind: every rule that sends a request alone before its content is asked about.
#[tokio::test]
async fn s21_a_mutation_fences_whatever_rule_sent_it_alone() {
    let post = |content: &'static str, fields: &[(&str, &[u8])]| {
        let request = Request::post("http://a/graphql");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap()
    };
    let long = "y".repeat(9000);
    for fields in [
        &[][..],
        &[("x-odd", "\u{e9}".as_bytes())],
        &[("authorization", b"ann")],
        &[("x-long", long.as_bytes())],
        &[("host", b"other")],
    ] {
        let layer = HttpSingleflightLayer::new()
            .methods([Method::POST])
            .content_if(|_, content| content.starts_with(b"query"))
            .content_key(1024);
        let mut bench: Keyed = bench(layer);
        let before = bench.call(post("query", &[]));
        let reading = bench.next().await;
        let write = bench.call(post("mutation", fields));
        bench.next().await.answer(ok(&[], ""));
        write.await.unwrap();
        let after = bench.call(post("query", &[]));
        assert_eq!(bench.count().await, 3, "{fields:?}");
        bench.next().await.answer(ok(&[], "new"));
        reading.answer(ok(&[], "old"));
        assert_eq!(text(before.await.unwrap()).await, "old");
        assert_eq!(text(after.await.unwrap()).await, "new");
        assert!(bench.group.is_empty());
    }
}

/// Servers that make a service for each connection call `layer` for each: a write comes by one, the read by another.
#[tokio::test]
async fn s21_a_write_through_one_service_of_a_value_fences_the_reads_through_another() {
    let layer = HttpSingleflightLayer::new();
    let (sender, mut held) = mpsc::unbounded_channel::<Held<RequestBody>>();
    let mut one = layer.layer(Origin::new(sender.clone()));
    let mut other = layer.layer(Origin::new(sender));
    let mut before = spawn(one.call(get("http://a/x")));
    assert!(before.poll().is_pending());
    let old = held.try_recv().unwrap();
    let mut write = spawn(other.call(request("PUT", "http://a/x", &[])));
    assert!(write.poll().is_pending());
    held.try_recv().unwrap().answer(ok(&[], ""));
    write.await.unwrap();
    let mut after = spawn(one.call(get("http://a/x")));
    assert!(after.poll().is_pending());
    held.try_recv().expect("the read after the write is a call of its own").answer(ok(&[], "new"));
    assert_eq!(text(after.await.unwrap()).await, "new");
    // By hand, through the layer.
    layer.get_group().fence(None, "/x");
    let mut last = spawn(one.call(get("http://a/x")));
    assert!(last.poll().is_pending());
    held.try_recv().expect("so is one after a fence by hand").answer(ok(&[], "newest"));
    assert_eq!(text(last.await.unwrap()).await, "newest");
    old.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert!(one.group().is_empty() && other.group().is_empty());
}

/// Two paths that the application's key takes for one, one of which was written to more often.
#[tokio::test]
async fn s21_epochs_of_two_paths_are_not_taken_for_each_other() {
    let mut bench: Plain = bench(HttpSingleflightLayer::new().key_fn(|_| Some("all")));
    let put = async |bench: &mut Plain, uri: &str| {
        let write = bench.call(request("PUT", uri, &[]));
        bench.next().await.answer(ok(&[], ""));
        write.await.unwrap();
    };
    put(&mut bench, "http://a/one").await;
    let before = bench.call(get("http://a/one"));
    let old = bench.next().await;
    put(&mut bench, "http://a/two").await;
    let after = bench.call(get("http://a/two"));
    bench.next().await.answer(ok(&[], "new"));
    old.answer(ok(&[], "old"));
    assert_eq!(text(before.await.unwrap()).await, "old");
    assert_eq!(text(after.await.unwrap()).await, "new");
    assert!(bench.group.is_empty());
}

fn grpc(path: &str, kind: &str, fields: &[(&str, &str)]) -> Request<RequestBody> {
    let request = Request::post(path).header("content-type", kind);
    let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Full::from("\0\0\0\0\0")).unwrap()
}

/// Trailers come when the head is everybody's: the ones that are announced count at the head (RFC 9110, 6.6.2).
#[tokio::test]
async fn s07_announced_trailers_that_hand_out_a_session_keep_an_answer() {
    for name in ["Set-Cookie", "x, Authentication-Info"] {
        let mut bench: Plain = bench(HttpSingleflightLayer::new());
        let one = bench.call(get("http://a/x"));
        let mut other = bench.call(get("http://a/x"));
        bench.next().await.answer(ok(&[("trailer", name)], "one"));
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(ok(&[], "other"));
        assert_eq!(text(one.await.unwrap()).await, "one");
        assert_eq!(text(other.await.unwrap()).await, "other");
        assert!(bench.group.is_empty());
    }
}

/// In gRPC-Web trailers are a frame of the body, in base64 perhaps.
#[tokio::test]
async fn s28_a_leaders_deadline_in_a_trailers_frame_of_grpc_web_is_its_own() {
    for (kind, frame) in [
        ("application/grpc-web+proto", &b"\x80\0\0\0\x10grpc-status: 4\r\n"[..]),
        ("application/grpc-web-text", b"gAAAABBncnBjLXN0YXR1czogNA0K"),
        ("application/grpc-web-text+proto", b"gAAAAA9ncnBjLXN0YXR1czo0DQo="),
    ] {
        let mut bench: Keyed = bench(HttpSingleflightLayer::new().grpc(["/p.S/Get"]));
        let one = bench.call(grpc("http://a/p.S/Get", kind, &[("grpc-timeout", "1m")]));
        let mut other = bench.call(grpc("http://a/p.S/Get", kind, &[]));
        bench.next().await.answer(Response::new(OriginBody::full(Bytes::from_static(frame))));
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(ok(&[], "fine"));
        let own = one.await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert_eq!(own, frame, "{kind}");
        assert_eq!(text(other.await.unwrap()).await, "fine", "{kind}");
        assert!(bench.group.is_empty());
    }
}

/// A size that is announced, a body that is larger or smaller than the window, every mode: nobody hangs, and a frame that
/// is not all of it keeps it.
#[tokio::test]
async fn alone_a_first_frame_that_is_longer_or_shorter_than_announced_is_not_all() {
    for (announced, frame) in [("20", "0123456789"), ("9", "0123456789")] {
        let layer = HttpSingleflightLayer::new().window(8).large_bodies(LargeBodies::Alone);
        let mut bench: Plain = bench(layer);
        let one = bench.call(get("http://a/x"));
        let mut other = bench.call(get("http://a/x"));
        let (frames, body) = OriginBody::streamed();
        frames.data(frame);
        drop(frames);
        let answer = Response::builder().header("content-length", announced).body(body).unwrap();
        bench.next().await.answer(answer);
        bench.settle().await;
        let _ = other.poll();
        bench.next().await.answer(status(200, &[], "own"));
        assert_eq!(text(one.await.unwrap()).await, frame);
        assert_eq!(text(other.await.unwrap()).await, "own");
        assert!(bench.group.is_empty());
    }
}
