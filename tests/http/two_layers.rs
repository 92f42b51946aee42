//! Two services with one group: two layers, or one layer value that was asked twice.

use http::{HeaderName, Response};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_test::task::spawn;
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    http::{ContentBody, HttpGroup, HttpSingleflight, LargeBodies},
};

use crate::{
    grpc::grpc,
    origin::{Answer, Held, Origin, OriginBody, RequestBody, get, ok, request, role, text},
};

type Two = (HttpSingleflight<Origin<RequestBody>>, HttpSingleflight<Origin<RequestBody>>);

/// Two layers with one group, over one origin.
fn two(one: HttpSingleflightLayer, other: HttpSingleflightLayer) -> (Two, mpsc::UnboundedReceiver<Held<RequestBody>>) {
    let group = HttpGroup::new();
    let (sender, held) = mpsc::unbounded_channel();
    let origin = Origin::new(sender);
    let services = (one.group(group.clone()).layer(origin.clone()), other.group(group).layer(origin));
    (services, held)
}

/// Waits for the call that a follower makes by itself.
async fn own_call(
    held: &mut mpsc::UnboundedReceiver<Held<RequestBody>>,
    follower: &mut JoinHandle<Answer>,
) -> Held<RequestBody> {
    tokio::select! {
        own = held.recv() => own.unwrap(),
        _ = follower => panic!("it has got the leader's answer"),
    }
}

#[tokio::test]
async fn s21_a_write_through_one_layer_fences_the_flights_of_another_in_its_group() {
    let ((mut reads, mut writes), mut held) = two(HttpSingleflightLayer::new(), HttpSingleflightLayer::new());
    let mut before = tokio_test::task::spawn(reads.call(get("/x")));
    assert!(before.poll().is_pending());
    let mut write = tokio_test::task::spawn(writes.call(request("PUT", "/x", &[])));
    assert!(write.poll().is_pending());
    let first = held.try_recv().unwrap();
    held.try_recv().unwrap().answer(ok(&[], "written"));
    assert!(write.poll().is_ready());
    let mut after = tokio_test::task::spawn(reads.call(get("/x")));
    assert!(after.poll().is_pending());
    assert!(held.try_recv().is_ok(), "the read after the write is a call of its own");
    assert!(held.try_recv().is_err());
    drop(first);
}

#[tokio::test]
async fn s19_s24_a_follower_gets_what_its_own_layer_was_told_whichever_its_leader_came_through() {
    for named_leads in [false, true] {
        let named = HttpSingleflightLayer::new().share_extension::<u32>().cache_status("named");
        let ((mut named, mut plain), mut held) = two(named, HttpSingleflightLayer::new());
        let (leader, follower) = if named_leads {
            (named.call(get("/x")), plain.call(get("/x")))
        } else {
            let leader = plain.call(get("/x"));
            (leader, named.call(get("/x")))
        };
        let calls = [leader, follower].map(tokio::spawn);
        let mut response = ok(&[], "x");
        response.extensions_mut().insert(7_u32);
        held.recv().await.unwrap().answer(response);
        for (call, by_named) in calls.into_iter().zip([named_leads, !named_leads]) {
            let response = call.await.unwrap().unwrap();
            assert_eq!(response.headers().contains_key("cache-status"), by_named);
            let extended = response.extensions().get::<u32>().is_some();
            assert_eq!(extended, by_named || role(&response) == Role::Leader);
        }
    }
}

#[tokio::test]
async fn s07_no_follower_gets_the_leaders_cookies_whichever_layer_it_came_through() {
    let ((mut strips, mut keeps), mut held) =
        two(HttpSingleflightLayer::new().strip_set_cookie(), HttpSingleflightLayer::new());
    let (leader, follower) = (strips.call(get("/x")), keeps.call(get("/x")));
    let [leader, mut follower] = [leader, follower].map(tokio::spawn);
    held.recv().await.unwrap().answer(ok(&[("set-cookie", "id=1")], "x"));
    assert_eq!(leader.await.unwrap().unwrap().headers()["set-cookie"], "id=1");
    own_call(&mut held, &mut follower).await.answer(ok(&[("set-cookie", "id=2")], "y"));
    assert_eq!(follower.await.unwrap().unwrap().headers()["set-cookie"], "id=2");
}

/// What one layer has in its keys, the requests of another may differ in and still meet.
#[tokio::test]
async fn s09_vary_counts_for_a_follower_whose_layer_leaves_the_field_out_of_the_key() {
    let plain = HttpSingleflightLayer::new;
    for (name, one, other) in [
        ("x-tenant", plain(), plain().ignore_headers(["x-tenant"])),
        ("cookie", plain().per_credential(), plain().ignore_cookies()),
        ("referer", plain().key_header(http::header::REFERER), plain()),
    ] {
        let ((mut one, mut other), mut held) = two(one, other);
        let calls = [one.call(get("/x")), other.call(request("GET", "/x", &[(name, "a=b")]))];
        let [leader, mut follower] = calls.map(tokio::spawn);
        held.recv().await.unwrap().answer(ok(&[("vary", name)], "of none"));
        assert_eq!(text(leader.await.unwrap().unwrap()).await, "of none");
        own_call(&mut held, &mut follower).await.answer(ok(&[("vary", name)], "its own"));
        assert_eq!(text(follower.await.unwrap().unwrap()).await, "its own", "{name}");
    }
}

