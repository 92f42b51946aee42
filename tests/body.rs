//! `BodySource` and `SharedBody` on their own: each promise, then any readers of any body.
#![cfg(feature = "http")]

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use proptest::prelude::*;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{BodyError, BodySource, SharedBody};

#[derive(Clone, Debug, PartialEq)]
struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault")
    }
}

impl Error for Fault {}

#[derive(Clone, Debug, PartialEq)]
enum Item {
    Data(Bytes),
    Trailers,
    Fail,
    End,
    Panic,
}

#[derive(Default)]
struct Shared {
    items: VecDeque<Item>,
    waker: Option<Waker>,
    polls: usize,
    dropped: bool,
}

/// The inner body, fed by the test.
struct Inner {
    shared: Arc<Mutex<Shared>>,
    size: Option<u64>,
}

#[derive(Clone)]
struct Feed(Arc<Mutex<Shared>>);

fn body(size: Option<u64>) -> (Feed, Inner) {
    let shared = Arc::<Mutex<Shared>>::default();
    (Feed(Arc::clone(&shared)), Inner { shared, size })
}

impl Feed {
    fn send(&self, item: Item) {
        let mut shared = self.0.lock().unwrap();
        shared.items.push_back(item);
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }

    fn data(&self, data: &'static str) {
        self.send(Item::Data(Bytes::from_static(data.as_bytes())));
    }

    fn is_dropped(&self) -> bool {
        self.0.lock().unwrap().dropped
    }

    fn polls(&self) -> usize {
        self.0.lock().unwrap().polls
    }

    fn unread(&self) -> usize {
        self.0.lock().unwrap().items.len()
    }
}

impl Body for Inner {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut shared = self.shared.lock().unwrap();
        shared.polls += 1;
        match shared.items.pop_front() {
            Some(Item::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Item::Trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers())))),
            Some(Item::Fail) => Poll::Ready(Some(Err(Fault))),
            Some(Item::End) => Poll::Ready(None),
            Some(Item::Panic) => {
                drop(shared);
                panic!("the body panics");
            }
            None => {
                shared.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.lock().unwrap().dropped = true;
    }
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, "1".parse().unwrap())])
}

type Reader = task::Spawn<SharedBody<Inner>>;
type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

trait PollFrame {
    fn frame(&mut self) -> Polled;
}

impl PollFrame for Reader {
    fn frame(&mut self) -> Polled {
        self.enter(|cx, body| body.poll_frame(cx))
    }
}

fn readers<const N: usize>(source: BodySource<Inner>) -> [Reader; N] {
    let mut claims: Vec<_> = (1..N).map(|_| source.clone()).collect();
    claims.push(source);
    let readers: Vec<_> = claims.into_iter().map(|claim| task::spawn(claim.into_reader())).collect();
    readers.try_into().unwrap_or_else(|_| unreachable!())
}

fn text(polled: Polled) -> String {
    let frame = assert_ready!(polled).expect("a frame").expect("no error");
    String::from_utf8(frame.into_data().expect("data").to_vec()).unwrap()
}

fn error(polled: Polled) -> BodyError {
    assert_ready!(polled).expect("an error").expect_err("an error")
}

#[test]
fn a_lone_reader_is_the_body_itself() {
    let (feed, inner) = body(Some(9));
    let mut reader = task::spawn(BodySource::new(inner).into_reader());
    assert_eq!(reader.size_hint().exact(), Some(9));
    assert_pending!(reader.frame());
    feed.data("abc");
    assert!(reader.is_woken());
    assert_eq!(text(reader.frame()), "abc");
    // Its size is its own affair.
    feed.send(Item::End);
    assert!(assert_ready!(reader.frame()).is_none());
}

#[test]
fn all_who_wait_are_woken_and_one_polls() {
    let (feed, inner) = body(None);
    let mut readers: [Reader; 5] = readers(BodySource::new(inner));
    readers.iter_mut().for_each(|reader| assert_pending!(reader.frame()));
    assert_eq!(feed.polls(), 1);
    feed.data("abc");
    for reader in &mut readers {
        assert!(reader.is_woken());
        assert_eq!(text(reader.frame()), "abc");
    }
    assert_eq!(feed.polls(), 2);
}

#[test]
fn a_reader_that_is_not_polled_holds_nobody_up() {
    let (feed, inner) = body(None);
    let [mut idle, mut gone, mut live] = readers(BodySource::new(inner));
    // Each has been the one that polled the body last.
    assert_pending!(idle.frame());
    feed.data("a");
    assert_eq!(text(live.frame()), "a");
    assert_pending!(live.frame());
    feed.data("b");
    assert_eq!(text(gone.frame()), "a");
    assert_eq!(text(gone.frame()), "b");
    assert_pending!(gone.frame());
    drop(gone);
    feed.data("c");
    assert!(live.is_woken());
    assert_eq!(text(live.frame()), "b");
    assert_eq!(text(live.frame()), "c");
    assert_eq!(text(idle.frame()), "a");
}

