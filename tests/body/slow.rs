//! Readers that differ in speed: who waits, for how long, and who is cut.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::http::BodySource;

use crate::inner::{Inner, Item, PollFrame, body, error, readers, text};

#[tokio::test(start_paused = true)]
async fn a_full_window_holds_the_fast_until_the_slowest_moves() {
    let (feed, inner) = body(None);
    let [mut fast, mut slow] = readers(BodySource::new(inner).window(3));
    feed.data("abc");
    feed.data("def");
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    assert_eq!(feed.unread(), 1);
    assert_eq!(text(slow.frame()), "abc");
    assert!(fast.is_woken());
    assert_eq!(text(fast.frame()), "def");
    assert_eq!(text(slow.frame()), "def");
}

/// However many frames it comes in, unless they are tiny, and whether its end is known beforehand or not.
#[tokio::test(start_paused = true)]
async fn a_body_that_fits_the_window_holds_nobody() {
    for (window, frames) in
        [(64, &[64][..]), (64, &[1]), (256, &[64; 4]), (1000, &[333, 333, 333, 1]), (1000, &[0, 999, 1])]
    {
        for announced in [None, Some(frames.iter().sum::<usize>() as u64)] {
            let (feed, inner) = body(None);
            let source = BodySource::new(inner).announced(announced).window(window);
            let [mut fast, mut slow] = readers(source);
            frames.iter().for_each(|length| feed.send(Item::Data(vec![7; *length].into())));
            feed.send(Item::End);
            for reader in [&mut fast, &mut slow] {
                for length in frames {
                    assert_eq!(text(reader.frame()).len(), *length, "{window}, {frames:?}");
                }
                assert!(assert_ready!(reader.frame()).is_none(), "{window}, {frames:?}");
            }
        }
    }
}

/// It is there as a whole, and the end is all that is to come.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_end_of_a_body_that_has_come_as_it_was_announced() {
    for (announced, taken) in [(Some(200), true), (Some(201), false), (None, false)] {
        let (feed, inner) = body(None);
        let [mut fast, slow] = readers(BodySource::new(inner).announced(announced).window(100));
        feed.send(Item::Data(vec![7; 200].into()));
        feed.send(Item::End);
        assert_eq!(text(fast.frame()).len(), 200);
        if taken {
            assert!(assert_ready!(fast.frame()).is_none());
        } else {
            assert_pending!(fast.frame());
        }
        drop(slow);
    }
    // But it may not bring empty frames without end.
    let (feed, inner) = body(None);
    let [mut fast, slow] = readers(BodySource::new(inner).announced(Some(1)).window(100));
    feed.data("x");
    (0..1000).for_each(|_| feed.send(Item::Data(Bytes::new())));
    (0..65).for_each(|_| drop(assert_ready!(fast.frame())));
    assert_pending!(fast.frame());
    drop(slow);
}

