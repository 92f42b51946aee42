//! Responses that are `Clone`, under the generic layer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::Notify;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceBuilder, service_fn};
use tower_singleflight::{
    Group, SingleflightLayer,
    http::{BodySource, CloneBodyLayer},
};

use crate::inner::{body, text};

/// Counts down, with trailers behind; not `Unpin`.
struct Counted(u8, std::marker::PhantomPinned);

impl Counted {
    fn new(frames: u8) -> Self {
        Self(frames, std::marker::PhantomPinned)
    }
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::trailers(HeaderMap::new()))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::from(self.0))
    }
}

#[tokio::test]
async fn callers_of_one_key_are_one_call_and_each_has_the_whole_body() {
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, opened) = (Arc::clone(&calls), Arc::clone(&gate));
    let backend = service_fn(move |_: Request<()>| {
        counter.fetch_add(1, SeqCst);
        let opened = Arc::clone(&opened);
        async move {
            opened.notified().await;
            Ok::<_, Infallible>(Response::builder().header("x-made", "once").body(Full::from("rows")).unwrap())
        }
    });
    let group = Group::new();
    let mut service = ServiceBuilder::new()
        .layer(SingleflightLayer::new(|request: &Request<()>| Some(request.uri().clone())).group(group.clone()))
        .layer(CloneBodyLayer::new().window(1 << 10))
        .service(backend);
    let request = || Request::get("/report").body(()).unwrap();
    let mut callers: Vec<_> = (0..3).map(|_| task::spawn(service.call(request()))).collect();
    callers.iter_mut().for_each(|caller| assert_pending!(caller.poll()));
    while calls.load(SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    gate.notify_one();
    for caller in callers {
        let response = caller.into_inner().await.unwrap();
        assert_eq!(response.headers()["x-made"], "once");
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rows");
    }
    assert_eq!(calls.load(SeqCst), 1);
    assert!(group.is_empty());
}

#[test]
fn a_body_that_is_never_cloned_passes_through() {
    let mut body = task::spawn(BodySource::new(Counted::new(7)));
    assert_eq!(body.size_hint().exact(), Some(7));
    let frame = assert_ready!(body.enter(|cx, body| body.poll_frame(cx)));
    assert!(frame.unwrap().unwrap().is_trailers());
    assert_eq!(body.into_inner().into_reader().size_hint().exact(), Some(7));
}

/// What the cloned one has had is gone; what it has not had comes to both.
#[tokio::test]
async fn a_clone_that_is_made_in_mid_body_goes_on_from_there() {
    let frames = ["a", "b", "c"].map(|data| Ok::<_, Infallible>(Frame::data(Bytes::from_static(data.as_bytes()))));
    let mut body = BodySource::new(http_body_util::StreamBody::new(futures_util::stream::iter(frames)));
    body = body.announced(Some(3));
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "a");
    let mut second = body.clone();
    assert_eq!(second.frame().await.unwrap().unwrap().into_data().unwrap(), "b");
    let third = second.clone();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "bc");
    for rest in [second, third] {
        assert_eq!(rest.collect().await.unwrap().to_bytes(), "c");
    }
}

/// It waits by itself, and not in the cloned one's place.
#[test]
fn a_clone_of_a_body_that_waits_is_woken_too() {
    let (feed, inner) = body(None);
    let source = BodySource::new(inner);
    let _other = source.clone();
    let mut one = task::spawn(source);
    assert_pending!(one.enter(|cx, body| body.poll_frame(cx)));
    let mut two = task::spawn(one.clone());
    assert_pending!(two.enter(|cx, body| body.poll_frame(cx)));
    feed.data("a");
    for body in [&mut one, &mut two] {
        assert!(body.is_woken());
        assert_eq!(text(body.enter(|cx, body| body.poll_frame(cx))), "a");
    }
}

/// A body that panics if it is polled behind its end.
fn ending(last: Option<&'static str>, frames: u8) -> impl Body<Data = Bytes, Error = std::io::Error> + Send + Unpin {
    let frames = (0..frames).map(|_| Ok(Frame::data(Bytes::from_static(b"row"))));
    let last = last.map(|last| Err(std::io::Error::other(last)));
    let mut items = frames.chain(last).map(Some).chain([None]);
    StreamBody::new(futures_util::stream::poll_fn(move |_| Poll::Ready(items.next().expect("it has not ended"))))
}

/// S16, guarantee 1: who is cloned at the end is told the same end, by the body or by the source itself, whether others have read
/// along or nobody.
#[tokio::test]
async fn a_clone_that_is_made_behind_the_end_has_the_same_end() {
    for (others, frames, last) in
        [(0, 0, None), (0, 2, None), (0, 0, Some("cut")), (0, 2, Some("cut")), (1, 2, None), (1, 2, Some("cut"))]
    {
        let case = format!("{others} others, {frames} frames, {last:?}");
        let mut source = BodySource::new(ending(last, frames));
        let others: Vec<_> = (0..others).map(|_| source.clone()).collect();
        for _ in 0..frames {
            assert_eq!(source.frame().await.unwrap().unwrap().into_data().unwrap(), "row", "{case}");
        }
        let end = source.frame().await;
        assert_eq!(end.map(|end| end.unwrap_err().to_string()).as_deref(), last, "{case}");
        // Once told, it has nothing more to say.
        assert!(source.frame().await.is_none(), "{case}");
        for mut clone in [source.clone(), source.clone().clone()] {
            assert_eq!(clone.is_end_stream(), last.is_none(), "{case}");
            assert_eq!(clone.size_hint().exact(), last.is_none().then_some(0), "{case}");
            let end = clone.frame().await;
            assert_eq!(end.map(|end| end.unwrap_err().to_string()).as_deref(), last, "{case}");
            assert!(clone.frame().await.is_none(), "{case}");
        }
        let read = source.clone().into_reader().collect().await;
        assert_eq!(read.err().map(|error| error.to_string()).as_deref(), last, "{case}");
        // The one that was told is told nothing more as a reader.
        assert!(source.into_reader().frame().await.is_none(), "{case}");
        for other in others {
            let read = other.into_reader().collect().await;
            assert_eq!(read.err().map(|error| error.to_string()).as_deref(), last, "{case}");
        }
    }
}
