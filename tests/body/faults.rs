//! Shared bodies whose source, wakers or clock misbehave: nobody hangs, and nothing looks like a clean end.

use std::{
    collections::VecDeque,
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{
    SharedBody,
    http::{BodyError, BodySource},
};

/// Has all its frames at once, then pends or ends.
#[derive(Default)]
struct Source {
    frames: VecDeque<&'static str>,
    ends: bool,
    promised: Option<u64>,
    /// Says that it is over as soon as it has no frames.
    says_so: bool,
    hints: Arc<AtomicUsize>,
    _on_drop: OnDrop,
}

#[derive(Default)]
struct OnDrop(Option<Box<dyn FnOnce() + Send>>);

impl OnDrop {
    fn new(on_drop: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(on_drop)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|on_drop| on_drop());
    }
}

impl Source {
    fn frames(frames: impl IntoIterator<Item = &'static str>) -> Self {
        Self { frames: frames.into_iter().collect(), ..Self::default() }
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.frames.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))),
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hints.fetch_add(1, SeqCst);
        self.promised.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    fn is_end_stream(&self) -> bool {
        self.hints.fetch_add(1, SeqCst);
        self.says_so && self.frames.is_empty()
    }
}

type Reader = task::Spawn<SharedBody<Source>>;
type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

fn readers<const N: usize>(source: BodySource<Source>) -> [Reader; N] {
    let mut claims: Vec<_> = (1..N).map(|_| source.clone()).collect();
    claims.push(source);
    let readers: Vec<_> = claims.into_iter().map(|claim| task::spawn(claim.into_reader())).collect();
    readers.try_into().unwrap_or_else(|_| unreachable!())
}

fn frame(reader: &mut Reader) -> Polled {
    reader.enter(|cx, body| body.poll_frame(cx))
}

fn text(polled: Polled) -> String {
    let frame = assert_ready!(polled).expect("a frame").expect("no error");
    String::from_utf8(frame.into_data().expect("data").to_vec()).unwrap()
}

fn error(polled: Polled) -> BodyError {
    assert_ready!(polled).expect("an error").expect_err("an error")
}

/// A consumer may stop reading once a body says that it is over: one that broke off must not say so.
#[test]
fn a_short_body_that_calls_itself_over_is_an_error_for_all() {
    let source = Source { promised: Some(10), says_so: true, ends: true, ..Source::frames(["abc"]) };
    let mut readers: [Reader; 2] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert_eq!(text(frame(reader)), "abc");
        assert!(!reader.is_end_stream());
        assert!(error(frame(reader)).is_incomplete());
        assert!(!reader.is_end_stream());
        assert_eq!(reader.size_hint().exact(), None);
    }
}

#[test]
fn an_empty_body_that_has_promised_more_does_not_begin_at_its_end() {
    let source = Source { promised: Some(10), says_so: true, ends: true, ..Source::default() };
    let mut readers: [Reader; 2] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert!(!reader.is_end_stream());
        assert!(error(frame(reader)).is_incomplete());
    }
}

#[test]
fn a_whole_body_that_calls_itself_over_is_over_for_each_reader_in_its_turn() {
    let source = Source { says_so: true, ..Source::frames(["abc"]) };
    let [mut first, mut second] = readers(BodySource::new(source));
    assert_eq!(text(frame(&mut first)), "abc");
    assert!(first.is_end_stream());
    assert!(!second.is_end_stream());
    assert_eq!(text(frame(&mut second)), "abc");
    assert!(second.is_end_stream());
}

/// A server that is told of the end with the last data sends no trailers: gRPC's status would be lost
/// (RFC 9110 section 6.5).
#[test]
fn a_reader_that_has_yet_to_take_the_trailers_is_not_at_its_end() {
    struct Trailed(VecDeque<Frame<Bytes>>);
    impl Body for Trailed {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }
    for reads_on in [false, true] {
        let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("1"))]);
        let frames = [Frame::data(Bytes::from_static(b"abc")), Frame::trailers(trailers.clone())];
        let source = BodySource::new(Trailed(frames.into()));
        let [mut first, mut second] = [source.clone(), source].map(|claim| task::spawn(claim.into_reader()));
        for _ in 0..2 {
            assert!(assert_ready!(first.enter(|cx, body| body.poll_frame(cx))).is_some());
        }
        assert!(first.is_end_stream());
        if reads_on {
            assert!(assert_ready!(first.enter(|cx, body| body.poll_frame(cx))).is_none());
        }
        assert!(assert_ready!(second.enter(|cx, body| body.poll_frame(cx))).unwrap().unwrap().is_data());
        assert!(!second.is_end_stream());
        let frame = assert_ready!(second.enter(|cx, body| body.poll_frame(cx))).unwrap().unwrap();
        assert_eq!(frame.into_trailers().unwrap(), trailers);
        assert!(second.is_end_stream());
    }
}