/// Beyond it there is one frame at most; empty frames, and tiny ones, count as if each had 64 bytes.
#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_fit_the_window_is_kept_to_a_frame_beyond_it() {
    for (window, frames, taken) in [(256, &[64; 9][..], 5), (256, &[0; 9], 5), (256, &[1; 9], 5), (256, &[200; 9], 2)] {
        let (feed, inner) = body(None);
        let [mut fast, slow] = readers(BodySource::new(inner).window(window));
        frames.iter().for_each(|length| feed.send(Item::Data(vec![7; *length].into())));
        for _ in 0..taken {
            assert_ready!(fast.frame()).unwrap().unwrap();
        }
        assert_pending!(fast.frame(), "{frames:?}");
        drop(slow);
        assert!(fast.is_woken());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stalls_the_others_is_cut_and_they_go_on() {
    let (feed, inner) = body(None);
    let [mut fast, mut slow, mut other] = readers(BodySource::new(inner).window(3).stall(Duration::from_secs(5)));
    for data in ["abc", "def", "ghi"] {
        feed.data(data);
    }
    assert_eq!(text(fast.frame()), "abc");
    assert_eq!(text(other.frame()), "abc");
    assert_pending!(fast.frame());
    assert_pending!(other.frame());
    advance(Duration::from_secs(4)).await;
    // The slowest moves, and wins no time by it.
    assert_eq!(text(slow.frame()), "abc");
    assert_eq!(text(fast.frame()), "def");
    assert_eq!(text(other.frame()), "def");
    assert_pending!(fast.frame());
    advance(Duration::from_millis(500)).await;
    assert_pending!(fast.frame());
    advance(Duration::from_millis(600)).await;
    assert!(fast.is_woken());
    assert_eq!(text(fast.frame()), "ghi");
    assert_eq!(text(other.frame()), "ghi");
    assert!(error(slow.frame()).is_lagged());
    for _ in 0..2 {
        assert!(!slow.is_end_stream());
        assert_eq!(slow.size_hint().exact(), None);
        assert!(assert_ready!(slow.frame()).is_none());
    }
    feed.send(Item::End);
    assert!(assert_ready!(fast.frame()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_picked_up_counts_from_the_start_and_is_cut_likewise() {
    let (feed, inner) = body(None);
    let source = BodySource::new(inner).window(3).stall(Duration::from_secs(5));
    let mut fast = task::spawn(source.clone().into_reader());
    feed.data("abc");
    feed.data("def");
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    advance(Duration::from_secs(6)).await;
    assert_eq!(text(fast.frame()), "def");
    let mut late = task::spawn(source.into_reader());
    assert!(error(late.frame()).is_lagged());
}

#[test]
fn outside_a_runtime_nobody_is_cut() {
    let (feed, inner) = body(None);
    let [mut fast, mut slow] = readers(BodySource::new(inner).window(3).stall(Duration::ZERO));
    feed.data("abc");
    feed.data("def");
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    assert_eq!(text(slow.frame()), "abc");
    assert_eq!(text(fast.frame()), "def");
}

/// What came meanwhile makes nothing known that the body itself did not say.
#[test]
fn each_reader_is_told_the_size_that_the_body_said_where_it_is() {
    let (feed, inner) = body(None);
    let [mut first, mut second] = readers(BodySource::new(inner));
    feed.data("abc");
    assert_eq!(text(first.frame()), "abc");
    assert_eq!((first.size_hint().lower(), second.size_hint().lower()), (0, 0));
    assert!(!second.is_end_stream());
    // Nor does the end, until the reader is told of it.
    feed.send(Item::End);
    assert!(assert_ready!(first.frame()).is_none());
    assert_eq!(second.size_hint().exact(), None);
    assert_eq!(text(second.frame()), "abc");
    assert_eq!(second.size_hint().exact(), None);
    assert!(assert_ready!(second.frame()).is_none());
    assert_eq!(second.size_hint().exact(), Some(0));
}

/// Once the time is used up there is no more of it: whoever would be waited for is cut there and then.
#[tokio::test(start_paused = true)]
async fn the_time_for_which_readers_wait_counts_in_sum_whoever_is_waited_for() {
    let (feed, inner) = body(None);
    let [mut fast, mut slow, mut other] = readers(BodySource::new(inner).window(3).stall(Duration::from_secs(5)));
    for data in ["abc", "def", "ghi", "jkl"] {
        feed.data(data);
    }
    assert_eq!(text(fast.frame()), "abc");
    assert_eq!(text(other.frame()), "abc");
    assert_pending!(fast.frame());
    advance(Duration::from_secs(3)).await;
    assert_eq!(text(slow.frame()), "abc");
    // Nobody waits: no time counts.
    advance(Duration::from_secs(100)).await;
    assert_eq!(text(fast.frame()), "def");
    assert_eq!(text(slow.frame()), "def");
    assert_pending!(fast.frame());
    advance(Duration::from_millis(2_001)).await;
    assert_eq!(text(fast.frame()), "ghi");
    assert!(error(other.frame()).is_lagged());
    // Not a moment more, for anybody.
    advance(Duration::from_secs(1)).await;
    assert_eq!(text(fast.frame()), "jkl");
    assert!(error(slow.frame()).is_lagged());
}

/// Nine readers of a body in frames of 16 KiB, beside one that takes a frame every so often.
///
/// Returns how long the nine took, and whether the slow one got all.
async fn beside_a_trickling_reader(frames: usize, every: Duration) -> (Duration, bool) {
    let (feed, inner) = body(None);
    for _ in 0..frames {
        feed.send(Item::Data(Bytes::from_static(&[7; 16 << 10])));
    }
    feed.send(Item::End);
    let source = BodySource::new(inner);
    let began = tokio::time::Instant::now();
    let read = |claim: BodySource<Inner>, pause: Duration| {
        tokio::spawn(async move {
            let mut body = claim.into_reader();
            let mut taken = 0;
            while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {
                taken += 1;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            (taken, body.is_end_stream())
        })
    };
    let slow = read(source.clone(), every);
    let fast: Vec<_> = (0..9).map(|_| read(source.clone(), Duration::ZERO)).collect();
    drop(source);
    for fast in fast {
        assert_eq!(fast.await.unwrap(), (frames, true));
    }
    let elapsed = began.elapsed();
    let (taken, whole) = slow.await.unwrap();
    assert_eq!(whole, taken == frames);
    (elapsed, whole)
}

/// At 160 KiB/s, at 1.6 MiB/s, and at a frame every 4 s.
const PACES: [Duration; 3] = [Duration::from_secs(4), Duration::from_millis(100), Duration::from_millis(10)];

#[tokio::test(start_paused = true)]
async fn what_fits_the_window_is_whole_for_all_and_delays_nobody() {
    for every in PACES {
        assert_eq!(beside_a_trickling_reader(900 / 16, every).await, (Duration::ZERO, true));
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_slow_reader_the_fast_ones_lose_at_most_the_stall_time_in_sum() {
    for every in PACES {
        let (elapsed, whole) = beside_a_trickling_reader((64 << 20) / (16 << 10), every).await;
        assert!(elapsed <= Duration::from_millis(5_010), "{every:?}: {elapsed:?}");
        assert!(!whole);
    }
}

/// At 32 MiB/s it is last all the time, and the others wait for it all the time, for more than the stall time in sum.
#[tokio::test(start_paused = true)]
async fn a_reader_that_keeps_up_is_not_cut_for_being_the_slowest() {
    const FRAMES: usize = 250;
    let (feed, inner) = body(None);
    for _ in 0..FRAMES {
        feed.send(Item::Data(Bytes::from_static(&[7; 64 << 10])));
    }
    feed.send(Item::End);
    let source = BodySource::new(inner).stall(Duration::from_millis(100));
    let read = |claim: BodySource<Inner>, pause: Duration| {
        tokio::spawn(async move {
            let mut body = claim.into_reader();
            let mut taken = 0;
            while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                taken += usize::from(frame.is_ok());
                tokio::time::sleep(pause).await;
            }
            taken
        })
    };
    let began = tokio::time::Instant::now();
    let slowest = read(source.clone(), Duration::from_millis(2));
    let fast = read(source, Duration::ZERO);
    assert_eq!((slowest.await.unwrap(), fast.await.unwrap()), (FRAMES, FRAMES));
    assert!(began.elapsed() > Duration::from_millis(400));
}
