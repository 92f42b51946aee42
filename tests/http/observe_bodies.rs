//! What an observer of an HTTP layer is told of bodies that several read.

use std::sync::{
    Arc,
    atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed},
};

use http_body_util::BodyExt;
use tower_singleflight::{
    Event, HttpSingleflightLayer, Observer, SharedBody,
    http::{HttpEvent, HttpObserver},
};

use crate::origin::{Frames, OriginBody, bench, get};

/// Adds up what it is told.
#[derive(Default)]
struct Sums {
    held: AtomicIsize,
    ended: AtomicUsize,
    lagged: AtomicUsize,
    /// What told of no bytes or of no reader; that of a body's end is of two at least, since fewer share nothing.
    idle: AtomicUsize,
}

impl Observer for Sums {
    fn on(&self, _: &Event<'_>) {}
}

impl HttpObserver for Sums {
    fn on_http(&self, event: &HttpEvent<'_>) {
        let idle = match *event {
            HttpEvent::Held { bytes } => bytes == 0,
            HttpEvent::BodyEnded { readers } => readers < 2,
            HttpEvent::Lagged { readers } => readers == 0,
            _ => false,
        };
        self.idle.fetch_add(usize::from(idle), Relaxed);
        match *event {
            HttpEvent::Held { bytes } => _ = self.held.fetch_add(bytes, Relaxed),
            HttpEvent::BodyEnded { readers } => _ = self.ended.fetch_add(readers, Relaxed),
            HttpEvent::Lagged { readers } => _ = self.lagged.fetch_add(readers, Relaxed),
            _ => {}
        }
    }
}

impl Sums {
    #[track_caller]
    fn assert(&self, held: isize, ended: usize, lagged: usize) {
        let now = [self.held.load(Relaxed), self.ended.load(Relaxed) as isize, self.lagged.load(Relaxed) as isize];
        assert_eq!(now, [held, ended as isize, lagged as isize], "held, ended, lagged");
        assert_eq!(self.idle.load(Relaxed), 0, "told of nothing");
    }
}

/// The body of one answer, for so many.
async fn shared(layer: HttpSingleflightLayer, readers: usize) -> (Arc<Sums>, Frames, Vec<SharedBody<OriginBody>>) {
    let sums = Arc::new(Sums::default());
    let mut bench = bench(layer.observe(Arc::clone(&sums)));
    let calls: Vec<_> = (0..readers).map(|_| bench.call(get("/x"))).collect();
    let (frames, body) = OriginBody::streamed();
    bench.next().await.answer(http::Response::new(body));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().into_body());
    }
    (sums, frames, bodies)
}

/// What a frame weighs beside its data.
const FRAME: isize = 64;

#[tokio::test]
async fn what_is_kept_for_slower_readers_is_told_until_all_have_read_it() {
    let (sums, frames, mut bodies) = shared(HttpSingleflightLayer::new(), 3).await;
    for held in 1..=4 {
        frames.data("ten bytes!");
        bodies[0].frame().await.unwrap().unwrap();
        sums.assert(held * (10 + FRAME), 0, 0);
    }
    bodies[1].frame().await.unwrap().unwrap();
    sums.assert(4 * (10 + FRAME), 0, 0);
    bodies[2].frame().await.unwrap().unwrap();
    sums.assert(3 * (10 + FRAME), 0, 0);
    drop(frames);
    for body in bodies {
        sums.assert(sums.held.load(Relaxed), 0, 0);
        body.collect().await.unwrap();
    }
    sums.assert(0, 3, 0);
}

#[tokio::test]
async fn nothing_is_kept_for_those_who_have_left() {
    let (sums, frames, mut bodies) = shared(HttpSingleflightLayer::new(), 3).await;
    frames.data("one");
    frames.data("two");
    for _ in 0..2 {
        bodies[0].frame().await.unwrap().unwrap();
    }
    bodies[1].frame().await.unwrap().unwrap();
    sums.assert(2 * (3 + FRAME), 0, 0);
    bodies.pop();
    sums.assert(3 + FRAME, 0, 0);
    bodies.pop();
    sums.assert(0, 0, 0);
    bodies.pop();
    sums.assert(0, 3, 0);
}

#[tokio::test]
async fn nothing_is_kept_after_a_body_that_broke_off() {
    let (sums, frames, mut bodies) = shared(HttpSingleflightLayer::new(), 2).await;
    frames.data("one");
    frames.fail("cut");
    bodies[0].frame().await.unwrap().unwrap();
    bodies[0].frame().await.unwrap().unwrap_err();
    sums.assert(3 + FRAME, 0, 0);
    drop(bodies);
    sums.assert(0, 2, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_for_a_reader_that_was_cut() {
    let (sums, frames, mut bodies) = shared(HttpSingleflightLayer::new().window(1), 2).await;
    frames.data("one");
    frames.data("two");
    drop(frames);
    bodies[0].frame().await.unwrap().unwrap();
    sums.assert(3 + FRAME, 0, 0);
    // It waits for room, until the other is cut.
    bodies[0].frame().await.unwrap().unwrap();
    sums.assert(0, 0, 1);
    drop(bodies);
    sums.assert(0, 2, 1);
}

#[cfg(feature = "spill")]
#[tokio::test]
async fn what_lies_on_disk_is_not_kept_in_memory() {
    use tower_singleflight::http::LargeBodies;

    const HUNDRED: &str =
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

    let layer = HttpSingleflightLayer::new()
        .window(1 << 10)
        .large_bodies(LargeBodies::Spill { per_body: 1 << 20, total: 1 << 20 });
    let (sums, frames, mut bodies) = shared(layer, 2).await;
    for _ in 0..64 {
        frames.data(HUNDRED);
        bodies[0].frame().await.unwrap().unwrap();
        // The disk's thread tells what it has taken over a moment after there is room for more.
        while sums.held.load(Relaxed) > (1 << 10) + 100 + FRAME {
            tokio::task::yield_now().await;
        }
    }
    drop(frames);
    assert_eq!(bodies.pop().unwrap().collect().await.unwrap().to_bytes().len(), 6_400);
    drop(bodies);
    sums.assert(0, 2, 0);
}

#[tokio::test]
async fn of_a_body_that_one_reads_nothing_is_told() {
    let (sums, frames, mut bodies) = shared(HttpSingleflightLayer::new(), 1).await;
    frames.data("one");
    drop(frames);
    bodies.pop().unwrap().collect().await.unwrap();
    sums.assert(0, 0, 0);
}
