//! A body that the test feeds, its readers, and what they read.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio_test::{assert_ready, task};
use tower_singleflight::{
    SharedBody,
    http::{BodyError, BodySource},
};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fault")
    }
}

impl Error for Fault {}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
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
pub(crate) struct Inner {
    shared: Arc<Mutex<Shared>>,
    size: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Feed(Arc<Mutex<Shared>>);

pub(crate) fn body(size: Option<u64>) -> (Feed, Inner) {
    let shared = Arc::<Mutex<Shared>>::default();
    (Feed(Arc::clone(&shared)), Inner { shared, size })
}

impl Feed {
    pub(crate) fn send(&self, item: Item) {
        let mut shared = self.0.lock().unwrap();
        shared.items.push_back(item);
        let waker = shared.waker.take();
        drop(shared);
        waker.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn data(&self, data: &'static str) {
        self.send(Item::Data(Bytes::from_static(data.as_bytes())));
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.0.lock().unwrap().dropped
    }

    pub(crate) fn polls(&self) -> usize {
        self.0.lock().unwrap().polls
    }

    pub(crate) fn unread(&self) -> usize {
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

pub(crate) fn trailers() -> HeaderMap {
    HeaderMap::from_iter([(http::header::ETAG, "1".parse().unwrap())])
}

pub(crate) type Reader<B = Inner> = task::Spawn<SharedBody<B>>;
pub(crate) type Polled = Poll<Option<Result<Frame<Bytes>, BodyError>>>;

pub(crate) trait PollFrame {
    fn frame(&mut self) -> Polled;
}

impl<B> PollFrame for Reader<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn frame(&mut self) -> Polled {
        let polled = self.enter(|cx, body| body.poll_frame(cx));
        // Before an error it is pending once, and wakes its task.
        if polled.is_pending() && self.is_woken() { self.enter(|cx, body| body.poll_frame(cx)) } else { polled }
    }
}

pub(crate) fn readers<B: Body, const N: usize>(source: BodySource<B>) -> [Reader<B>; N] {
    let mut claims: Vec<_> = (1..N).map(|_| source.clone()).collect();
    claims.push(source);
    let readers: Vec<_> = claims.into_iter().map(|claim| task::spawn(claim.into_reader())).collect();
    readers.try_into().unwrap_or_else(|_| unreachable!())
}

pub(crate) fn text(polled: Polled) -> String {
    let frame = assert_ready!(polled).expect("a frame").expect("no error");
    String::from_utf8(frame.into_data().expect("data").to_vec()).unwrap()
}

pub(crate) fn error(polled: Polled) -> BodyError {
    assert_ready!(polled).expect("an error").expect_err("an error")
}