#[test]
fn a_body_that_is_woken_as_it_is_polled_is_polled_again() {
    struct Eager(Arc<Mutex<Option<Waker>>>, usize);
    impl Body for Eager {
        type Data = Bytes;
        type Error = Fault;
        fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
            self.1 += 1;
            if self.1 % 2 == 1 {
                cx.waker().wake_by_ref();
                *self.0.lock().unwrap() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready((self.1 < 6).then(|| Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }
    let source = BodySource::new(Eager(Arc::default(), 0));
    let mut first = task::spawn(source.clone().into_reader());
    let mut second = task::spawn(source.into_reader());
    let mut frames = [0, 0];
    for _ in 0..20 {
        for (reader, frames) in [&mut first, &mut second].into_iter().zip(&mut frames) {
            match reader.enter(|cx, body| body.poll_frame(cx)) {
                Poll::Ready(Some(_)) => *frames += 1,
                Poll::Ready(None) => {}
                Poll::Pending => assert!(reader.is_woken()),
            }
        }
    }
    assert_eq!(frames, [2, 2]);
}

#[test]
fn an_error_reaches_every_reader_after_the_frames_before_it() {
    let (feed, inner) = body(None);
    let mut readers: [Reader; 3] = readers(BodySource::new(inner));
    feed.data("a");
    feed.send(Item::Fail);
    for reader in &mut readers {
        assert_eq!(text(reader.frame()), "a");
        assert_eq!(error(reader.frame()).downcast_ref(), Some(&Fault));
        assert!(assert_ready!(reader.frame()).is_none());
    }
    assert!(feed.is_dropped());
}

#[test]
fn an_end_before_the_announced_size_is_an_error_for_all() {
    for end in [Item::End, Item::Trailers] {
        let (feed, inner) = body(Some(5));
        let mut readers: [Reader; 2] = readers(BodySource::new(inner));
        feed.data("abc");
        feed.send(end);
        for reader in &mut readers {
            assert_eq!(text(reader.frame()), "abc");
            assert!(error(reader.frame()).is_incomplete());
        }
    }
}

#[test]
fn more_than_the_announced_size_is_an_error_for_all() {
    let (feed, inner) = body(Some(2));
    let mut readers: [Reader; 2] = readers(BodySource::new(inner));
    feed.data("abc");
    readers.iter_mut().for_each(|reader| assert!(!error(reader.frame()).is_incomplete()));
}

#[test]
fn a_panic_of_the_body_is_its_pollers_and_an_error_to_the_others() {
    let (feed, inner) = body(None);
    let [mut first, mut second] = readers(BodySource::new(inner));
    assert_pending!(first.frame());
    assert_pending!(second.frame());
    feed.send(Item::Panic);
    assert!(catch_unwind(AssertUnwindSafe(|| first.frame())).is_err());
    assert!(second.is_woken());
    assert!(error(second.frame()).is_incomplete());
}

#[test]
fn with_its_last_reader_or_claim_the_body_is_dropped() {
    let (feed, inner) = body(None);
    let source = BodySource::new(inner);
    let claim = source.clone();
    let mut reader = task::spawn(source.into_reader());
    assert_pending!(reader.frame());
    drop(reader);
    assert!(!feed.is_dropped());
    drop(claim);
    assert!(feed.is_dropped());
}

#[test]
fn the_last_reader_keeps_nothing() {
    let (feed, inner) = body(None);
    let [mut first, second] = readers(BodySource::new(inner).window(1));
    drop(second);
    for _ in 0..10 {
        feed.data("abc");
    }
    for _ in 0..10 {
        assert_eq!(text(first.frame()), "abc");
    }
    assert_pending!(first.frame());
}

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

#[derive(Clone, Debug)]
enum Step {
    Feed(Item),
    Poll(usize),
    Drop(usize),
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_usize).prop_map(|length| Step::Feed(Item::Data(Bytes::from(vec![length as u8; length])))),
        8 => (0..8_usize).prop_map(Step::Poll),
        1 => (0..8_usize).prop_map(Step::Drop),
        1 => Just(Step::Advance),
    ]
}

fn last() -> impl Strategy<Value = Vec<Item>> {
    prop_oneof![Just(vec![Item::End]), Just(vec![Item::Trailers, Item::End]), Just(vec![Item::Fail]),]
}

/// What one reader has had so far.
#[derive(Default)]
struct Seen {
    items: Vec<Item>,
    ended: bool,
}

impl Seen {
    fn take(&mut self, polled: Polled) -> bool {
        match polled {
            Poll::Pending => return false,
            Poll::Ready(Some(Ok(frame))) => self.items.push(match frame.into_data() {
                Ok(data) => Item::Data(data),
                Err(_) => Item::Trailers,
            }),
            Poll::Ready(Some(Err(error))) if error.is_lagged() => self.ended = true,
            Poll::Ready(Some(Err(error))) => {
                assert_eq!(error.downcast_ref(), Some(&Fault));
                self.items.push(Item::Fail);
                self.ended = true;
            }
            Poll::Ready(None) => {
                self.items.push(Item::End);
                self.ended = true;
            }
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every reader sees a prefix of the same frames, and the right end if it gets there; nobody hangs; no more than
    /// the window is read ahead; the body is dropped in the end.
    #[test]
    fn any_readers_of_any_body_see_the_same(
        count in 1..8_usize,
        window in 1..200_usize,
        steps in prop::collection::vec(step(), 0..120),
        last in last(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let stall = Duration::from_secs(5);
            let (feed, inner) = body(None);
            let source = BodySource::new(inner).window(window).stall(stall);
            let mut claims: Vec<_> = (1..count).map(|_| Some(source.clone())).collect();
            claims.push(Some(source));
            let mut readers: Vec<Option<Reader>> = (0..count).map(|_| None).collect();
            let mut seen: Vec<_> = (0..count).map(|_| Seen::default()).collect();
            let mut all = Vec::new();
            // Then somebody may have been cut, and does not know it yet.
            let mut advanced = false;
            for step in steps {
                match step {
                    Step::Feed(item) => {
                        all.push(item.clone());
                        feed.send(item);
                    }
                    Step::Poll(which) => {
                        let which = which % count;
                        if let Some(claim) = claims[which].take() {
                            readers[which] = Some(task::spawn(claim.into_reader()));
                        }
                        if let (Some(reader), false) = (&mut readers[which], seen[which].ended) {
                            seen[which].take(reader.frame());
                        }
                    }
                    Step::Drop(which) => {
                        claims[which % count] = None;
                        readers[which % count] = None;
                    }
                    Step::Advance => {
                        advanced = true;
                        advance(Duration::from_secs(3)).await;
                    }
                }
                // Read ahead of the slowest: at most the window and the frame that went over it, each weighing 64
                // bytes more.
                let taken = all.len() - feed.unread();
                let holds = |which: usize| claims[which].is_some() || readers[which].is_some();
                let waits = |which: &usize| !seen[*which].ended && holds(*which);
                if let Some(slowest) = (0..count).filter(waits).map(|which| seen[which].items.len()).min() {
                    let ahead: Vec<_> = all[slowest.min(taken)..taken].iter().map(|item| match item {
                        Item::Data(data) => data.len() + 64,
                        _ => 64,
                    }).collect();
                    let over = ahead.last().copied().unwrap_or(0);
                    let weight: usize = ahead.iter().sum();
                    let lone = (0..count).filter(waits).count() == 1;
                    let kept = weight < window + over || ahead.len() <= 1;
                    assert!(advanced || lone || kept, "{weight} bytes kept for a window of {window}");
                }
            }
            all.extend(last.clone());
            last.into_iter().for_each(|item| feed.send(item));
            // All who are left read on to the end, and get there.
            for _ in 0..1000 {
                for which in 0..count {
                    if let Some(claim) = claims[which].take() {
                        readers[which] = Some(task::spawn(claim.into_reader()));
                    }
                    if let (Some(reader), false) = (&mut readers[which], seen[which].ended) {
                        seen[which].take(reader.frame());
                    }
                }
            }
            for (reader, seen) in readers.iter().zip(&seen) {
                assert!(reader.is_none() || seen.ended, "a reader hangs");
                assert_eq!(seen.items[..], all[..seen.items.len()]);
            }
            drop((claims, readers));
            assert!(feed.is_dropped());
        });
    }
}

/// Eight readers on two threads, and a ninth that comes and goes.
#[test]
fn readers_on_two_threads_all_get_there() {
    const FRAMES: usize = 20_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (feed, inner) = body(None);
        let source = BodySource::new(inner).window(1000);
        let mut tasks = tokio::task::JoinSet::new();
        for reader in 0..8 {
            let mut body = source.clone().into_reader();
            tasks.spawn(async move {
                let mut frames = 0;
                while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                    assert_eq!(frame.unwrap().into_data().unwrap(), frames.to_string());
                    frames += 1;
                    if reader == 0 && frames == FRAMES / 2 {
                        return FRAMES;
                    }
                }
                frames
            });
        }
        drop(source);
        for frame in 0..FRAMES {
            feed.send(Item::Data(Bytes::from(frame.to_string())));
            if frame % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        feed.send(Item::End);
        while let Some(frames) = tasks.join_next().await {
            assert_eq!(frames.unwrap(), FRAMES);
        }
        assert!(feed.is_dropped());
    });
}