#[test]
fn an_empty_body_is_over_at_once_for_all() {
    let source = Source { promised: Some(0), says_so: true, ends: true, ..Source::default() };
    let mut readers: [Reader; 3] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert!(reader.is_end_stream());
        assert_eq!(reader.size_hint().exact(), Some(0));
        assert!(assert_ready!(frame(reader)).is_none());
    }
}

/// The end is there before the source is dropped: no moment at which a body that broke off looks complete.
#[test]
fn a_body_that_broke_off_never_looks_complete_while_its_source_is_dropped() {
    let other: Arc<Mutex<Option<SharedBody<Source>>>> = Arc::default();
    let looked = Arc::new(AtomicUsize::new(0));
    let (seen, looks) = (Arc::clone(&other), Arc::clone(&looked));
    let on_drop = move || {
        let seen = seen.lock().unwrap();
        let complete = seen.as_ref().is_some_and(Body::is_end_stream);
        looks.store(if complete { 2 } else { 1 }, SeqCst);
    };
    let source = Source { promised: Some(10), ends: true, _on_drop: OnDrop::new(on_drop), ..Source::default() };
    let source = BodySource::new(source);
    *other.lock().unwrap() = Some(source.clone().into_reader());
    let mut reader = task::spawn(source.into_reader());
    assert!(error(frame(&mut reader)).is_incomplete());
    assert_eq!(looked.load(SeqCst), 1, "not dropped, or complete to another reader");
}

#[test]
fn a_source_that_panics_as_it_is_dropped_at_its_end_ends_for_all() {
    let on_drop = || -> () { resume_unwind(Box::new("the drop panics")) };
    let source = Source { ends: true, _on_drop: OnDrop::new(on_drop), ..Source::frames(["abc"]) };
    let [mut first, mut second] = readers(BodySource::new(source));
    assert_eq!(text(frame(&mut first)), "abc");
    assert_eq!(text(frame(&mut second)), "abc");
    assert!(catch_unwind(AssertUnwindSafe(|| frame(&mut first))).is_err());
    assert_ready!(frame(&mut second));
    assert_ready!(frame(&mut first));
}

#[test]
fn a_body_that_panics_when_it_is_asked_its_size_leaves_the_claim_as_it_was() {
    struct Touchy(Arc<AtomicUsize>);
    impl Body for Touchy {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(None)
        }
        fn size_hint(&self) -> SizeHint {
            if self.0.fetch_add(1, SeqCst) == 0 {
                resume_unwind(Box::new("the size hint panics"));
            }
            SizeHint::new()
        }
    }
    let source = BodySource::new(Touchy(Arc::default()));
    assert!(catch_unwind(AssertUnwindSafe(|| source.clone())).is_err());
    for claim in [source.clone(), source] {
        let mut reader = task::spawn(claim.into_reader());
        assert!(assert_ready!(reader.enter(|cx, body| body.poll_frame(cx))).is_none());
    }
}

#[test]
fn a_claim_left_alone_before_anything_is_read_is_the_body_itself() {
    let body = Source { promised: Some(10), ends: true, ..Source::frames(["abc"]) };
    let hints = Arc::clone(&body.hints);
    let source = BodySource::new(body);
    drop(source.clone());
    let mut reader = task::spawn(source.into_reader());
    let before = hints.load(SeqCst);
    let _ = reader.size_hint();
    assert_eq!(hints.load(SeqCst), before + 1);
    assert_eq!(text(frame(&mut reader)), "abc");
    // Its size is its own affair.
    assert!(assert_ready!(frame(&mut reader)).is_none());
}

/// Who comes while another has the inner body in its hands waits; whatever that poll brings, it is told.
#[test]
fn who_comes_in_mid_poll_is_woken_by_what_the_poll_brings() {
    type Other = Arc<Mutex<Option<task::Spawn<SharedBody<Met>>>>>;
    struct Met(Other, Option<Frame<Bytes>>);
    impl Body for Met {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let mut other = self.0.lock().unwrap();
            assert_pending!(other.as_mut().expect("another reader").enter(|cx, body| body.poll_frame(cx)));
            drop(other);
            Poll::Ready(self.1.take().map(Ok))
        }
    }
    for frame in [Some(Frame::data(Bytes::from_static(b"abc"))), None] {
        let other = Other::default();
        let is_frame = frame.is_some();
        let source = BodySource::new(Met(Arc::clone(&other), frame));
        *other.lock().unwrap() = Some(task::spawn(source.clone().into_reader()));
        let mut reader = task::spawn(source.into_reader());
        assert_eq!(assert_ready!(reader.enter(|cx, body| body.poll_frame(cx))).is_some(), is_frame);
        let mut waited = other.lock().unwrap().take().expect("the other reader");
        assert!(waited.is_woken());
        assert_eq!(assert_ready!(waited.enter(|cx, body| body.poll_frame(cx))).is_some(), is_frame);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_cut_is_not_at_its_end_though_the_body_is() {
    let source = Source { says_so: true, ends: true, ..Source::frames(["abc", "def"]) };
    let [mut fast, mut slow] = readers(BodySource::new(source).window(3).stall(Duration::from_secs(5)));
    assert_eq!(text(frame(&mut fast)), "abc");
    assert_pending!(frame(&mut fast));
    advance(Duration::from_secs(6)).await;
    assert_eq!(text(frame(&mut fast)), "def");
    assert!(fast.is_end_stream());
    assert!(!slow.is_end_stream());
    assert!(error(frame(&mut slow)).is_lagged());
}

struct Grumpy;

impl Wake for Grumpy {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("the waker panics"));
    }
}

