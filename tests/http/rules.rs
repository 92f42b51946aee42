//! Rules that take more than one request, or many, to break.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tower_singleflight::{HttpSingleflightLayer, Role, http::BodySource};

use crate::origin::{bench, get, get_with, ok, role, status, text};

#[tokio::test]
async fn t15_nobody_without_a_range_sees_a_part() {
    for ranges in [&[None, Some("bytes=0-9")][..], &[Some("bytes=0-9"), Some("bytes=10-19"), None]] {
        let mut bench = bench(HttpSingleflightLayer::new());
        let calls: Vec<_> = ranges
            .iter()
            .map(|range| bench.call(range.map_or_else(|| get("/x"), |range| get_with("/x", &[("range", range)]))))
            .collect();
        assert_eq!(bench.count().await, ranges.len());
        for _ in ranges {
            let held = bench.next().await;
            let part = held.request.headers().contains_key("range");
            held.answer(status(if part { 206 } else { 200 }, &[], "x"));
        }
        for (call, range) in calls.into_iter().zip(ranges) {
            assert_eq!(call.await.unwrap().status(), if range.is_some() { 206 } else { 200 });
        }
    }
}

#[tokio::test]
async fn t16_nobody_without_a_condition_sees_that_nothing_has_changed() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let conditional = bench.call(get_with("/x", &[("if-none-match", "\"1\"")]));
    let plain = bench.call(get("/x"));
    let (first, second) = (bench.next().await, bench.next().await);
    first.answer(status(304, &[], ""));
    second.answer(ok(&[], "rows"));
    assert_eq!(conditional.await.unwrap().status(), 304);
    assert_eq!(text(plain.await.unwrap()).await, "rows");
}

#[tokio::test]
async fn s22_the_key_is_free_before_anybody_has_the_answer() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let mut calls: Vec<_> = (0..3).map(|_| bench.call(get("/x"))).collect();
    bench.next().await.answer(ok(&[], "x"));
    bench.settle().await;
    for call in &mut calls {
        assert!(call.is_woken());
        assert!(bench.group.is_empty());
        assert!(call.poll().is_ready());
    }
}

#[tokio::test]
async fn s23_no_request_is_sent_twice() {
    let mut bench = bench(HttpSingleflightLayer::new().share_server_errors(false));
    let answers: Vec<_> = (0..20)
        .map(|id| {
            let call = bench.call(get_with("/x", &[("x-id", &id.to_string())]));
            tokio::spawn(call.into_inner())
        })
        .collect();
    let mut sent = BTreeMap::new();
    // An error of its own, an answer that fails, one that is private: whatever comes, each asks once.
    for turn in 0..20 {
        let held = bench.next().await;
        *sent.entry(held.request.headers()["x-id"].clone().to_str().unwrap().to_owned()).or_insert(0) += 1;
        match turn % 3 {
            0 => held.answer(status(503, &[], "")),
            1 => held.fail("down"),
            _ => held.answer(ok(&[("cache-control", "private")], "x")),
        }
    }
    for answer in answers {
        let _ = answer.await.unwrap();
    }
    assert_eq!(bench.count().await, 20);
    assert!(sent.len() == 20 && sent.values().all(|times| *times == 1));
}

