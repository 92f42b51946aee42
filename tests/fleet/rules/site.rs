//! Callers, spread over processes, and the origin behind all of them.

use std::{collections::HashSet, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, request};
use http_body_util::Full;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower::{Layer, Service, util::BoxCloneService};
use tower_singleflight::{
    HttpSingleflightLayer, Limits, SharedBody,
    fleet::{Fleet, FleetSettings, MemoryEngine},
    http::{Contents, HttpGroup},
};

use super::play::{Got, read};
use crate::{
    pair::origin::{Body, Fault},
    process::SECRET,
};

pub(super) type Sent = Request<Full<Bytes>>;
type Processed = BoxCloneService<Sent, Response<SharedBody<Body>>, Fault>;

/// Which caller is in which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// All are in one, which is in no fleet.
    One,
    /// All are in one, which is in a fleet.
    Lone,
    /// The first is in one, and all others are in another.
    Two,
    /// Each is in one of its own.
    Each,
    /// Likewise, and the engine brings no news.
    Looking,
}

impl Spread {
    pub(super) const ALL: [Self; 5] = [Self::One, Self::Lone, Self::Two, Self::Each, Self::Looking];
    /// Those with more than one process.
    pub(super) const ACROSS: [Self; 3] = [Self::Two, Self::Each, Self::Looking];

    fn process_of(self, caller: usize) -> usize {
        match self {
            Self::One | Self::Lone => 0,
            Self::Two => caller.min(1),
            Self::Each | Self::Looking => caller,
        }
    }
}

/// What the layers of all processes are told.
#[derive(Clone)]
pub(super) enum Told {
    Heads(Arc<dyn Fn(HttpSingleflightLayer) -> HttpSingleflightLayer>),
    Contents(Arc<dyn Fn(HttpSingleflightLayer) -> HttpSingleflightLayer<Contents>>),
}

impl Told {
    pub(super) fn heads(told: impl Fn(HttpSingleflightLayer) -> HttpSingleflightLayer + 'static) -> Self {
        Self::Heads(Arc::new(told))
    }

    pub(super) fn contents(told: impl Fn(HttpSingleflightLayer) -> HttpSingleflightLayer<Contents> + 'static) -> Self {
        Self::Contents(Arc::new(told))
    }
}

/// A request that the origin holds.
pub(super) struct Asked {
    pub(super) head: request::Parts,
    /// The name of the span that the call is made in.
    pub(super) span: Option<&'static str>,
    answer: oneshot::Sender<Option<Result<Response<Body>, Fault>>>,
}

impl Asked {
    /// Returns whose request it is.
    pub(super) fn whose(&self) -> usize {
        whose(&self.head).expect("each caller says who it is")
    }

    pub(super) fn answer(self, response: Response<Body>) {
        let _ = self.answer.send(Some(Ok(response)));
    }

    pub(super) fn fail(self) {
        let _ = self.answer.send(Some(Err(Fault("down"))));
    }

    /// Lets the call panic.
    pub(super) fn panic(self) {
        let _ = self.answer.send(None);
    }

    pub(super) fn is_dropped(&self) -> bool {
        self.answer.is_closed()
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.head.method, self.head.uri)
    }
}

fn whose(head: &request::Parts) -> Option<usize> {
    head.headers.get("x-request-id")?.to_str().ok()?.parse().ok()
}

/// Processes on one engine, and the origin behind them.
pub(super) struct Site {
    pub(super) spread: Spread,
    pub(super) engine: MemoryEngine,
    pub(super) settings: FleetSettings,
    pub(super) limits: Limits,
    told: Told,
    processes: Vec<Process>,
    asks: mpsc::UnboundedSender<Asked>,
    asked: mpsc::UnboundedReceiver<Asked>,
    /// Whose requests the origin has got.
    sent: HashSet<usize>,
    pub(super) calls: usize,
}

struct Process {
    service: Processed,
    group: HttpGroup,
}

