//! One layer value above and below an auth layer (S2).

use bytes::Bytes;
use http::{Request, Response, header, request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio_test::task::spawn;
use tower::{Service, ServiceBuilder};
use tower_singleflight::HttpSingleflightLayer;

use crate::origin::{Held, Origin, OriginBody, RequestBody, get, get_with};

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

#[derive(Clone, Eq, Hash, PartialEq)]
struct User(String);

/// What an auth layer does.
fn auth(mut request: Request<RequestBody>) -> Request<RequestBody> {
    let mut user = String::from("nobody");
    let api_key = header::HeaderName::from_static("x-api-key");
    for name in [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, api_key] {
        if let Some(value) = request.headers_mut().remove(name) {
            user = value.to_str().unwrap().to_owned();
        }
    }
    request.extensions_mut().insert(User(user));
    request
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

/// Though their credentials are gone there: the layer need not guess.
#[tokio::test]
async fn s02_below_an_auth_layer_one_users_requests_share_where_the_layer_is_told_who_asks() {
    let user = |parts: &request::Parts| parts.extensions.get::<User>().cloned();
    for layer in [HttpSingleflightLayer::new().identity(user), HttpSingleflightLayer::new().key_fn(user)] {
        let (sender, mut held) = mpsc::unbounded_channel::<Held<RequestBody>>();
        let mut service =
            ServiceBuilder::new().layer(&layer).map_request(auth).layer(&layer).service(Origin::new(sender));
        let mut asks = |user| spawn(service.call(get_with("http://a/x", &[("authorization", user)])));
        let mut callers = ["ann", "bob", "ann"].map(|user| (user, asks(user)));
        for (_, caller) in &mut callers {
            assert!(caller.poll().is_pending());
        }
        for user in ["ann", "bob"] {
            let held = held.recv().await.unwrap();
            assert!(held.request.extensions().get() == Some(&User(user.into())));
            held.answer(Response::new(OriginBody::full(user)));
        }
        assert!(held.try_recv().is_err(), "one call for each of the two");
        for (user, caller) in callers {
            assert_eq!(read(caller.await.unwrap()).await, user);
        }
    }
}
