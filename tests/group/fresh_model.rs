//! Random schedules of fresh and ordinary callers against a logical clock: no fresh caller gets work that began before it
//! called, nothing hangs, and nothing is left (invariants 12, 13).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use proptest::prelude::*;
use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::advance,
};
use tokio_test::task::{Spawn, spawn};
use tower_singleflight::{Group, Limits, OnAbandon, Outcome, Reason, Role};

/// Counted up whenever it is read, so that no two things happen at one time.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, SeqCst)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call {
        fresh: bool,
    },
    Spawn {
        fresh: bool,
    },
    Poll(usize),
    Leave(usize),
    Land(usize),
    Panic(usize),
    Forget,
    /// The runtime that a caller may have joined from ends.
    Lose,
    /// Half of a limit.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0..32_usize;
    prop_oneof![
        6 => any::<bool>().prop_map(|fresh| Step::Call { fresh }),
        2 => any::<bool>().prop_map(|fresh| Step::Spawn { fresh }),
        6 => nth.clone().prop_map(Step::Poll),
        3 => nth.clone().prop_map(Step::Leave),
        5 => nth.clone().prop_map(Step::Land),
        1 => nth.prop_map(Step::Panic),
        1 => Just(Step::Forget),
        1 => Just(Step::Lose),
        1 => Just(Step::Wait),
    ]
}

/// The limits that a schedule runs under.
fn limits() -> impl Strategy<Value = Limits> {
    let wait = prop_oneof![Just(None), Just(Some(Duration::from_millis(2)))];
    let followers = prop_oneof![3 => Just(usize::MAX), 1 => Just(1)];
    let flights = prop_oneof![3 => Just(usize::MAX), 1 => 0..3_usize];
    let abandon = prop_oneof![
        Just(OnAbandon::Cancel),
        Just(OnAbandon::Finish),
        Just(OnAbandon::CancelAfter(Duration::from_millis(1)))
    ];
    (wait.clone(), wait, followers, flights, abandon).prop_map(|(wait, window, followers, flights, abandon)| {
        let mut limits = Limits::new().max_followers(followers).max_flights(flights).on_abandon(abandon);
        limits.max_wait = wait;
        limits.join_window = window;
        limits
    })
}

/// A run that waits until it is told how to end.
#[derive(Default)]
struct Run {
    end: Option<bool>,
    waker: Option<Waker>,
}

type Runs = Arc<Mutex<Vec<Arc<Mutex<Run>>>>>;

