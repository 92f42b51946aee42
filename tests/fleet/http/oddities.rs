//! What must not meet, and what must not wait: requests and answers that look alike.

use std::time::Duration;

use axum::extract::OriginalUri;
use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use tokio::{sync::mpsc, time::Instant};
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer, Limits,
    fleet::{Fleet, FleetReason, FleetRole, MemoryEngine},
    http::HttpGroup,
};

use super::{answered, ask, fleet, local, node, nodes};
use crate::origin::{Keyed, Origin, OriginBody, RequestBody, bench, bench_in, get, get_with, ok, request, text};

/// A layer above another one of the same name, as on a router and on one of its routes.
#[tokio::test(start_paused = true)]
async fn two_layers_of_one_name_above_each_other_do_not_wait_for_one_another() {
    let engine = MemoryEngine::new();
    let fleet = Fleet::new(engine.clone(), [7; 32]);
    let layer = || HttpSingleflightLayer::new().group(HttpGroup::new()).fleet(fleet.clone(), "pages");
    let (sender, mut held) = mpsc::unbounded_channel();
    let mut service = layer().layer(layer().layer(Origin::new(sender)));
    let call = tokio::spawn(service.call(get("/x")));
    let asked = Instant::now();
    held.recv().await.unwrap().answer(ok(&[], "rows"));
    let body = call.await.unwrap().unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "rows");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(engine.is_empty());
}

/// Clones of one layer value on two routes of a router, which both ask for the same stripped path.
#[tokio::test(start_paused = true)]
async fn s2_requests_that_a_router_has_stripped_meet_by_what_was_asked_for() {
    let engine = MemoryEngine::new();
    let stripped = |original: Option<&str>| {
        let mut request = get("/x");
        if let Some(original) = original {
            request.extensions_mut().insert(OriginalUri(original.parse().unwrap()));
        }
        request
    };
    let layers = [(); 2].map(|()| HttpSingleflightLayer::new().fleet(Fleet::new(engine.clone(), [7; 32]), "pages"));
    let (sender, mut held) = mpsc::unbounded_channel();
    let mut services = layers.each_ref().map(|layer| layer.layer(Origin::<RequestBody>::new(sender.clone())));
    let mut calls = Vec::new();
    for (at, original) in [(0, Some("/a/x")), (1, Some("/b/x")), (0, None), (1, None), (1, Some("/a/x"))] {
        calls.push(tokio::spawn(services[at].call(stripped(original))));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut answers = 0;
    while let Ok(held) = held.try_recv() {
        answers += 1;
        held.answer(ok(&[], ["", "a", "b", "own", "own too"][answers]));
    }
    assert_eq!(answers, 4);
    let mut found = Vec::new();
    for call in calls {
        let response = call.await.unwrap().unwrap();
        let role = fleet(&response);
        found.push((text(response).await, role));
    }
    let private = local(FleetReason::Private);
    let expected = [
        ("a", Some(FleetRole::Led)),
        ("b", Some(FleetRole::Led)),
        ("own", private),
        ("own too", private),
        ("a", Some(FleetRole::Followed)),
    ];
    assert_eq!(found, expected.map(|(text, role)| (text.to_owned(), role)));
}

#[tokio::test(start_paused = true)]
async fn a_head_of_one_process_is_that_of_another_and_has_no_content() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let (first, second) =
        (ask(&mut a, request("HEAD", "/x", &[])).await, ask(&mut b, request("HEAD", "/x", &[])).await);
    a.next().await.answer(ok(&[("content-length", "5000000"), ("etag", "\"x\"")], ""));
    for task in [first, second] {
        let response = answered(task).await;
        assert_eq!(
            (&response.headers()["content-length"], &response.headers()["etag"]),
            (&"5000000".parse().unwrap(), &"\"x\"".parse().unwrap())
        );
        assert_eq!(text(response).await, "");
    }
    assert_eq!(b.count().await, 0);
}

#[tokio::test(start_paused = true)]
async fn s30_a_client_of_http_1_0_has_the_answer_of_another_process_with_its_length() {
    for leads in [true, false] {
        let engine = MemoryEngine::new();
        let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
        let old = || {
            let mut request = get("/x");
            *request.version_mut() = Version::HTTP_10;
            request
        };
        let first = ask(&mut a, if leads { old() } else { get("/x") }).await;
        let second = ask(&mut b, if leads { get("/x") } else { old() }).await;
        let (frames, body) = OriginBody::streamed();
        a.next().await.answer(Response::new(body));
        frames.data("rows");
        drop(frames);
        assert_eq!(text(answered(first).await).await, "rows");
        if b.count().await == 1 {
            b.next().await.answer(ok(&[], "rows"));
        }
        let response = answered(second).await;
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(4), "leads: {leads}");
        assert_eq!(text(response).await, "rows");
    }
}

