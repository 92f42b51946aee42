//! Bodies that do not fit the window, on disks that work, fail or hang.

mod fake;
mod frames;
mod panics;

use std::{
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use http_body_util::BodyExt;
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready, task};

use self::{
    fake::{Fake, good},
    frames::{Frames, read},
};
use super::SpillStore;
use crate::http::body::{BodyError, BodySource};

#[test]
fn a_store_shows_its_limits_and_how_much_is_in_use() {
    let store = SpillStore::on(good(), 10, 20);
    assert_eq!(format!("{store:?}"), "SpillStore { limits: Some((10, 20)), used: 0, .. }");
}

/// Waits for a write that was under way when the last reader left.
async fn until(done: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        tokio::task::spawn_blocking(std::thread::yield_now).await.unwrap();
    }
    panic!("not all was given back");
}

const FRAME: usize = 16 << 10;
const SECOND: Duration = Duration::from_secs(1);

/// Nine fast readers beside a slow one; returns how long the fast ones took, and what the slow one got.
async fn ten(store: &SpillStore, body: Frames, pause: Duration) -> (Duration, Result<usize, BodyError>) {
    let whole = body.whole();
    let source = BodySource::new(body).spill(store.clone());
    let began = Instant::now();
    let slow = tokio::spawn(read(source.clone().into_reader(), pause));
    let fast: Vec<_> = (0..9).map(|_| tokio::spawn(read(source.clone().into_reader(), Duration::ZERO))).collect();
    drop(source);
    for fast in fast {
        assert_eq!(fast.await.unwrap().unwrap(), whole);
    }
    let took = began.elapsed();
    let slow = slow.await.unwrap();
    until(|| store.used() == 0).await;
    (took, slow)
}

#[tokio::test(start_paused = true)]
async fn with_room_to_spill_nobody_waits_and_nobody_is_cut() {
    for (pause, frames) in [(4_000, 56), (4_000, 300), (100, 1_000), (10, 4_096)] {
        for known in [false, true] {
            let disk = good();
            let store = SpillStore::on(disk.clone(), 1 << 30, 1 << 30);
            let body = Frames::new(frames, FRAME, known);
            let (whole, alive) = (body.whole(), Arc::clone(&body.alive));
            let (took, slow) = ten(&store, body, Duration::from_millis(pause)).await;
            assert_eq!((took, slow.unwrap()), (Duration::ZERO, whole));
            until(|| disk.files.load(SeqCst) == 0).await;
            let peak = alive.peak.load(SeqCst);
            assert!(peak <= (1 << 20) + 2 * FRAME, "{peak} bytes in memory");
        }
    }
}

/// This gives the disk time while the rest of the window fills, and a reader close behind does not read from it.
#[tokio::test]
async fn a_write_begins_at_three_quarters_of_the_window_and_leaves_a_quarter_in_memory() {
    // A frame weighs 64 bytes more than its data.
    const WINDOW: usize = 16 * (FRAME + 64);
    let (held, hangs) = std::sync::mpsc::channel();
    let disk = Fake { hangs: Some(Arc::new(Mutex::new(hangs))), ..good() };
    let store = SpillStore::on(disk.clone(), 1 << 30, 1 << 30);
    let source = BodySource::new(Frames::new(16, FRAME, true)).window(WINDOW).spill(store.clone());
    let slow = source.clone().into_reader();
    let mut fast = source.into_reader();
    for taken in 1..=16 {
        fast.frame().await.unwrap().unwrap();
        let written = if taken > 12 { 8 * FRAME } else { 0 };
        assert_eq!(store.used(), written as u64, "{taken} frames taken");
    }
    drop((held, slow, fast));
    until(|| disk.files.load(SeqCst) == 0 && store.used() == 0).await;
}

/// What is there is not lost, and nobody waits for longer than without a disk.
#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_more_is_as_none() {
    let disks = [
        (Fake::default(), u64::MAX),
        (Fake { writes: 0, ..good() }, u64::MAX),
        (Fake { writes: 200, ..good() }, u64::MAX),
        (good(), 0),
        (good(), 3 << 20),
    ];
    for (disk, total) in disks {
        for (per_body, total) in [(u64::MAX, total), (total, u64::MAX)] {
            let store = SpillStore::on(disk.clone(), per_body, total);
            let (took, slow) = ten(&store, Frames::new(4_096, FRAME, false), Duration::from_millis(100)).await;
            assert!(took <= Duration::from_millis(5_110), "{took:?}");
            assert!(slow.unwrap_err().is_lagged());
            until(|| disk.files.load(SeqCst) == 0).await;
        }
    }
}

