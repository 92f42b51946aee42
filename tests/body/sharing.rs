//! What each reader of a body gets, and in which order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::http::BodySource;

use crate::inner::{Fault, Item, PollFrame, Reader, body, error, readers, text};

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
