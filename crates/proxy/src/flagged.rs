//! A client's body, which tells how it moves.

use std::{
    error::Error,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Version;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{
    select,
    sync::oneshot::{self, error::TryRecvError},
    time::sleep,
};

use crate::body::has_stopped_early;

type BoxError = Box<dyn Error + Send + Sync>;

/// A client's body, which raises a flag with each frame, and tells when it has been sent.
#[derive(Debug)]
pub(crate) struct Flagged<B = Incoming> {
    /// `None`: there is nothing to send.
    content: Option<Content<B>>,
}

#[derive(Debug)]
struct Content<B> {
    body: B,
    /// Whether it comes over HTTP/2, where it says when it is at its end.
    h2: bool,
    seen: Arc<Seen>,
    /// Dropped with the body.
    _sent: oneshot::Sender<()>,
    /// Says that nobody waits for the rest any more; closed once nobody can say so.
    given_up: Option<oneshot::Receiver<()>>,
}

/// What has been seen of a client's body.
#[derive(Debug, Default)]
struct Seen {
    /// It has moved since somebody asked.
    moved: AtomicBool,
    /// It has broken off, or is not in order.
    failed: AtomicBool,
}

/// How far a client's body has got.
#[derive(Debug)]
pub(crate) struct Progress {
    seen: Arc<Seen>,
    /// Closed when the body has been sent, or given up.
    pub(crate) sent: oneshot::Receiver<()>,
    give_up: oneshot::Sender<()>,
}

impl<B> Flagged<B> {
    /// Returns the body with its progress.
    pub(crate) fn new(body: B, version: Version) -> (Self, Progress) {
        let (seen, (sender, sent), (give_up, given_up)) = (Arc::default(), oneshot::channel(), oneshot::channel());
        let (h2, seen_too) = (version == Version::HTTP_2, Arc::clone(&seen));
        let content = Content { body, h2, seen: seen_too, _sent: sender, given_up: Some(given_up) };
        (Self { content: Some(content) }, Progress { seen, sent, give_up })
    }

    /// Returns the body of a request without content.
    pub(crate) fn empty() -> Self {
        Self { content: None }
    }
}

impl Progress {
    /// Returns whether the body has been sent, or given up.
    pub(crate) fn is_sent(&mut self) -> bool {
        !matches!(self.sent.try_recv(), Err(TryRecvError::Empty))
    }

    /// Returns whether the body has moved since the last call.
    pub(crate) fn moved(&self) -> bool {
        self.seen.moved.swap(false, Relaxed)
    }

    /// Watches over what has not been sent when the answer comes, whose end is told by `answered`. Gives it up when the
    /// answer has ended and nothing has moved for `idle`: nobody else would, and the client would keep its place.
    pub(crate) async fn watch(mut self, answered: oneshot::Receiver<()>, idle: Duration) {
        // Both may be silent in turn while the answer comes; that has a time limit of its own.
        select! {
            _ = &mut self.sent => return,
            _ = answered => {}
        }
        self.moved();
        loop {
            select! {
                _ = &mut self.sent => return,
                () = sleep(idle) => if !self.moved() { break },
            }
        }
        let _ = self.give_up.send(());
    }

    /// Returns whether the client has broken off, or its content was not in order.
    pub(crate) fn failed(&self) -> bool {
        self.seen.failed.load(Relaxed)
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin> Body for Flagged<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(Content { body, h2, seen, given_up, .. }) = &mut self.content else { return Poll::Ready(None) };
        let frame = Pin::new(&mut *body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) && has_stopped_early(body, *h2) {
            seen.failed.store(true, Relaxed);
            return Poll::Ready(Some(Err("the request broke off".into())));
        }
        if frame.is_ready() {
            seen.moved.store(true, Relaxed);
        } else if let Some(said) = given_up {
            let said = ready!(Pin::new(said).poll(cx));
            *given_up = None;
            return if said.is_ok() {
                Poll::Ready(Some(Err("the request stands still".into())))
            } else {
                Poll::Pending
            };
        }
        if let Poll::Ready(Some(Err(_))) = frame {
            seen.failed.store(true, Relaxed);
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.content.as_ref().is_none_or(|content| content.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.content.as_ref().map_or_else(|| SizeHint::with_exact(0), |content| content.body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, task::Waker};

    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::{task::yield_now, time::advance};

    use super::*;
    use crate::body::tests::Given;

    #[tokio::test(start_paused = true)]
    async fn content_may_stand_still_while_the_answer_comes_and_be_slow_behind_it() {
        let idle = Duration::from_secs(60);
        let (mut body, progress) = Flagged::new(Given(None), Version::HTTP_11);
        let poll = |body: &mut Flagged<_>| Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let (answer, answered) = oneshot::channel();
        let watch = tokio::spawn(progress.watch(answered, idle));
        let pass = async |time| {
            yield_now().await;
            advance(time).await;
            yield_now().await;
        };
        pass(10 * idle).await;
        assert!(poll(&mut body).is_pending());

        drop(answer);
        for _ in 0..3 {
            pass(idle - Duration::from_millis(1)).await;
            assert!(poll(&mut body).is_pending());
            body.content.as_mut().unwrap().body.0 = Some(Bytes::from_static(b"part"));
            assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        }
        pass(idle).await;
        pass(idle).await;
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(_)))));
        watch.await.unwrap();
    }

    #[tokio::test]
    async fn nobody_watches_content_that_has_been_sent() {
        let (body, mut progress) = Flagged::new(Given(None), Version::HTTP_11);
        assert!(!progress.is_sent());
        drop(body);
        assert!(progress.is_sent());

        let (body, progress) = Flagged::new(Given(None), Version::HTTP_11);
        let (_answer, answered) = oneshot::channel();
        drop(body);
        progress.watch(answered, Duration::MAX).await;
    }

    #[tokio::test]
    async fn content_of_http_2_that_stops_before_its_end_has_failed() {
        for (version, fails) in [(Version::HTTP_2, true), (Version::HTTP_11, false)] {
            // It gives no frame any more, and does not say that it is at its end.
            let stopped = StreamBody::new(stream::empty::<Result<_, Infallible>>());
            let (mut body, progress) = Flagged::new(stopped, version);
            assert_eq!(body.frame().await.is_some_and(|frame| frame.is_err()), fails);
            assert_eq!(progress.failed(), fails);
        }
    }
}