/// Work whose value is the time at which it was first polled.
fn work(clock: &Clock, runs: &Runs) -> impl FnOnce() -> BoxFuture<'static, u64> + Send + 'static {
    let (clock, runs) = (clock.clone(), Arc::clone(runs));
    move || {
        let (begun, run) = (clock.now(), Arc::new(Mutex::new(Run::default())));
        runs.lock().unwrap().push(Arc::clone(&run));
        std::future::poll_fn(move |cx| {
            let mut run = run.lock().unwrap();
            match run.end {
                Some(true) => Poll::Ready(begun),
                Some(false) => {
                    drop(run);
                    std::panic::resume_unwind(Box::new("as told"))
                }
                None => {
                    run.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .boxed()
    }
}

struct Caller {
    called: u64,
    fresh: bool,
    call: Spawn<BoxFuture<'static, Outcome<u64>>>,
}

struct Walk {
    group: Group<u8, u64>,
    clock: Clock,
    runs: Runs,
    callers: Vec<Caller>,
    doomed: Option<Runtime>,
}

impl Drop for Walk {
    fn drop(&mut self) {
        self.lose();
    }
}

impl Walk {
    fn new(limits: Limits) -> Self {
        let (group, clock, runs) = (Group::with_limits(limits), Clock::default(), Runs::default());
        Self { group, clock, runs, callers: Vec::new(), doomed: None }
    }

    fn call(&mut self, fresh: bool, spawned: bool) {
        // Some callers come from a runtime that may end.
        let other = self.clock.now() % 8 == 3 && !spawned;
        if other && self.doomed.is_none() {
            self.doomed = Some(Builder::new_current_thread().enable_time().build().unwrap());
        }
        let _context = self.doomed.as_ref().filter(|_| other).map(Runtime::enter);
        let (called, work) = (self.clock.now(), work(&self.clock, &self.runs));
        let call = match (fresh, spawned) {
            (false, false) => self.group.call(0, work).boxed(),
            (true, false) => self.group.call_fresh(0, work).boxed(),
            (false, true) => self.group.spawn(0, work).boxed(),
            (true, true) => self.group.spawn_fresh(0, work).boxed(),
        };
        self.callers.push(Caller { called, fresh, call: spawn(call) });
    }

    fn poll(&mut self, at: usize) {
        let caller = &mut self.callers[at];
        match catch_unwind(AssertUnwindSafe(|| caller.call.poll())) {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(outcome)) => {
                let begun = outcome.value;
                assert!(!caller.fresh || begun >= caller.called, "called at {}, begun at {begun}", caller.called);
                let stuck = outcome.role == Role::Alone(Reason::WaitedTooLong);
                assert!(!caller.fresh || !stuck, "a fresh caller goes alone for no stuck run");
            }
            Err(_) => {}
        }
        drop(self.callers.swap_remove(at));
    }

    fn end(&self, any: usize, well: bool) {
        let runs: Vec<_> =
            self.runs.lock().unwrap().iter().filter(|run| run.lock().unwrap().end.is_none()).cloned().collect();
        let Some(chosen) = any.checked_rem(runs.len()) else { return };
        let mut run = runs[chosen].lock().unwrap();
        run.end = Some(well);
        let waker = run.waker.take();
        drop(run);
        waker.into_iter().for_each(Waker::wake);
    }

    fn lose(&mut self) {
        self.doomed.take().into_iter().for_each(Runtime::shutdown_background);
    }

    /// Lets the tasks run, those of the other runtime too.
    async fn settle(&mut self) {
        for _ in 0..4 {
            yield_now().await;
        }
        if let Some(doomed) = self.doomed.take() {
            self.doomed = std::thread::scope(|scope| {
                scope
                    .spawn(move || {
                        doomed.block_on(async {
                            for _ in 0..4 {
                                yield_now().await;
                            }
                        });
                        Some(doomed)
                    })
                    .join()
                    .unwrap()
            });
            yield_now().await;
        }
    }

    async fn take(&mut self, step: Step) {
        let pick = |any: usize, callers: &[Caller]| any.checked_rem(callers.len());
        match step {
            Step::Call { fresh } => self.call(fresh, false),
            Step::Spawn { fresh } => self.call(fresh, true),
            Step::Poll(any) => pick(any, &self.callers).into_iter().for_each(|at| self.poll(at)),
            Step::Leave(any) => {
                if let Some(at) = pick(any, &self.callers) {
                    drop(self.callers.swap_remove(at));
                }
            }
            Step::Land(any) => self.end(any, true),
            Step::Panic(any) => self.end(any, false),
            Step::Forget => drop(self.group.forget(&0)),
            Step::Lose => self.lose(),
            Step::Wait => advance(Duration::from_millis(1)).await,
        }
        self.settle().await;
    }

    /// Everybody who is left gets an outcome once runs end.
    async fn finish(mut self) {
        self.lose();
        for round in 0.. {
            self.settle().await;
            (0..self.callers.len()).rev().for_each(|at| self.poll(at));
            if self.callers.is_empty() && self.group.is_empty() {
                break;
            }
            assert!(round < 1_000, "{} callers hang, with {:?}", self.callers.len(), self.group.stats());
            self.end(0, true);
            advance(Duration::from_millis(1)).await;
        }
        let stats = self.group.stats();
        assert_eq!((stats.in_flight, stats.callers, stats.waiting, self.group.waiting(&0)), (0, 0, 0, 0));
    }
}

/// 10,000 with `PROPTEST_CASES=10000`.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 1_000 };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_fresh_caller_gets_work_that_began_after_it_called(limits in limits(), steps in prop::collection::vec(step(), 1..48)) {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let walked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {
            let mut walk = Walk::new(limits);
            for step in steps {
                walk.take(step).await;
            }
            walk.finish().await;
        })));
        if let Err(payload) = walked {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            return Err(TestCaseError::fail(text.unwrap_or_default()));
        }
    }
}
