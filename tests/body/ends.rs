//! The end of a body: all hear of it, it comes once, and one that broke off never looks complete.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::advance,
};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::{SharedBody, http::BodySource};

use crate::{
    inner::{Item, PollFrame, Reader, body, error, readers, text},
    source::{OnDrop, Source},
};

/// A consumer may stop reading once a body says that it is over: one that broke off must not say so.
#[test]
fn a_short_body_that_calls_itself_over_is_an_error_for_all() {
    let source = Source { promised: Some(10), says_so: true, ends: true, ..Source::frames(["abc"]) };
    let mut readers: [Reader<Source>; 2] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert_eq!(text(reader.frame()), "abc");
        assert!(!reader.is_end_stream());
        assert!(error(reader.frame()).is_incomplete());
        assert!(!reader.is_end_stream());
        assert_eq!(reader.size_hint().exact(), None);
    }
}

#[test]
fn an_empty_body_that_has_promised_more_does_not_begin_at_its_end() {
    let source = Source { promised: Some(10), says_so: true, ends: true, ..Source::default() };
    let mut readers: [Reader<Source>; 2] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert!(!reader.is_end_stream());
        assert!(error(reader.frame()).is_incomplete());
    }
}

#[test]
fn a_whole_body_that_calls_itself_over_is_over_for_each_reader_in_its_turn() {
    let source = Source { says_so: true, ..Source::frames(["abc"]) };
    let [mut first, mut second] = readers(BodySource::new(source));
    assert_eq!(text(first.frame()), "abc");
    assert!(first.is_end_stream());
    assert!(!second.is_end_stream());
    assert_eq!(text(second.frame()), "abc");
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

/// As a body over HTTP/2 does, which hears of its end in a frame without data; who asks is told what the body alone would say.
#[test]
fn a_body_that_learns_of_its_end_in_a_poll_that_brings_nothing_is_over_for_all() {
    #[derive(Default)]
    struct Learning {
        polled: bool,
    }
    impl Body for Learning {
        type Data = Bytes;
        type Error = Infallible;
        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.polled = true;
            Poll::Pending
        }
        fn size_hint(&self) -> SizeHint {
            if self.polled { SizeHint::with_exact(0) } else { SizeHint::new() }
        }
        fn is_end_stream(&self) -> bool {
            self.polled
        }
    }
    let mut readers: [Reader<Learning>; 2] = readers(BodySource::new(Learning::default()));
    for reader in &readers {
        assert_eq!((reader.is_end_stream(), reader.size_hint().exact()), (false, None));
    }
    assert_pending!(readers[0].frame());
    for reader in &readers {
        assert_eq!((reader.is_end_stream(), reader.size_hint().exact()), (true, Some(0)));
    }
}

#[test]
fn an_empty_body_is_over_at_once_for_all() {
    let source = Source { promised: Some(0), says_so: true, ends: true, ..Source::default() };
    let mut readers: [Reader<Source>; 3] = readers(BodySource::new(source));
    for reader in &mut readers {
        assert!(reader.is_end_stream());
        assert_eq!(reader.size_hint().exact(), Some(0));
        assert!(assert_ready!(reader.frame()).is_none());
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
    assert!(error(reader.frame()).is_incomplete());
    assert_eq!(looked.load(SeqCst), 1, "not dropped, or complete to another reader");
}

#[test]
fn a_source_that_panics_as_it_is_dropped_at_its_end_ends_for_all() {
    let on_drop = || -> () { resume_unwind(Box::new("the drop panics")) };
    let source = Source { ends: true, _on_drop: OnDrop::new(on_drop), ..Source::frames(["abc"]) };
    let [mut first, mut second] = readers(BodySource::new(source));
    assert_eq!(text(first.frame()), "abc");
    assert_eq!(text(second.frame()), "abc");
    assert!(catch_unwind(AssertUnwindSafe(|| first.frame())).is_err());
    assert_ready!(second.frame());
    assert_ready!(first.frame());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_was_cut_is_not_at_its_end_though_the_body_is() {
    let source = Source { says_so: true, ends: true, ..Source::frames(["abc", "def"]) };
    let [mut fast, mut slow] = readers(BodySource::new(source).window(3).stall(Duration::from_secs(5)));
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    advance(Duration::from_secs(6)).await;
    assert_eq!(text(fast.frame()), "def");
    assert!(fast.is_end_stream());
    assert!(!slow.is_end_stream());
    assert!(error(slow.frame()).is_lagged());
}

#[test]
fn before_an_error_a_reader_is_pending_once_so_that_what_came_before_can_be_sent() {
    let poll = |reader: &mut Reader| reader.enter(|cx, body| body.poll_frame(cx));
    // The head comes before the first frame.
    for data in [None, Some("abc")] {
        let (feed, inner) = body(None);
        let mut both: [Reader; 2] = readers(BodySource::new(inner));
        data.into_iter().for_each(|data| feed.data(data));
        feed.send(Item::Fail);
        for reader in &mut both {
            data.into_iter().for_each(|data| assert_eq!(text(poll(reader)), data));
            assert_pending!(poll(reader));
            assert!(reader.is_woken());
            error(poll(reader));
            assert!(assert_ready!(poll(reader)).is_none());
        }
    }
    // Who was pending a moment ago has sent all there was.
    let (feed, inner) = body(None);
    let mut both: [Reader; 2] = readers(BodySource::new(inner));
    both.iter_mut().for_each(|reader| assert_pending!(poll(reader)));
    feed.send(Item::Fail);
    both.iter_mut().for_each(|reader| drop(error(poll(reader))));
}

/// hyper throws away what it has not sent yet when a body fails.
#[tokio::test]
async fn a_client_who_comes_when_the_body_has_broken_off_is_sent_what_there_was() {
    for data in [None, Some("abc")] {
        let (feed, inner) = body(None);
        let [mut first, late] = readers(BodySource::new(inner));
        data.into_iter().for_each(|data| feed.data(data));
        feed.send(Item::Fail);
        data.into_iter().for_each(|data| assert_eq!(text(first.frame()), data));
        error(first.frame());
        let late = Mutex::new(Some(late.into_inner()));
        let service = service_fn(|_| {
            let body = late.lock().unwrap().take().expect("one request");
            ready(Ok::<_, Infallible>(Response::new(body)))
        });
        let (mut client, server) = duplex(1024);
        let served = http1::Builder::new().serve_connection(TokioIo::new(server), service);
        let asked = async {
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let (served, answer) = tokio::join!(served, asked);
        served.unwrap_err();
        let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head:?}");
        assert_eq!(content, data.map_or(String::new(), |data| format!("{:x}\r\n{data}\r\n", data.len())));
    }
}
