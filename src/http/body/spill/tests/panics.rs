//! Frames and bodies that panic as they are dropped.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicIsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::FutureExt;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};

use super::{
    super::SpillStore,
    FRAME,
    fake::{Fake, good},
    frames::{Frames, read},
    until,
};
use crate::http::body::{
    BodySource,
    observe::{BodyEvent, BodyObservers},
    settings::Settings,
};

/// What is kept in memory.
#[derive(Default)]
struct Held(AtomicIsize);

impl BodyObservers for Held {
    fn count(&self) -> usize {
        1
    }

    fn tell(&self, _: usize, event: BodyEvent) {
        if let BodyEvent::Held(bytes) = event {
            self.0.fetch_add(bytes, SeqCst);
        }
    }
}

/// A reader that waits for room gets it all the same, and what is kept in memory is counted right.
#[tokio::test(start_paused = true)]
async fn frames_that_panic_as_they_are_dropped_hold_nobody_up() {
    let (store, held) = (SpillStore::on(good(), 1 << 30, 1 << 30), Arc::new(Held::default()));
    let body = Frames::new(1_000, FRAME, true);
    let (whole, alive) = (body.whole(), Arc::clone(&body.alive));
    alive.panics.store(true, SeqCst);
    let began = Instant::now();
    let source = BodySource::new(body).settings(Arc::new(Settings {
        spill: store.clone(),
        observers: Some(held.clone()),
        ..Settings::default()
    }));
    let slow = source.clone().into_reader();
    assert_eq!(read(source.into_reader(), Duration::ZERO).await.unwrap(), whole);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(store.used() > whole as u64 / 2);
    drop(slow);
    until(|| alive.now.load(SeqCst) == 0 && held.0.load(SeqCst) == 0 && store.used() == 0).await;
}

/// This holds also for frames that all readers have taken before they are written.
#[tokio::test(start_paused = true)]
async fn a_write_does_not_fail_by_frames_that_panic_as_they_are_dropped() {
    let (held, hangs) = std::sync::mpsc::channel();
    let store = SpillStore::on(Fake { hangs: Some(Arc::new(Mutex::new(hangs))), ..good() }, 1 << 30, 1 << 30);
    let body = Frames::new(1_000, FRAME, true);
    let (whole, alive) = (body.whole(), Arc::clone(&body.alive));
    let source = BodySource::new(body).spill(store.clone());
    let mut slow = source.clone().into_reader();
    let mut fast = task::spawn(read(source.into_reader(), Duration::ZERO));
    assert_pending!(fast.poll());
    while alive.now.load(SeqCst) > (3 << 20) / 4 {
        slow.frame().await.unwrap().unwrap();
    }
    alive.panics.store(true, SeqCst);
    drop(held);
    let began = Instant::now();
    assert_eq!(fast.await.unwrap(), whole);
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(slow);
    until(|| store.used() == 0).await;
}

/// What could not be read back is no clean end, whoever asks again.
#[tokio::test]
async fn a_body_that_panics_as_it_is_dropped_after_an_error_looks_as_if_it_broke_off() {
    let store = SpillStore::on(Fake { reads: false, ..good() }, 1 << 30, 1 << 30);
    let body = Frames::new(1_000, FRAME, true);
    let alive = Arc::clone(&body.alive);
    let source = BodySource::new(body).spill(store.clone());
    let (mut slow, mut fast) = (source.clone().into_reader(), source.into_reader());
    for _ in 0..200 {
        fast.frame().await.unwrap().unwrap();
    }
    drop(fast);
    until(|| store.used() > 0).await;
    alive.body_panics.store(true, SeqCst);
    let panicked = tokio::spawn(async move {
        let polled = AssertUnwindSafe(slow.frame()).catch_unwind().await;
        (polled.is_err(), slow.is_end_stream(), slow.size_hint().exact())
    });
    assert_eq!(panicked.await.unwrap(), (true, false, None));
}
