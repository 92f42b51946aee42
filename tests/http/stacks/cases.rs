//! What each order of layers means, for any stack.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};

use crate::stacks::{
    hold::Hold,
    origin::{Origin, whole},
    seen::Flights,
};

/// The body, or what there was in its place.
pub(crate) type Answer = Result<String, String>;

/// The key of the herd, and one beside it.
pub(crate) const ROWS: &str = "/rows";
pub(crate) const OTHER: &str = "/other";

/// How many ask at once, each on a connection of its own where the layer is on a server.
const HERD: usize = 8;

/// What no test takes, and a hang does.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A deadline that surely ends, and for which no test has to be in time.
pub(crate) const HASTY: Duration = Duration::from_millis(20);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(TOO_LONG, future).await.unwrap_or_else(|_| panic!("{what} does not come"))
}

type Ask = Arc<dyn Fn(&'static str) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A stack, as its callers and its origin see it.
pub(crate) struct Stack {
    origin: Origin,
    flights: Arc<dyn Flights>,
    /// What else counts the calls; else the origin does.
    counter: Option<Arc<AtomicUsize>>,
    ask: Ask,
}

impl Stack {
    /// `ask` asks for a key, on a connection of its own.
    pub(crate) fn new<F, Fut>(origin: &Origin, flights: &(impl Flights + Clone + 'static), ask: F) -> Self
    where
        F: Fn(&'static str) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        let ask: Ask = Arc::new(move |key| Box::pin(ask(key)));
        Self { origin: origin.clone(), flights: Arc::new(flights.clone()), counter: None, ask }
    }

    /// Counts calls by this, rather than where they arrive.
    pub(crate) fn counted_by(mut self, counter: Arc<AtomicUsize>) -> Self {
        self.counter = Some(counter);
        self
    }

    /// Waits until the key's flight has so many callers.
    async fn joined(&self, key: &str, callers: usize) {
        let joined = async {
            while self.flights.callers(key) != callers {
                yield_now().await;
            }
        };
        let joined = timeout(TOO_LONG, joined).await;
        assert!(joined.is_ok(), "{} callers instead of {callers}", self.flights.callers(key));
    }

    fn asks(&self) -> JoinSet<Answer> {
        (0..HERD).map(|_| (self.ask)(ROWS)).collect()
    }

    /// Asks eight times, and waits until all are on one flight.
    async fn herd(&self) -> JoinSet<Answer> {
        let herd = self.asks();
        self.joined(ROWS, HERD).await;
        herd
    }

    /// Waits for the herd's answers, which are these, and for the end of all flights.
    async fn ends(&self, mut herd: JoinSet<Answer>, mut expected: Vec<Answer>, calls: usize) {
        let mut answers = Vec::new();
        while let Some(answer) = soon("an answer", herd.join_next()).await {
            answers.push(answer.expect("no caller panics"));
        }
        answers.sort();
        expected.sort();
        assert_eq!(answers, expected);
        let counted = self.counter.as_ref().map_or_else(|| self.origin.calls(), |counter| counter.load(SeqCst));
        assert_eq!(counted, calls);
        assert!(self.flights.none());
    }

    /// Equal requests are one call, and each caller gets the whole body.
    pub(crate) async fn one_call(self) {
        let herd = self.herd().await;
        self.origin.let_go(1);
        self.ends(herd, vec![Ok(whole(1)); HERD], 1).await;
        assert_eq!(self.flights.outcomes(), HERD);
    }

    /// A failure is one call, and its answer is shared. The origin's first call fails.
    pub(crate) async fn one_failure(self, expected: &str) {
        let herd = self.herd().await;
        self.origin.let_go(1);
        self.ends(herd, vec![Err(expected.to_owned()); HERD], 1).await;
    }

    /// A timeout above: each caller has its own deadline, and the flight goes on for the others. `hasty` asks through the
    /// same group with a timeout above it.
    pub(crate) async fn timeout_above(self, hasty: impl Future<Output = Answer>, expected: &str) {
        let herd = self.herd().await;
        assert_eq!(soon("the deadline", hasty).await, Err(expected.to_owned()));
        self.joined(ROWS, HERD).await;
        self.origin.let_go(1);
        self.ends(herd, vec![Ok(whole(1)); HERD], 1).await;
    }

    /// A timeout below: the flight has one deadline, and all share what comes of it. It runs from when all are on the flight;
    /// the origin does not answer.
    pub(crate) async fn timeout_below(self, above_it: Hold, expected: &str) {
        let herd = self.herd().await;
        above_it.let_go(1);
        let expected = vec![Err(expected.to_owned()); HERD];
        self.ends(herd, expected, 1).await;
        assert_eq!(self.flights.outcomes(), HERD);
    }

    /// Retry above: eight callers try again, and are one new flight. The origin's first call fails.
    pub(crate) async fn retry_above(self) {
        self.tries_again().await;
        assert_eq!(self.flights.outcomes(), 2 * HERD);
    }

    /// Retry below: the flight tries again, and its callers do not notice. The origin's first call fails.
    pub(crate) async fn retry_below(self) {
        self.tries_again().await;
        assert_eq!(self.flights.outcomes(), HERD);
    }

    async fn tries_again(&self) {
        let herd = self.herd().await;
        self.origin.let_go(1);
        self.origin.called(2).await;
        self.joined(ROWS, HERD).await;
        self.origin.let_go(1);
        self.ends(herd, vec![Ok(whole(2)); HERD], 2).await;
    }

    /// A concurrency limit of 2 above: callers queue before they can join, so that only two at a time share.
    pub(crate) async fn limit_above(self) {
        let herd = self.asks();
        for flight in 1..=HERD / 2 {
            self.origin.called(flight).await;
            self.joined(ROWS, 2).await;
            self.origin.let_go(1);
        }
        let expected = (0..HERD).map(|caller| Ok(whole(1 + caller / 2))).collect();
        self.ends(herd, expected, HERD / 2).await;
    }

    /// A concurrency limit of 1 below: a flight takes the permit, its followers take none, and other keys wait for it.
    pub(crate) async fn limit_below(self) {
        let mut herd = self.herd().await;
        self.origin.called(1).await;
        herd.spawn((self.ask)(OTHER));
        self.joined(OTHER, 1).await;
        self.origin.let_go(2);
        let mut expected = vec![Ok(whole(1)); HERD];
        expected.push(Ok(whole(2)));
        self.ends(herd, expected, 2).await;
        assert_eq!(self.origin.peak(), 1);
    }

    /// Load shedding above, with a limit of 2: callers are refused before they can join.
    pub(crate) async fn shed_above(self, expected: &str) {
        let mut herd = self.asks();
        for _ in 2..HERD {
            let refused = soon("a refusal", herd.join_next()).await.expect("six of eight").expect("no caller panics");
            assert_eq!(refused, Err(expected.to_owned()));
        }
        self.joined(ROWS, 2).await;
        self.origin.let_go(1);
        self.ends(herd, vec![Ok(whole(1)); 2], 1).await;
    }

    /// Load shedding below, with a limit of 1: a flight is refused once, and all share that. The permit is with another key.
    pub(crate) async fn shed_below(self, above_it: Hold, expected: &str) {
        let mut other = JoinSet::new();
        other.spawn((self.ask)(OTHER));
        self.joined(OTHER, 1).await;
        above_it.let_go(1);
        self.origin.called(1).await;
        let mut herd = self.herd().await;
        above_it.let_go(1);
        while let Some(answer) = soon("a refusal", herd.join_next()).await {
            assert_eq!(answer.expect("no caller panics"), Err(expected.to_owned()));
        }
        self.origin.let_go(1);
        self.ends(other, vec![Ok(whole(1))], 1).await;
        assert_eq!(self.flights.outcomes(), HERD + 1);
    }
}