impl Site {
    pub(super) fn new(spread: Spread, told: Told) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let looks = spread == Spread::Looking;
        let engine = if looks { MemoryEngine::without_news() } else { MemoryEngine::new() };
        let (settings, limits) = (FleetSettings::new().jitter_seed(Some(7)), Limits::new());
        let (processes, sent) = (Vec::new(), HashSet::new());
        Self { spread, engine, settings, limits, told, processes, asks, asked, sent, calls: 0 }
    }

    fn process(&mut self, caller: usize) -> &Process {
        let at = self.spread.process_of(caller);
        while self.processes.len() <= at {
            let group = HttpGroup::with_limits(self.limits);
            let mut layer = HttpSingleflightLayer::new().group(group.clone());
            if self.spread != Spread::One {
                let fleet = Fleet::with_settings(self.engine.clone(), SECRET, self.settings.clone());
                layer = layer.fleet(fleet.expect("good settings"), "site");
            }
            let service = match &self.told {
                Told::Heads(told) => BoxCloneService::new(told(layer).layer(origin(self.asks.clone()))),
                Told::Contents(told) => BoxCloneService::new(told(layer).layer(origin(self.asks.clone()))),
            };
            self.processes.push(Process { service, group });
        }
        &self.processes[at]
    }

    /// Returns the flights of a caller's process.
    pub(super) fn group(&mut self, caller: usize) -> HttpGroup {
        self.process(caller).group.clone()
    }

    /// Makes a caller's request, and lets it come as far as it can.
    pub(super) async fn call(&mut self, caller: usize, request: Sent) -> JoinHandle<Got> {
        let call = self.start(caller, request);
        let call = tokio::spawn(async move { read(call).await });
        settle().await;
        call
    }

    /// Makes a caller's request; the response future is the test's.
    pub(super) fn start(
        &mut self,
        caller: usize,
        mut request: Sent,
    ) -> impl Future<Output = Result<Response<SharedBody<Body>>, Fault>> + Send + use<> {
        request.headers_mut().entry("x-request-id").or_insert(caller.into());
        self.process(caller).service.clone().call(request)
    }

    /// Returns the requests that the origin has got since it was asked last.
    pub(super) async fn all(&mut self) -> Vec<Asked> {
        settle().await;
        let asked: Vec<_> = std::iter::from_fn(|| self.asked.try_recv().ok()).collect();
        self.calls += asked.len();
        for asked in &asked {
            // S23, in each scenario.
            assert!(self.sent.insert(asked.whose()), "the request of caller {} was sent twice", asked.whose());
        }
        asked
    }

    /// Returns the next request that the origin gets; all others must have been answered.
    pub(super) async fn next(&mut self) -> Asked {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{:?}: the origin has got {all:?}", self.spread);
        all.remove(0)
    }

    /// Nothing is left: of flights, in the engine, or of requests.
    pub(super) async fn rest(mut self) {
        sleep(Duration::from_secs(12)).await;
        let asked = self.all().await;
        assert!(asked.is_empty(), "{:?}: nobody expects {asked:?}", self.spread);
        assert!(self.processes.iter().all(|process| process.group.is_empty()), "{:?}", self.spread);
        assert_eq!(self.engine.unclosed(), 0, "{:?}", self.spread);
        assert!(self.engine.is_empty(), "{:?}", self.spread);
    }
}

/// The service behind a process: it hands its requests to the test.
fn origin<B: Send + 'static>(
    asks: mpsc::UnboundedSender<Asked>,
) -> impl Service<Request<B>, Response = Response<Body>, Error = Fault, Future: Send> + Clone + Send + Sync + 'static {
    tower::service_fn(move |request: Request<B>| {
        let (answer, answered) = oneshot::channel();
        let (head, _) = request.into_parts();
        let span = tracing::Span::current().metadata().map(tracing::Metadata::name);
        let _ = asks.send(Asked { head, span, answer });
        async move {
            match answered.await {
                Ok(Some(answer)) => answer,
                Ok(None) => panic!("the origin panics"),
                Err(_) => Err(Fault("the test is over")),
            }
        }
    })
}

/// Lets all tasks come as far as they can.
pub(super) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Waits until so long after a moment.
pub(super) async fn until(since: Instant, after: u64) {
    tokio::time::sleep_until(since + Duration::from_millis(after)).await;
}