#[test]
fn a_waker_that_panics_keeps_no_frame_and_no_wake_up_from_others() {
    struct Fed(Arc<Mutex<(VecDeque<&'static str>, Option<Waker>)>>);
    impl Body for Fed {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let mut fed = self.0.lock().unwrap();
            match fed.0.pop_front() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))),
                None => {
                    fed.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }
    }
    let fed = Arc::new(Mutex::new((VecDeque::new(), None)));
    let source = BodySource::new(Fed(Arc::clone(&fed)));
    let [mut grumpy, mut first, mut second] = [source.clone(), source.clone(), source].map(BodySource::into_reader);
    let waker = Waker::from(Arc::new(Grumpy));
    assert_pending!(Pin::new(&mut grumpy).poll_frame(&mut Context::from_waker(&waker)));
    let mut second = task::spawn(&mut second);
    assert_pending!(second.enter(|cx, body| body.poll_frame(cx)));
    // The source does not wake: the next to poll finds a frame, and wakes the others itself.
    let source = fed.lock().unwrap().1.take().expect("the source was polled");
    fed.lock().unwrap().0.push_back("abc");
    drop(catch_unwind(AssertUnwindSafe(|| source.wake())));
    assert!(second.is_woken());
    let mut first = task::spawn(&mut first);
    let polled = catch_unwind(AssertUnwindSafe(|| first.enter(|cx, body| body.poll_frame(cx))));
    assert_eq!(text(polled.expect("the waker was another's")), "abc");
    assert_eq!(text(second.enter(|cx, body| body.poll_frame(cx))), "abc");
}

#[test]
fn a_runtime_without_timers_cuts_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let [mut fast, mut slow] = readers(BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::ZERO));
    assert_eq!(text(frame(&mut fast)), "abc");
    assert_pending!(frame(&mut fast));
    assert_eq!(text(frame(&mut slow)), "abc");
    assert_eq!(text(frame(&mut fast)), "def");
}

#[test]
fn a_reader_outlives_the_runtime_that_timed_it() {
    let [mut fast, mut slow] = readers(BodySource::new(Source::frames(["abc", "def"])).window(3));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        assert_eq!(text(frame(&mut fast)), "abc");
        assert_pending!(frame(&mut fast));
    });
    runtime().block_on(async {
        assert_pending!(frame(&mut fast));
        assert_eq!(text(frame(&mut slow)), "abc");
        assert_eq!(text(frame(&mut fast)), "def");
    });
}

/// A reader that nobody waits for has all the time in the world.
#[tokio::test(start_paused = true)]
async fn a_stall_is_timed_only_while_somebody_waits() {
    let source = BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::from_secs(5));
    let [mut gone, mut fast, mut slow] = readers(source);
    assert_eq!(text(frame(&mut gone)), "abc");
    assert_pending!(frame(&mut gone));
    drop(gone);
    advance(Duration::from_secs(100)).await;
    assert_eq!(text(frame(&mut fast)), "abc");
    assert_pending!(frame(&mut fast));
    advance(Duration::from_secs(4)).await;
    assert_pending!(frame(&mut fast));
    assert_eq!(text(frame(&mut slow)), "abc");
    assert_eq!(text(frame(&mut fast)), "def");
}

/// Who drove the timer is gone: another who waits takes over, from the same moment on.
#[tokio::test(start_paused = true)]
async fn a_stall_goes_on_when_one_of_those_who_wait_leaves() {
    let source = BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::from_secs(5));
    let [mut gone, mut fast, mut slow] = readers(source);
    for reader in [&mut gone, &mut fast] {
        assert_eq!(text(frame(reader)), "abc");
        assert_pending!(frame(reader));
    }
    advance(Duration::from_secs(3)).await;
    drop(gone);
    advance(Duration::from_secs(3)).await;
    assert!(fast.is_woken());
    assert_eq!(text(frame(&mut fast)), "def");
    assert!(error(frame(&mut slow)).is_lagged());
}

/// However the two race, only the slower one can be cut.
#[test]
fn with_no_patience_at_all_the_fastest_still_gets_there() {
    const ROUNDS: usize = 2_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            let source = Source { ends: true, ..Source::frames(["a"; 50]) };
            let source = BodySource::new(source).window(1).stall(Duration::ZERO);
            let reading = [source.clone(), source].map(|claim| {
                tokio::spawn(async move {
                    let mut body = claim.into_reader();
                    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                        if frame.is_err() {
                            return false;
                        }
                    }
                    true
                })
            });
            let mut whole = 0;
            for reading in reading {
                whole += usize::from(reading.await.unwrap());
            }
            assert!(whole > 0, "all were cut");
        }
    });
}
