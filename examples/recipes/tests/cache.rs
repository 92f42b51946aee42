//! What the cache serves at each age, and how often it asks the source. Time is paused.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use recipes::cache::{Bounds, Cached, From};
use tokio::{
    sync::Notify,
    task::{JoinSet, yield_now},
    time::{Instant, advance},
};
use tokio_test::{assert_pending, task};
use tower_singleflight::SharedError;

const SECOND: Duration = Duration::from_secs(1);

const BOUNDS: Bounds = Bounds {
    fresh: SECOND,
    stale: Duration::from_secs(10),
    on_error: Duration::from_secs(100),
    wait: Duration::from_secs(5),
    pause: SECOND,
};

/// A source whose answers a test sets, and may keep back.
#[derive(Clone, Default)]
struct Source {
    loads: Arc<AtomicUsize>,
    gate: Arc<Mutex<Option<Arc<Notify>>>>,
    /// `None` while it is down.
    row: Arc<Mutex<Option<&'static str>>>,
}

impl Source {
    fn new(row: &'static str) -> Self {
        let source = Self::default();
        source.set(Some(row));
        source
    }

    fn set(&self, row: Option<&'static str>) {
        *self.row.lock().unwrap() = row;
    }

    /// Keeps answers back from now on, until the gate is notified. Each is the row as it was when the source was asked.
    fn hold(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }

    async fn load(self) -> Result<&'static str, SharedError> {
        self.loads.fetch_add(1, SeqCst);
        let row = self.row.lock().unwrap().ok_or_else(|| SharedError::new("the source is down"));
        let gate = self.gate.lock().unwrap().clone();
        match gate {
            Some(gate) => gate.notified().await,
            // The rest of a herd comes meanwhile.
            None => yield_now().await,
        }
        row
    }
}

macro_rules! cached {
    ($source:expr) => {{
        let source = $source.clone();
        Arc::new(Cached::new(100, BOUNDS, move |_: u32| source.clone().load()))
    }};
}

/// Asks a hundred times at once; returns what all of them got.
macro_rules! herd {
    ($cached:expr) => {{
        let mut herd = JoinSet::new();
        for _ in 0..100 {
            let cached = Arc::clone(&$cached);
            herd.spawn(async move { cached.get(7).await.map_err(|error| error.to_string()) });
        }
        let mut answers = herd.join_all().await;
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers.remove(0)
    }};
}

/// Lets what runs in the background come to its end.
async fn idle(in_flight: impl Fn() -> usize) {
    for _ in 0..10_000 {
        if in_flight() == 0 {
            return;
        }
        yield_now().await;
    }
    panic!("{} runs do not end", in_flight());
}

#[tokio::test(start_paused = true)]
async fn a_herd_that_misses_asks_once_and_a_fresh_row_asks_nobody() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    assert_eq!(source.loads(), 1);
    source.set(Some("new"));
    advance(SECOND / 2).await;
    assert_eq!(herd!(cached), Ok(("old", From::Fresh)));
    assert_eq!((source.loads(), cached.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stale_row_is_served_at_once_while_one_run_in_the_background_asks() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    source.set(Some("new"));
    advance(2 * SECOND).await;
    let gate = source.hold();
    assert_eq!(herd!(cached), Ok(("old", From::Stale)), "the source keeps its answer back");
    assert_eq!((source.loads(), cached.in_flight()), (2, 1), "all have gone, and the run goes on");
    gate.notify_one();
    idle(|| cached.in_flight()).await;
    assert_eq!(herd!(cached), Ok(("new", From::Fresh)));
    assert_eq!(source.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_row_beyond_the_stale_age_is_waited_for() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    source.set(Some("new"));
    advance(11 * SECOND).await;
    assert_eq!(herd!(cached), Ok(("new", From::Source)));
    assert_eq!(source.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_source_fails_an_old_row_is_served_up_to_an_age_and_the_error_after_it() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    source.set(None);
    advance(99 * SECOND).await;
    assert_eq!(herd!(cached), Ok(("old", From::StaleOnError)));
    assert_eq!(source.loads(), 2);
    advance(SECOND).await;
    assert_eq!(herd!(cached), Err("the source is down".to_owned()));
    assert_eq!(source.loads(), 3);
    source.set(Some("new"));
    assert_eq!(herd!(cached), Ok(("new", From::Source)));
}

/// A row's age counts when the run has failed, not when it began.
#[tokio::test(start_paused = true)]
async fn a_source_that_takes_long_to_fail_does_not_make_an_old_row_younger() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    source.set(None);
    advance(99 * SECOND).await;
    let gate = source.hold();
    let mut call = task::spawn(cached.get(7));
    assert_pending!(call.poll());
    advance(2 * SECOND).await;
    gate.notify_one();
    assert!(call.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_failed_is_left_alone_for_a_while() {
    for age in [2, 20] {
        let source = Source::new("old");
        let cached = cached!(source);
        assert_eq!(herd!(cached), Ok(("old", From::Source)));
        source.set(None);
        advance(age * SECOND).await;
        for _ in 0..10 {
            assert_eq!(herd!(cached).unwrap().0, "old");
            idle(|| cached.in_flight()).await;
        }
        assert_eq!(source.loads(), 2, "one try, and then none");
        advance(SECOND).await;
        assert_eq!(herd!(cached).unwrap().0, "old");
        idle(|| cached.in_flight()).await;
        assert_eq!(source.loads(), 3, "after the pause another");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_write_nobody_gets_a_row_from_before_it_also_not_from_a_run_that_ends_later() {
    let source = Source::new("old");
    let cached = cached!(source);
    let gate = source.hold();
    let mut before = task::spawn(cached.get(7));
    assert_pending!(before.poll());
    // The run begins.
    advance(SECOND).await;
    assert_eq!(source.loads(), 1);
    source.set(Some("new"));
    cached.written(7).await;
    source.gate.lock().unwrap().take();
    advance(SECOND).await;
    let mut after = task::spawn(cached.get(7));
    assert_pending!(after.poll());
    idle(|| cached.in_flight()).await;
    gate.notify_one();
    assert_eq!(after.await.unwrap(), ("new", From::Source), "it did not join the run from before");
    assert_eq!(before.await.unwrap().0, "old", "it asked before the write");
    assert_eq!(herd!(cached).unwrap().0, "new", "what the old run found is not kept");
    source.set(None);
    cached.written(7).await;
    assert_eq!(herd!(cached), Err("the source is down".to_owned()), "no row from before a write hides an error");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_is_waited_for_up_to_a_time_and_its_answer_kept_when_it_comes() {
    let source = Source::new("old");
    let cached = cached!(source);
    assert_eq!(herd!(cached), Ok(("old", From::Source)));
    source.set(Some("new"));
    advance(20 * SECOND).await;
    let gate = source.hold();
    let asked = Instant::now();
    assert_eq!(herd!(cached), Ok(("old", From::StaleOnError)));
    assert_eq!(asked.elapsed(), BOUNDS.wait);
    assert_eq!((source.loads(), cached.in_flight()), (2, 1), "the run goes on");
    advance(80 * SECOND).await;
    assert_eq!(herd!(cached), Err("deadline has elapsed".to_owned()), "the row is too old now");
    gate.notify_one();
    idle(|| cached.in_flight()).await;
    source.gate.lock().unwrap().take();
    assert_eq!(herd!(cached), Ok(("new", From::Source)), "what was asked for so long ago is stale at once");
    assert_eq!(source.loads(), 3);
}