#[tokio::test(start_paused = true)]
async fn t21_content_of_two_processes_meets_if_it_is_equal() {
    let query = |content_type: &str, content: &'static str| -> Request<RequestBody> {
        let builder = Request::builder().method("QUERY").uri("/x").header("content-type", content_type);
        builder.body(Full::new(Bytes::from_static(content.as_bytes()))).unwrap()
    };
    let engine = MemoryEngine::new();
    let [mut a, mut b]: [Keyed; 2] = [(); 2].map(|()| {
        let layer = HttpSingleflightLayer::new().methods([Method::from_bytes(b"QUERY").unwrap()]).content_key(16);
        bench(layer.fleet(Fleet::new(engine.clone(), [7; 32]), "pages"))
    });
    let first = tokio::spawn(a.call(query("text/plain", "one")).into_inner());
    let held = a.next().await;
    for (kind, content) in [("text/plain", "two"), ("text/html", "one"), ("text/plain", "")] {
        let other = tokio::spawn(b.call(query(kind, content)).into_inner());
        b.next().await.answer(ok(&[], "other"));
        assert_eq!(text(answered(other).await).await, "other", "{kind} {content}");
    }
    let same = tokio::spawn(b.call(query("text/plain", "one")).into_inner());
    b.settle().await;
    held.answer(ok(&[], "rows"));
    for task in [first, same] {
        assert_eq!(text(answered(task).await).await, "rows");
    }
}

/// A method that is overridden may write, whatever it says.
#[tokio::test(start_paused = true)]
async fn s21_a_write_in_disguise_is_told_to_all_processes() {
    for (method, fields) in [
        ("POST", &[("x-http-method-override", "GET")][..]),
        ("GET", &[("x-http-method-override", "DELETE")][..]),
        ("PURGE", &[][..]),
    ] {
        let engine = MemoryEngine::new();
        let [mut a, mut b, mut c] = nodes(&engine, HttpSingleflightLayer::new);
        let before = ask(&mut a, get("http://h/x")).await;
        let write = ask(&mut b, request(method, "http://h/x", fields)).await;
        b.next().await.answer(ok(&[], "written"));
        answered(write).await;
        let after = ask(&mut c, get("http://h/x")).await;
        c.next().await.answer(ok(&[], "new"));
        assert_eq!(text(answered(after).await).await, "new", "{method}");
        a.next().await.answer(ok(&[], "old"));
        assert_eq!(text(answered(before).await).await, "old");
    }
}

/// The application has written past the layer, and says so: what this process asks for from then on is newer.
#[tokio::test(start_paused = true)]
async fn s21_a_fence_of_the_applications_own_holds_for_what_its_process_asks_for() {
    for elsewhere in [true, false] {
        let engine = MemoryEngine::new();
        let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
        let before = ask(&mut a, get("http://h/x")).await;
        let held = a.next().await;
        let reads = if elsewhere { &mut b } else { &mut a };
        reads.group.fence(None, "/x");
        let after = ask(reads, get("http://h/x")).await;
        reads.next().await.answer(ok(&[], "new"));
        assert_eq!(text(answered(after).await).await, "new");
        held.answer(ok(&[], "old"));
        assert_eq!(text(answered(before).await).await, "old");
    }
}

/// Writes go through a layer of their own, which is in no fleet.
#[tokio::test(start_paused = true)]
async fn s21_a_write_through_a_layer_of_the_same_group_without_a_fleet_holds_for_its_process() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let mut writes: crate::origin::Plain = bench_in(HttpSingleflightLayer::new(), b.group.clone());
    let before = ask(&mut a, get("http://h/x")).await;
    let held = a.next().await;
    let write = ask(&mut writes, request("POST", "http://h/x", &[])).await;
    writes.next().await.answer(ok(&[], "written"));
    answered(write).await;
    let after = ask(&mut b, get("http://h/x")).await;
    b.next().await.answer(ok(&[], "new"));
    assert_eq!(text(answered(after).await).await, "new");
    held.answer(ok(&[], "old"));
    assert_eq!(text(answered(before).await).await, "old");
}

/// Whoever follows waits as long as it was told to, wherever the leader is.
#[tokio::test(start_paused = true)]
async fn the_wait_that_the_layer_limits_ends_for_followers_of_other_processes_too() {
    let engine = MemoryEngine::new();
    let limited = |engine: &MemoryEngine| {
        let fleet = Fleet::new(engine.clone(), [7; 32]);
        let group = HttpGroup::with_limits(Limits::new().max_wait(Duration::from_secs(1)));
        bench_in::<_, RequestBody>(HttpSingleflightLayer::new().fleet(fleet, "pages"), group)
    };
    let (mut a, mut b) = (limited(&engine), limited(&engine));
    let first = ask(&mut a, get("/x")).await;
    let second = ask(&mut b, get("/x")).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(b.count().await, 1, "it has waited for as long as its group lets followers wait");
    a.next().await.answer(ok(&[], "rows"));
    b.next().await.answer(ok(&[], "own"));
    assert_eq!(text(answered(first).await).await, "rows");
    assert_eq!(text(answered(second).await).await, "own");
}

