//! An origin that all processes ask, and that holds each request until the test answers it.

use std::{error::Error, fmt};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower::{Layer, Service, util::BoxCloneService};
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    fleet::{Fleet, FleetRole, FleetSettings, MemoryEngine},
    http::{Coalesced, HttpGroup},
};

use crate::process::{SECRET, settle};

pub(crate) type Body = UnsyncBoxBody<Bytes, Fault>;
type Answer = Result<Response<Body>, Fault>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Fault {}

/// What the origin is asked.
pub(crate) struct Asked(oneshot::Sender<Answer>);

impl Asked {
    pub(crate) fn answer(self, answer: Response<Body>) {
        assert!(self.0.send(Ok(answer)).is_ok(), "nobody waits for the answer");
    }

    pub(crate) fn fail(self) {
        assert!(self.0.send(Err(Fault("down"))).is_ok(), "nobody waits for the answer");
    }
}

/// Processes on one engine, and the origin behind them.
pub(crate) struct Site {
    pub(crate) engine: MemoryEngine,
    asks: mpsc::UnboundedSender<Asked>,
    asked: mpsc::UnboundedReceiver<Asked>,
    pub(crate) settings: FleetSettings,
}

/// One process.
pub(crate) struct Process {
    pub(crate) service: BoxCloneService<Request<Full<Bytes>>, Response<SharedBody<Body>>, Fault>,
}

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    /// `None` if it broke off.
    pub(crate) body: Option<String>,
    pub(crate) fleet: Option<FleetRole>,
}

impl Site {
    pub(crate) fn new() -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        Self { engine: MemoryEngine::new(), asks, asked, settings: FleetSettings::new() }
    }

    /// Makes a process whose layer is told this.
    pub(crate) fn process(&self, told: impl Fn(HttpSingleflightLayer) -> HttpSingleflightLayer) -> Process {
        let fleet = Fleet::with_settings(self.engine.clone(), SECRET, self.settings.clone()).unwrap();
        let layer = HttpSingleflightLayer::new().group(HttpGroup::new()).fleet(fleet, "site");
        let asks = self.asks.clone();
        let origin = tower::service_fn(move |request: Request<Full<Bytes>>| {
            let (answer, answered) = oneshot::channel();
            drop(request);
            asks.send(Asked(answer)).unwrap();
            async move { answered.await.unwrap_or(Err(Fault("the test is over"))) }
        });
        Process { service: BoxCloneService::new(told(layer).layer(origin)) }
    }

    pub(crate) fn processes<const N: usize>(&self) -> [Process; N] {
        [(); N].map(|()| self.process(|layer| layer))
    }

    /// Waits for the next request that the origin is asked; all others must have come to rest.
    pub(crate) async fn next(&mut self) -> Asked {
        settle().await;
        self.asked.try_recv().expect("the origin is asked")
    }

    /// Returns the requests that the origin is asked now.
    pub(crate) async fn all(&mut self) -> Vec<Asked> {
        settle().await;
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    /// Nothing is left, in the engine or of requests.
    pub(crate) async fn rest(mut self) {
        tokio::time::sleep(std::time::Duration::from_secs(11)).await;
        assert!(self.all().await.is_empty(), "a request that nobody expects");
        assert_eq!(self.engine.unclosed(), 0);
        assert!(self.engine.is_empty());
    }
}

impl Process {
    /// Makes a request, and reads its answer, in a task of its own.
    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> JoinHandle<Result<Got, Fault>> {
        let call = self.service.clone().call(request);
        tokio::spawn(async move { Ok(read(call.await?).await) })
    }

    pub(crate) fn get(&self, path: &str) -> JoinHandle<Result<Got, Fault>> {
        self.send(get(path))
    }
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://site{path}")).body(Full::default()).unwrap()
}

pub(crate) async fn read(response: Response<SharedBody<Body>>) -> Got {
    let (head, body) = response.into_parts();
    let fleet = head.extensions.get::<Coalesced>().and_then(|coalesced| coalesced.fleet);
    let body = body.collect().await.ok();
    let body = body.map(|collected| String::from_utf8(collected.to_bytes().to_vec()).unwrap());
    Got { status: head.status, body, fleet }
}

/// An answer whose body is there as a whole.
pub(crate) fn answer(fields: &[(&'static str, &'static str)], body: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::from(body).map_err(|never| match never {}).boxed_unsync());
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

pub(crate) fn status(status: u16, fields: &[(&'static str, &'static str)]) -> Response<Body> {
    let mut response = answer(fields, "rows");
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// An answer whose frames the test sends; its body ends with them, and well unless the last one is a fault.
pub(crate) fn streamed() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, Fault>>, Response<Body>) {
    let (frames, mut sent) = mpsc::unbounded_channel();
    let body = StreamBody::new(futures_util::stream::poll_fn(move |cx| sent.poll_recv(cx)));
    (frames, Response::new(body.boxed_unsync()))
}
