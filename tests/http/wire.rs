//! What is on the wire: three clients on one flight get, byte for byte, what each would have got alone, and their
//! connections keep their place.
//!
//! To this kind belongs every body that an origin can send: of known, unknown or wrong length, in any number of frames,
//! with or without trailers, which ends, fails or is given up at any frame; and every client that is served sooner or
//! later than the others.

mod clients;
mod server;
mod shape;

use std::time::{Duration, Instant};

use http::{Response, Version};
use hyper::body::Incoming;
use tokio::{
    net::TcpStream,
    sync::mpsc::UnboundedReceiver,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower_singleflight::http::Heads;

use self::{
    clients::{ask_2, ask_raw},
    server::{CLIENTS, Server},
    shape::{DATE, Shape, shapes},
};
use crate::{
    origin::{Bench, Held, OriginBody, get_with},
    sockets::TOO_LONG,
};

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            yield_now().await;
        }
    };
    timeout(TOO_LONG, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Answers one request at once, with all that belongs to it.
fn play(held: Held<Incoming>, shape: &Shape) {
    if held.request.uri().path() == "/next" {
        let next = Response::builder().header("date", DATE).body(OriginBody::full("next!")).unwrap();
        return held.answer(next);
    }
    let (frames, response) = shape.response();
    held.answer(response);
    if let Some(frames) = frames {
        shape.steps.iter().for_each(|step| step.send(&frames));
    }
}

/// Returns what so many clients saw, how many calls the origin got for what they asked first, and how long the first of these
/// took at most.
async fn seen(shape: &Shape, versions: &[Version], late: [usize; CLIENTS]) -> (Vec<Vec<u8>>, usize, Duration) {
    let began = Instant::now();
    let Server { mut bench, address, sent } = Server::start(late).await;
    let mut asking = JoinSet::new();
    for (client, version) in versions.iter().copied().enumerate() {
        // In order: the nth connection is the nth client's.
        let stream = TcpStream::connect(address).await.unwrap();
        let method = shape.method;
        asking.spawn(async move {
            let seen = if version == Version::HTTP_2 {
                ask_2(stream, method).await
            } else {
                ask_raw(stream, version, method).await
            };
            (client, seen)
        });
        until("a caller more", || callers(&bench, shape, version) == client + 1).await;
    }
    let held = next(&mut bench.held).await;
    let mut calls = 1;
    let (frames, response) = shape.response();
    held.answer(response);
    bench.settle().await;
    let took = began.elapsed();
    if let Some(frames) = frames {
        for step in &shape.steps {
            // Whoever is not late takes its share before the next one is there.
            bench.settle().await;
            step.send(&frames);
            sent.send_modify(|sent| *sent += 1);
        }
        bench.settle().await;
    }
    sent.send_replace(usize::MAX);
    let mut seen = vec![Vec::new(); versions.len()];
    while !asking.is_empty() {
        tokio::select! {
            Some(held) = bench.held.recv() => {
                calls += usize::from(held.request.uri().path() == "/x");
                play(held, shape);
            }
            Some(done) = asking.join_next() => {
                let (client, bytes) = done.unwrap();
                seen[client] = bytes;
            }
        }
    }
    until("an empty group", || bench.group.is_empty()).await;
    (seen, calls, took)
}

/// Returns what all clients of one version saw, and how many calls the origin got. On a machine so busy that a failure takes
/// longer than the least time to be late in, who came late to it would try again (D9): then it asks anew.
async fn seen_soon(shape: &Shape, version: Version, late: [usize; CLIENTS]) -> (Vec<Vec<u8>>, usize) {
    for _ in 0..50 {
        let (seen, calls, took) = seen(shape, &[version; CLIENTS], late).await;
        if shape.status < 500 || took < Duration::from_millis(25) {
            return (seen, calls);
        }
    }
    panic!("this machine is too busy for {shape:?}")
}

fn callers(bench: &Bench<Heads, Incoming>, shape: &Shape, version: Version) -> usize {
    let mut request =
        if version == Version::HTTP_2 { get_with("http://a/x", &[]) } else { get_with("/x", &[("host", "a")]) };
    *request.method_mut() = shape.method.parse().unwrap();
    bench.callers(request)
}

async fn next(held: &mut UnboundedReceiver<Held<Incoming>>) -> Held<Incoming> {
    timeout(TOO_LONG, held.recv()).await.expect("a request arrives").expect("a request arrives")
}

/// Over HTTP/2 a reset takes with it what has not been flushed, so how much of a broken answer is seen is a matter of
/// time, alone too; that it is broken, and that the connection goes on, is not.
fn assert_broken_off_2(shape: &Shape, text: &str, case: &str) {
    let next = format!("200 OK {{\"date\": \"{DATE}\", \"content-length\": \"5\"}};next!;end;");
    let first = text.strip_suffix(&next).unwrap_or_else(|| panic!("{case}: {text}"));
    if first != "no answer;" {
        let broken = first.strip_suffix(";broken off;").unwrap_or_else(|| panic!("{case}: {text}"));
        let (head, data) = broken.split_once("};").unwrap_or_else(|| panic!("{case}: {text}"));
        assert!(head.starts_with(&shape.status.to_string()) && shape.data().starts_with(data), "{case}: {text}");
    }
}

async fn all_see_what_each_would_alone(version: Version) {
    let shapes = shapes();
    assert!(shapes.len() >= 40, "{} shapes", shapes.len());
    for shape in &shapes {
        let (mut alone, ..) = seen(shape, &[version], [0; CLIENTS]).await;
        let alone = alone.remove(0);
        let steps = shape.steps.len();
        let mut stages = vec![[0, 0, 0]];
        stages.extend((1..=steps).map(|step| [0, step, 0]));
        stages.extend([[steps, 0, 1.min(steps)], [steps; 3]]);
        for late in stages {
            let (seen, calls) = seen_soon(shape, version, late).await;
            for (client, bytes) in seen.iter().enumerate() {
                let (text, alone) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&alone));
                let case = format!("{version:?} {shape:?}, client {client} of {late:?}");
                if shape.breaks_off() && version == Version::HTTP_2 {
                    assert_broken_off_2(shape, &text, &case);
                } else if text != alone && (shape.is_too_long() || late[client] > 0 || calls > 1) && shape.breaks_off()
                {
                    // Alone, hyper cuts what is too much, in silence; where it looks further than what was announced,
                    // those who share are told. And what has not been flushed when a body breaks off is not sent, alone
                    // too: one that is served late, or on its own, may see less. Nothing follows it.
                    assert!(alone.starts_with(&*text) && !text.ends_with("next!"), "{case}: {text}");
                } else {
                    assert_eq!(text, alone, "{case}");
                }
            }
            // S30: one that breaks off would look whole.
            let shared = version != Version::HTTP_10 || shape.has_length();
            assert_eq!(calls, if shared { 1 } else { CLIENTS }, "{version:?} {shape:?} {late:?}");
        }
    }
}

#[tokio::test]
async fn s16_s18_s30_three_http_1_0_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_10).await;
}

#[tokio::test]
async fn s16_s18_three_http_1_1_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_11).await;
}

#[tokio::test]
async fn s16_s18_three_http_2_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_2).await;
}

/// Who speaks HTTP/1.0 leads, or follows: what is of unknown length is its own, and the others share without it.
#[tokio::test]
async fn s30_clients_of_all_versions_on_one_flight_get_what_each_would_alone() {
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
    for shape in shapes().iter().filter(|shape| !shape.breaks_off()) {
        for first in 0..CLIENTS {
            let mut order = versions;
            order.rotate_left(first);
            let (seen_together, calls, _) = seen(shape, &order, [0; CLIENTS]).await;
            for (version, bytes) in order.iter().zip(&seen_together) {
                let (alone, ..) = seen(shape, &[*version], [0; CLIENTS]).await;
                let (text, alone) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&alone[0]));
                assert_eq!(text, alone, "{shape:?} {version:?} among {order:?}");
            }
            assert_eq!(calls, if shape.has_length() { 1 } else { 2 }, "{shape:?} {order:?}");
        }
    }
}