/// More than the operations that run at a time: those who find no room run without the fleet, and nothing is left.
#[tokio::test(start_paused = true)]
async fn ten_thousand_keys_at_once_are_answered_and_leave_nothing_behind() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    engine.takes(Duration::from_millis(5));
    let calls: Vec<_> = (0..10_000)
        .map(|number| {
            let node = if number % 2 == 0 { &mut a } else { &mut b };
            tokio::spawn(node.call(get(&format!("/{}", number / 2))).into_inner())
        })
        .collect();
    let mut runs = 0;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        for node in [&mut a, &mut b] {
            while let Ok(held) = node.held.try_recv() {
                runs += 1;
                held.answer(ok(&[], "rows"));
            }
        }
    }
    for call in calls {
        assert_eq!(text(answered(call).await).await, "rows");
    }
    assert!((5_000..=10_000).contains(&runs), "{runs}");
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(engine.unclosed(), 0);
    assert!(engine.is_empty() && a.group.is_empty() && b.group.is_empty());
}

/// Cookies that do not count are in no key; an answer that depends on them all the same is nobody else's.
#[tokio::test(start_paused = true)]
async fn s9_an_answer_that_varies_by_cookies_which_do_not_count_stays_with_its_user() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, || HttpSingleflightLayer::new().ignore_cookies());
    let of = |cookie: &str| get_with("/x", &[("cookie", cookie)]);
    let (first, second) = (ask(&mut a, of("_ga=1")).await, ask(&mut b, of("_ga=2")).await);
    a.next().await.answer(ok(&[("vary", "cookie")], "of 1"));
    assert_eq!(text(answered(first).await).await, "of 1");
    b.next().await.answer(ok(&[("vary", "cookie")], "of 2"));
    assert_eq!(text(answered(second).await).await, "of 2");
}

#[tokio::test(start_paused = true)]
async fn s20_an_answer_for_one_origin_does_not_reach_another() {
    let engine = MemoryEngine::new();
    let mut nodes = [(); 2].map(|()| node(&engine, HttpSingleflightLayer::new()));
    let [a, b] = &mut nodes;
    let first = ask(a, get_with("/x", &[("origin", "https://one")])).await;
    let second = ask(b, get_with("/x", &[("origin", "https://two")])).await;
    a.next().await.answer(ok(&[("access-control-allow-origin", "https://one")], "one's"));
    b.next().await.answer(ok(&[("access-control-allow-origin", "https://two")], "two's"));
    assert_eq!(answered(first).await.headers()["access-control-allow-origin"], "https://one");
    assert_eq!(answered(second).await.headers()["access-control-allow-origin"], "https://two");
}

/// The call of a unary method, answered with its status in the trailers, and the write that comes between two reads.
#[tokio::test(start_paused = true)]
async fn s21_s28_grpc_answers_come_with_their_trailers_and_end_where_the_service_was_written_to() {
    let grpc = |method: &str| -> Request<RequestBody> {
        let builder =
            Request::post(format!("http://a/pkg.Service/{method}")).header("content-type", "application/grpc");
        builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
    };
    let with_trailers = |code: &'static str, data: &'static str| {
        let (frames, body) = OriginBody::streamed();
        frames.data(data);
        frames.trailers([("grpc-status".parse().unwrap(), code.parse().unwrap())].into_iter().collect());
        Response::new(body)
    };
    let engine = MemoryEngine::new();
    let [mut a, mut b, mut c]: [Keyed; 3] = [(); 3].map(|()| {
        let layer = HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]);
        bench(layer.fleet(Fleet::new(engine.clone(), [7; 32]), "pages"))
    });
    let before = [&mut a, &mut b].map(|node| tokio::spawn(node.call(grpc("Get")).into_inner()));
    a.settle().await;
    let write = tokio::spawn(b.call(grpc("Put")).into_inner());
    b.next().await.answer(with_trailers("0", "done"));
    answered(write).await.into_body().collect().await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let after = tokio::spawn(c.call(grpc("Get")).into_inner());
    c.next().await.answer(with_trailers("0", "new"));
    a.next().await.answer(with_trailers("0", "old"));
    let mut found = Vec::new();
    for task in [after].into_iter().chain(before) {
        let response = answered(task).await;
        let role = fleet(&response);
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["grpc-status"], "0");
        found.push((collected.to_bytes(), role));
    }
    let expected = [("new", FleetRole::Led), ("old", FleetRole::Led), ("old", FleetRole::Followed)];
    assert_eq!(found, expected.map(|(text, role)| (Bytes::from(text), Some(role))));
}