/// From then on there is no disk, and the slow reader is waited for as ever.
#[tokio::test(start_paused = true)]
async fn a_write_that_takes_longer_than_five_seconds_counts_as_failed() {
    let (held, hangs) = std::sync::mpsc::channel();
    let disk = Fake { hangs: Some(Arc::new(Mutex::new(hangs))), ..good() };
    let store = SpillStore::on(disk.clone(), 1 << 30, 1 << 30);
    let body = Frames::new(1_000, FRAME, true);
    let whole = body.whole();
    let source = BodySource::new(body).stall(5 * SECOND).spill(store.clone());
    let slow = source.clone().into_reader();
    let mut fast = task::spawn(read(source.into_reader(), Duration::ZERO));
    for _ in 0..2 {
        assert_pending!(fast.poll());
        advance(5 * SECOND - Duration::from_millis(1)).await;
        assert_pending!(fast.poll(), "nobody is cut before the time is up");
        advance(Duration::from_millis(1)).await;
    }
    assert_eq!(assert_ready!(fast.poll()).unwrap(), whole);
    assert!(read(slow, Duration::ZERO).await.unwrap_err().is_lagged());
    drop(held);
    until(|| disk.files.load(SeqCst) == 0 && store.used() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_back_is_lost_for_those_who_need_it_only() {
    let store = SpillStore::on(Fake { reads: false, ..good() }, 1 << 30, 1 << 30);
    let body = Frames::new(1_000, FRAME, true);
    let whole = body.whole();
    let source = BodySource::new(body).spill(store.clone());
    let slow = source.clone().into_reader();
    assert_eq!(read(source.into_reader(), Duration::ZERO).await.unwrap(), whole);
    assert!(read(slow, Duration::ZERO).await.unwrap_err().is_lagged());
    until(|| store.used() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn two_bodies_read_one_behind_the_other_are_whole() {
    let store = SpillStore::on(good(), 1 << 30, 1 << 30);
    for frames in [56, 4_096] {
        let body = Frames::new(frames, FRAME, false);
        let whole = body.whole();
        let source = BodySource::new(body).spill(store.clone());
        let (first, second) = (source.clone().into_reader(), source.into_reader());
        assert_eq!(read(first, Duration::ZERO).await.unwrap(), whole);
        assert_eq!(read(second, Duration::ZERO).await.unwrap(), whole);
    }
    until(|| store.used() == 0).await;
}

#[tokio::test]
async fn readers_that_leave_give_everything_back() {
    let disk = good();
    let store = SpillStore::on(disk.clone(), 1 << 30, 1 << 30);
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let source = BodySource::new(Frames::new(1_000, FRAME, false)).spill(store.clone());
        let mut slow = source.clone().into_reader();
        read(source.into_reader(), Duration::ZERO).await.unwrap();
        for _ in 0..3 {
            slow.frame().await.unwrap().unwrap();
        }
        bodies.push(slow);
    }
    assert!(store.used() > 200 << 20 && disk.files.load(SeqCst) > 0);
    drop(bodies);
    assert_eq!((store.used(), disk.files.load(SeqCst)), (0, 0));
}

/// Readers of all paces, on two threads: each byte in its place.
#[test]
fn readers_at_any_pace_on_two_threads_are_whole() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = SpillStore::on(good(), 1 << 30, 1 << 30);
    runtime.block_on(async {
        for length in [100, 5_000, 300_000] {
            let body = Frames::new((6 << 20) / length, length, true);
            let whole = body.whole();
            let source = BodySource::new(body).window(256 << 10).spill(store.clone());
            let readers: Vec<_> = (0..6_u64)
                .map(|reader| {
                    let mut body = source.clone().into_reader();
                    tokio::spawn(async move {
                        // Each reader begins later than the one before.
                        sleep(Duration::from_millis(reader * 20)).await;
                        if reader == 5 {
                            return body.frame().await.unwrap().map(|_| whole);
                        }
                        read(body, Duration::ZERO).await
                    })
                })
                .collect();
            drop(source);
            for reader in readers {
                assert_eq!(reader.await.unwrap().unwrap(), whole);
            }
        }
    });
    drop(runtime);
    assert_eq!(store.used(), 0);
}

/// A reader that is polled outside a runtime reads by itself what another runtime has written.
#[test]
fn a_reader_outlives_the_runtime_that_spilled_for_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = SpillStore::on(good(), 1 << 30, 1 << 30);
    let body = Frames::new(1_000, FRAME, true);
    let whole = body.whole();
    let source = BodySource::new(body).spill(store.clone());
    let late = source.clone().into_reader();
    runtime.block_on(read(source.into_reader(), Duration::ZERO)).unwrap();
    drop(runtime);
    assert_eq!(futures_util::FutureExt::now_or_never(read(late, Duration::ZERO)).unwrap().unwrap(), whole);
    assert_eq!(store.used(), 0);
}

#[cfg(feature = "spill")]
mod directory {
    use super::*;
    use crate::http::body::LargeBodies;

    const SPILL: LargeBodies = LargeBodies::Spill { per_body: 1 << 30, total: 1 << 30 };

    #[tokio::test(start_paused = true)]
    async fn a_directory_takes_what_does_not_fit_and_shows_none_of_it() {
        let dir = tempfile::tempdir().unwrap();
        for dir_of in [Some(dir.path().to_owned()), None] {
            let store = SpillStore::new(SPILL, dir_of);
            let body = Frames::new(1_000, FRAME, false);
            let whole = body.whole();
            let (took, slow) = ten(&store, body, Duration::from_millis(10)).await;
            assert_eq!((took, slow.unwrap()), (Duration::ZERO, whole));
        }
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_is_gone_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        drop(dir);
        let store = SpillStore::new(SPILL, Some(path));
        let (took, slow) = ten(&store, Frames::new(1_000, FRAME, false), Duration::from_millis(100)).await;
        assert!(took <= Duration::from_millis(5_110), "{took:?}");
        assert!(slow.unwrap_err().is_lagged());
    }
}
