//! An origin that holds every request until the test answers it, and a service of the layer over it.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::sync::{mpsc, oneshot};
use tokio_test::task::{Spawn, spawn};
use tower::{Layer, Service};
use tower_singleflight::{
    HttpSingleflightLayer, Role, SharedBody,
    http::{Coalesced, ContentBody, Contents, Heads, HttpContent, HttpGroup},
};

pub(crate) type RequestBody = Full<Bytes>;
pub(crate) type Answer = Result<Response<SharedBody<OriginBody>>, Fault>;

/// What the origin fails with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault(pub(crate) &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Fault {}

/// A body whose frames the test sends.
#[derive(Debug)]
pub(crate) struct OriginBody {
    frames: mpsc::UnboundedReceiver<Result<Frame<Bytes>, Fault>>,
    ready: VecDeque<Bytes>,
    size: Option<u64>,
}

impl OriginBody {
    /// A body that is there in full.
    pub(crate) fn full(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let size = Some(data.len() as u64);
        let ready = if data.is_empty() { VecDeque::new() } else { VecDeque::from([data]) };
        Self { frames: mpsc::unbounded_channel().1, ready, size }
    }

    /// A body of which the frames are sent one by one.
    pub(crate) fn streamed() -> (Frames, Self) {
        let (sender, frames) = mpsc::unbounded_channel();
        (Frames(sender), Self { frames, ready: VecDeque::new(), size: None })
    }
}

/// The sending end of a body; dropping it ends the body.
#[derive(Debug)]
pub(crate) struct Frames(mpsc::UnboundedSender<Result<Frame<Bytes>, Fault>>);

impl Frames {
    pub(crate) fn data(&self, data: &'static str) {
        let _ = self.0.send(Ok(Frame::data(Bytes::from_static(data.as_bytes()))));
    }

    pub(crate) fn bytes(&self, data: Vec<u8>) {
        let _ = self.0.send(Ok(Frame::data(data.into())));
    }

    pub(crate) fn trailers(&self, trailers: HeaderMap) {
        let _ = self.0.send(Ok(Frame::trailers(trailers)));
    }

    pub(crate) fn fail(&self, fault: &'static str) {
        let _ = self.0.send(Err(Fault(fault)));
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.0.is_closed()
    }
}

impl Body for OriginBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match self.ready.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => self.frames.poll_recv(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.size.is_some() && self.ready.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.size {
            Some(_) => SizeHint::with_exact(self.ready.iter().map(|data| data.len() as u64).sum()),
            None => SizeHint::default(),
        }
    }
}

/// A request that the origin holds.
#[derive(Debug)]
pub(crate) struct Held<B> {
    pub(crate) request: Request<B>,
    answer: oneshot::Sender<Result<Response<OriginBody>, Fault>>,
}

impl<B> Held<B> {
    pub(crate) fn answer(self, response: Response<OriginBody>) {
        let _ = self.answer.send(Ok(response));
    }

    pub(crate) fn fail(self, fault: &'static str) {
        let _ = self.answer.send(Err(Fault(fault)));
    }

    /// Lets the service's future panic.
    pub(crate) fn panic(self) {
        drop(self.answer);
    }

    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.answer.is_closed()
    }
}

/// The service that hands its requests to the test.
#[derive(Debug)]
pub(crate) struct Origin<B>(mpsc::UnboundedSender<Held<B>>);

impl<B> Origin<B> {
    pub(crate) const fn new(held: mpsc::UnboundedSender<Held<B>>) -> Self {
        Self(held)
    }
}

impl<B> Clone for Origin<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Send + 'static> Service<Request<B>> for Origin<B> {
    type Response = Response<OriginBody>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<OriginBody>, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Held { request, answer });
        Box::pin(async move { answered.await.expect("the origin panics") })
    }
}

/// The layer over an origin, with a group to look into.
pub(crate) struct Bench<C: HttpContent, B> {
    pub(crate) layer: HttpSingleflightLayer<C>,
    pub(crate) group: HttpGroup,
    pub(crate) service: C::Service<tower_singleflight::http::HttpSingleflight<Origin<B>>>,
    pub(crate) held: mpsc::UnboundedReceiver<Held<B>>,
    /// How many requests the origin has got, as far as the test has looked.
    pub(crate) calls: Arc<Mutex<usize>>,
    pub(crate) at_rest: AtRest,
}