/// A flight that is being closed can be joined, also through a layer that was not there when its answer was judged.
#[tokio::test(start_paused = true)]
async fn s9_a_layer_that_comes_as_a_flight_is_closed_leaves_nothing_uncompared() {
    let engine = MemoryEngine::new();
    let mut first = node(&engine, HttpSingleflightLayer::new());
    let leader = ask(&mut first, get("/x")).await;
    let held = first.next().await;
    engine.takes(Duration::from_millis(10));
    held.answer(ok(&[("vary", "x-tenant")], "of none"));
    first.settle().await;
    assert_eq!(first.group.in_flight(), 1);
    let layer = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]);
    let mut late: crate::origin::Plain = bench_in(layer, first.group.clone());
    let follower = ask(&mut late, get_with("/x", &[("x-tenant", "b")])).await;
    assert_eq!(late.count().await, 0, "it has joined");
    assert_eq!(text(answered(leader).await).await, "of none");
    late.next().await.answer(ok(&[("vary", "x-tenant")], "of b"));
    assert_eq!(text(answered(follower).await).await, "of b");
    assert!(first.group.is_empty());
}

/// In gRPC-Web they are in the content, in base64 perhaps.
#[tokio::test(start_paused = true)]
async fn s7_trailers_within_the_content_that_hand_out_a_session_reach_no_other_process() {
    for (content, expected) in [
        (&b"\0\0\0\0\x02ab\x80\0\0\0\x0fset-cookie: a\r\n"[..], FleetRole::Local(FleetReason::NotShareable)),
        (b"\0\0\0\0\x02ab\x80\0\0\0\x0fset_cookie: a\r\n", FleetRole::Followed),
        (b"AAAAAAJhYoAAAAAPc2V0LWNvb2tpZTogYQ0K", FleetRole::Local(FleetReason::NotShareable)),
    ] {
        let engine = MemoryEngine::new();
        let mut nodes: [Keyed; 2] = [(); 2].map(|()| {
            let layer = HttpSingleflightLayer::new().grpc(["/pkg.Service/Get"]);
            bench(layer.fleet(Fleet::new(engine.clone(), [7; 32]), "pages"))
        });
        let request = || {
            let builder = Request::post("http://a/pkg.Service/Get").header("content-type", "application/grpc-web");
            builder.body(Full::new(Bytes::from_static(b"m"))).unwrap()
        };
        let mut calls = Vec::new();
        for node in &mut nodes {
            calls.push(tokio::spawn(node.call(request()).into_inner()));
            node.settle().await;
        }
        let roles = [FleetRole::Led, expected];
        for ((node, task), role) in nodes.iter_mut().zip(calls).zip(roles) {
            if role != FleetRole::Followed {
                let mut answer = Response::new(OriginBody::full(content));
                answer.headers_mut().insert("content-type", "Application/gRPC-Web+proto".parse().unwrap());
                node.next().await.answer(answer);
            }
            let response = answered(task).await;
            assert_eq!(fleet(&response), Some(role), "{content:?}");
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), content);
            assert!(node.group.is_empty());
        }
    }
}

/// Written while the store is skipped, and read while it answers again.
#[tokio::test(start_paused = true)]
async fn s21_a_write_while_the_breaker_is_open_is_told_before_its_process_joins_there_again() {
    let engine = MemoryEngine::new();
    let [mut a, mut b] = nodes(&engine, HttpSingleflightLayer::new);
    let before = ask(&mut a, get("http://h/x")).await;
    let held = a.next().await;
    engine.fail();
    for path in ["/1", "/2", "/3"] {
        let task = ask(&mut b, get(path)).await;
        b.next().await.answer(ok(&[], "rows"));
        answered(task).await;
    }
    let asked = Instant::now();
    let write = ask(&mut b, request("POST", "http://h/x", &[])).await;
    b.next().await.answer(ok(&[], "written"));
    answered(write).await;
    assert!(asked.elapsed() < Duration::from_millis(5), "nobody waits for a store that is skipped");
    engine.resume();
    for wait in [0, 50, 500, 600] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let after = ask(&mut b, get("http://h/x")).await;
        b.next().await.answer(ok(&[], "new"));
        assert_eq!(text(answered(after).await).await, "new", "{wait}");
    }
    held.answer(ok(&[], "old"));
    assert_eq!(text(answered(before).await).await, "old");
}