#[tokio::test]
async fn s07_s05_d4_a_follower_gets_nothing_that_its_own_layer_keeps_for_the_leader() {
    let plain = HttpSingleflightLayer::new;
    for (layer, fields, status, head) in [
        (plain().keep_header(http::HeaderName::from_static("x-secret")), &[][..], 200, &[("x-secret", "1")][..]),
        (plain().share_authorized(), &[("authorization", "a")], 200, &[]),
        (plain().share_server_errors(false), &[], 503, &[]),
    ] {
        let ((mut one, mut other), mut held) = two(plain(), layer);
        let [leader, mut follower] = [one.call(get("/x")), other.call(request("GET", "/x", fields))].map(tokio::spawn);
        let answer = |body| {
            let mut answer = ok(head, body);
            *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
            answer
        };
        held.recv().await.unwrap().answer(answer("the leader's"));
        assert_eq!(text(leader.await.unwrap().unwrap()).await, "the leader's");
        own_call(&mut held, &mut follower).await.answer(answer("its own"));
        assert_eq!(text(follower.await.unwrap().unwrap()).await, "its own");
    }
}

/// Who is promised to be held up by nobody is not, whoever leads, and has what is there as a whole from either.
#[tokio::test]
async fn a_large_answer_is_shared_if_the_followers_own_layer_shares_such_ones() {
    let alone = || HttpSingleflightLayer::new().window(7);
    let stream = || alone().large_bodies(LargeBodies::Stream);
    let marked = || alone().cache_status("b");
    for (one, other, whole, shares) in [
        (stream(), alone(), false, false),
        (stream(), stream().cache_status("b"), false, true),
        (stream(), HttpSingleflightLayer::new(), false, true),
        (alone(), marked(), true, true),
        (alone(), marked(), false, false),
        (alone(), stream(), true, true),
    ] {
        let ((mut one, mut other), mut held) = two(one, other);
        let [leader, mut follower] = [one.call(get("/x")), other.call(get("/x"))].map(tokio::spawn);
        held.recv().await.unwrap().answer(if whole { ok(&[], "12345678") } else { in_pieces() });
        let leader = leader.await.unwrap().unwrap();
        if shares {
            let follower = tokio::select! {
                follower = follower => follower.unwrap().unwrap(),
                _ = held.recv() => panic!("it asks for itself"),
            };
            assert_eq!(
                futures_util::future::join(text(leader), text(follower)).await,
                ("12345678".into(), "12345678".into())
            );
        } else {
            own_call(&mut held, &mut follower).await.answer(ok(&[], "its own"));
            assert_eq!(text(leader).await, "12345678");
            assert_eq!(text(follower.await.unwrap().unwrap()).await, "its own");
        }
        assert!(held.try_recv().is_err());
    }
}

/// Eight bytes, as announced.
fn in_pieces() -> Response<OriginBody> {
    let (frames, body) = OriginBody::streamed();
    ["1234", "5678"].iter().for_each(|piece| frames.data(piece));
    let mut answer = Response::new(body);
    answer.headers_mut().insert("content-length", "8".parse().unwrap());
    answer
}

/// What comes in place of a message is judged by the follower's layer too, in each of its forms.
#[tokio::test]
async fn s07_d4_a_follower_gets_no_trailers_that_its_own_layer_keeps_for_the_leader() {
    let plain = || HttpSingleflightLayer::new().grpc(["/p.S/Get"]);
    let keeps = || plain().keep_header(HeaderName::from_static("x-mine"));
    let strict = || plain().share_server_errors(false);
    for (layer, form, shares) in [
        (keeps(), Form::Trailers("x-mine"), false),
        (keeps(), Form::Web("x-mine"), false),
        (keeps(), Form::Trailers("x-other"), true),
        (keeps(), Form::Web("x-other"), true),
        (strict(), Form::Trailers("x-mine"), true),
        (strict(), Form::Failed, false),
        (plain(), Form::Trailers("x-mine"), true),
        (plain(), Form::Failed, true),
    ] {
        let group = HttpGroup::new();
        let (sender, mut held) = mpsc::unbounded_channel::<Held<ContentBody<RequestBody>>>();
        let origin = Origin::new(sender);
        let (mut one, mut other) =
            (plain().group(group.clone()).layer(origin.clone()), layer.group(group).layer(origin));
        let calls = [one.call(grpc("p.S/Get", &[])), other.call(grpc("p.S/Get", &[]))];
        let [leader, mut follower] = calls.map(tokio::spawn);
        held.recv().await.unwrap().answer(form.answer());
        drop(leader.await.unwrap().unwrap());
        if !shares {
            let own = tokio::select! {
                own = held.recv() => own.unwrap(),
                _ = &mut follower => panic!("it has got the leader's answer: {form:?}"),
            };
            own.answer(ok(&[], "its own"));
        }
        drop(follower.await.unwrap().unwrap());
        assert!(held.try_recv().is_err(), "{form:?}");
    }
}

/// In what form a unary call ends that has no message.
#[derive(Debug)]
enum Form {
    /// With this field in its trailers.
    Trailers(&'static str),
    /// Likewise, in a frame of gRPC-Web.
    Web(&'static str),
    Failed,
}

impl Form {
    fn answer(&self) -> Response<OriginBody> {
        let (frames, body) = OriginBody::streamed();
        match self {
            Self::Trailers(name) => {
                let fields = [("grpc-status", "5"), (name, "1")]
                    .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)));
                frames.trailers(http::HeaderMap::from_iter(fields));
            }
            Self::Web(name) => {
                let lines = format!("grpc-status: 5\r\n{name}: 1\r\n");
                frames.bytes([&b"\x80\0\0\0"[..], &[lines.len() as u8], lines.as_bytes()].concat());
            }
            Self::Failed => frames.fail("broken"),
        }
        Response::new(body)
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
