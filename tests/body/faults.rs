//! Shared bodies whose source or wakers misbehave: nobody hangs, and nothing that was there is lost.

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
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{SharedBody, http::BodySource};

use crate::{
    inner::{PollFrame, text},
    source::Source,
};

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
    assert_eq!(text(reader.frame()), "abc");
    // Its size is its own affair.
    assert!(assert_ready!(reader.frame()).is_none());
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