#[tokio::test]
async fn t39_a_thousand_rounds_of_coming_and_going_leave_nobody_waiting() {
    let mut random = StdRng::seed_from_u64(39);
    let mut bench = bench(HttpSingleflightLayer::new());
    for _ in 0..1000 {
        let mut calls = Vec::new();
        let mut held = Vec::new();
        for _ in 0..random.random_range(1..12) {
            match random.random_range(0..6) {
                0..3 => calls.push(bench.call(get("/x"))),
                3 if !calls.is_empty() => drop(calls.swap_remove(random.random_range(0..calls.len()))),
                4 => {
                    bench.settle().await;
                    held.extend(std::iter::from_fn(|| bench.held.try_recv().ok()));
                }
                5 => {
                    if let Some(held) = held.pop() {
                        held.answer(ok(&[], "x"));
                    }
                }
                _ => {}
            }
            assert!(bench.callers(get("/x")) <= calls.len());
        }
        // All who are left are answered, by one flight or by the next.
        let mut waiting: Vec<_> = calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect();
        while !waiting.is_empty() {
            bench.settle().await;
            held.extend(std::iter::from_fn(|| bench.held.try_recv().ok()));
            held.drain(..).for_each(|held| held.answer(ok(&[], "x")));
            bench.settle().await;
            let done = waiting.iter().position(tokio::task::JoinHandle::is_finished);
            let done = done.unwrap_or_else(|| panic!("{} callers wait for nothing", waiting.len()));
            let answer = waiting.swap_remove(done).await.unwrap();
            assert_eq!(text(answer.unwrap()).await, "x");
        }
        assert!(bench.group.is_empty());
        while bench.held.try_recv().is_ok() {}
    }
}

/// Chunks that know how many of them are kept.
struct Chunks {
    left: usize,
    kept: Arc<AtomicUsize>,
}

struct Chunk(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.kept.fetch_add(1, SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(Chunk(vec![7; 1024], Arc::clone(&self.kept)))))))
    }
}

/// The clock stands still: on a busy machine readers would be cut that have not been polled for long.
#[tokio::test(start_paused = true)]
async fn t51_what_is_kept_is_bounded_by_the_window_and_neither_by_body_nor_readers() {
    const WINDOW: usize = 64;
    let kept = Arc::new(AtomicUsize::new(0));
    let source = BodySource::new(Chunks { left: 20_000, kept: Arc::clone(&kept) }).window(WINDOW * 1024);
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..100 {
        let (mut body, kept) = (source.clone().into_reader(), Arc::clone(&kept));
        readers.spawn(async move {
            let (mut bytes, mut most) = (0, 0);
            while let Some(frame) = body.frame().await {
                bytes += frame.unwrap().into_data().unwrap().len();
                most = most.max(kept.load(SeqCst));
                if bytes / 1024 % 97 == reader {
                    tokio::task::yield_now().await;
                }
            }
            (bytes, most)
        });
    }
    drop(source);
    while let Some(reader) = readers.join_next().await {
        let (bytes, most) = reader.unwrap();
        assert_eq!(bytes, 20_000 * 1024);
        // The frame that goes over the window, and the one in the reader's hand.
        assert!(most <= WINDOW + 2, "{most} KiB kept for a window of {WINDOW}");
    }
    assert_eq!(kept.load(SeqCst), 0);
}

#[tokio::test]
async fn a_flight_without_its_leader_still_has_followers_by_role() {
    let mut bench = bench(HttpSingleflightLayer::new());
    let leader = bench.call(get("/x"));
    let follower = bench.call(get("/x"));
    drop(leader);
    bench.next().await.answer(ok(&[], "x"));
    assert_eq!(role(&follower.await.unwrap()), Role::Follower);
}

#[tokio::test]
async fn s05_an_anonymous_answer_that_says_nothing_is_not_for_a_user() {
    for (said, expected) in [(&[][..], 2), (&[("cache-control", "public")], 1)] {
        let mut bench = bench(HttpSingleflightLayer::new().share_authorized());
        let calls = [
            bench.call(get("/x")),
            bench.call(get("/x")),
            bench.call(get_with("/x", &[("authorization", "Bearer a")])),
        ];
        let tasks = calls.map(|call| tokio::spawn(async { text(call.await.unwrap()).await }));
        bench.next().await.answer(ok(said, "guest"));
        assert_eq!(bench.count().await, expected);
        if expected == 2 {
            let held = bench.next().await;
            assert!(held.request.headers().contains_key("authorization"));
            held.answer(ok(said, "user"));
        }
        let [guest, other, user] = tasks;
        assert_eq!((guest.await.unwrap(), other.await.unwrap()), ("guest".into(), "guest".into()));
        assert_eq!(user.await.unwrap(), if expected == 2 { "user" } else { "guest" });
        assert!(bench.group.is_empty());
    }
}