/// Asks, as the test ends, whether the group is empty.
pub(crate) struct AtRest(Option<HttpGroup>);

impl AtRest {
    /// Asks nothing: others may still be on flights of this group.
    pub(crate) fn waive(&mut self) {
        self.0 = None;
    }
}

impl Drop for AtRest {
    fn drop(&mut self) {
        if let Some(group) = self.0.take().filter(|_| !std::thread::panicking()) {
            let stats = group.stats();
            assert_eq!((stats.in_flight, stats.callers), (0, 0), "flights and callers that the test leaves");
        }
    }
}

pub(crate) type Call<F> = Spawn<F>;

pub(crate) type Plain = Bench<Heads, RequestBody>;

/// With content in the key.
pub(crate) type Keyed = Bench<Contents, ContentBody<RequestBody>>;

pub(crate) fn bench<C: HttpContent, B: Send + 'static>(layer: HttpSingleflightLayer<C>) -> Bench<C, B> {
    let group = HttpGroup::new();
    bench_in(layer, group)
}

pub(crate) fn bench_in<C: HttpContent, B: Send + 'static>(
    layer: HttpSingleflightLayer<C>,
    group: HttpGroup,
) -> Bench<C, B> {
    let layer = layer.group(group.clone());
    let (sender, held) = mpsc::unbounded_channel();
    let service = layer.layer(Origin(sender));
    let at_rest = AtRest(Some(group.clone()));
    Bench { layer, group, service, held, calls: Arc::default(), at_rest }
}

impl<C: HttpContent, B: Send + 'static> Bench<C, B> {
    /// Sends a request and polls its future once.
    pub(crate) fn call<F>(&mut self, request: Request<RequestBody>) -> Call<F>
    where
        C::Service<tower_singleflight::http::HttpSingleflight<Origin<B>>>: Service<Request<RequestBody>, Future = F>,
        F: Future<Output = Answer>,
    {
        let mut call = spawn(self.service.call(request));
        let _ = call.poll();
        call
    }

    /// Returns how many callers the flight of such a request has.
    pub(crate) fn callers(&self, request: Request<RequestBody>) -> usize {
        let (parts, _) = request.into_parts();
        self.layer.key(&parts).map_or(0, |key| self.group.callers(&key))
    }

    /// Lets tasks run until nothing more happens.
    pub(crate) async fn settle(&self) {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    }

    /// Returns the next request that the origin got.
    pub(crate) async fn next(&mut self) -> Held<B> {
        self.settle().await;
        let held = self.held.try_recv().expect("the origin has got a request");
        *self.calls.lock().unwrap() += 1;
        held
    }

    /// Returns how many requests the origin has got in all.
    pub(crate) async fn count(&mut self) -> usize {
        self.settle().await;
        *self.calls.lock().unwrap() + self.held.len()
    }
}

pub(crate) fn get(uri: &str) -> Request<RequestBody> {
    request("GET", uri, &[])
}

pub(crate) fn get_with(uri: &str, headers: &[(&str, &str)]) -> Request<RequestBody> {
    request("GET", uri, headers)
}

pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Request<RequestBody> {
    let builder =
        headers.iter().fold(Request::builder().method(method).uri(uri), |b, (name, value)| b.header(*name, *value));
    builder.body(Full::default()).expect("a valid request")
}

pub(crate) fn ok(headers: &[(&str, &str)], body: &'static str) -> Response<OriginBody> {
    status(200, headers, body)
}

pub(crate) fn status(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response<OriginBody> {
    let builder = headers.iter().fold(Response::builder().status(status), |b, (name, value)| b.header(*name, *value));
    builder.body(OriginBody::full(body)).expect("a valid response")
}

pub(crate) fn coalesced(response: &Response<SharedBody<OriginBody>>) -> Coalesced {
    *response.extensions().get::<Coalesced>().expect("every response says what became of it")
}

pub(crate) fn role(response: &Response<SharedBody<OriginBody>>) -> Role {
    coalesced(response).role
}

pub(crate) async fn text(response: Response<SharedBody<OriginBody>>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}
