//! Fresh calls under shuttle's scheduler: they join while a run lands, is left, is forgotten, is abandoned, panics, or
//! loses its task. Each time work that a fresh caller gets was first polled after it called (invariant 13), nobody hangs
//! (shuttle reports a deadlock), and the group is empty in the end.
//!
//! `cargo test --release -p shuttle-models --test fresh_model`

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::Poll,
};

use futures_util::FutureExt;
use shuttle::{
    future::block_on,
    thread::{self, JoinHandle},
};
use shuttle_models::Group;

/// A tenth without optimisation.
const SCHEDULES: usize = if cfg!(debug_assertions) { 1_000 } else { 20_000 };

type Work = Pin<Box<dyn Future<Output = u32> + Send>>;

/// A group and a logical clock; work yields, and its value is the time of its first poll.
#[derive(Clone)]
struct Model {
    group: Group<&'static str, u32>,
    clock: Arc<AtomicU32>,
    alive: Arc<AtomicU32>,
    /// Runs may overlap: a key is forgotten.
    overlaps: bool,
}

/// Counts a run as long as it is alive.
struct Alive(Arc<AtomicU32>);

impl Drop for Alive {
    fn drop(&mut self) {
        thread::yield_now();
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Model {
    fn new(overlaps: bool) -> Self {
        Self { group: Group::new(), clock: Arc::default(), alive: Arc::default(), overlaps }
    }

    fn now(&self) -> u32 {
        self.clock.fetch_add(1, SeqCst)
    }

    fn work(&self, end: fn(u32) -> u32) -> impl FnOnce() -> Work + Clone + Send + 'static {
        let own = self.clone();
        move || {
            let begun = own.now();
            let others = own.alive.fetch_add(1, SeqCst);
            assert!(own.overlaps || others == 0, "two runs of one key overlap");
            let alive = Alive(Arc::clone(&own.alive));
            Box::pin(async move {
                let _alive = alive;
                for _ in 0..2 {
                    shuttle::future::yield_now().await;
                }
                end(begun)
            })
        }
    }

    /// Calls on a thread of its own, and waits for the outcome.
    fn call(&self, fresh: bool, end: fn(u32) -> u32) -> JoinHandle<()> {
        let own = self.clone();
        thread::spawn(move || {
            let (called, work) = (own.now(), own.work(end));
            let call = if fresh { own.group.call_fresh("key", work) } else { own.group.call("key", work) };
            if let Ok(outcome) = block_on(AssertUnwindSafe(call).catch_unwind()) {
                assert!(!fresh || outcome.value >= called, "called at {called}, begun at {}", outcome.value);
            }
        })
    }

    /// Calls on a thread of its own, polls once, and leaves.
    fn leave(&self, fresh: bool) -> JoinHandle<()> {
        let own = self.clone();
        thread::spawn(move || {
            let work = own.work(|begun| begun);
            let mut call = if fresh { own.group.call_fresh("key", work) } else { own.group.call("key", work) };
            let _ = block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx))));
        })
    }

    fn finish(self, threads: impl IntoIterator<Item = JoinHandle<()>>) {
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(self.group.is_empty());
        assert_eq!(self.group.waiting("key"), 0);
        let stats = self.group.stats();
        assert_eq!((stats.in_flight, stats.callers, stats.waiting), (0, 0, 0));
    }
}

fn explore(overlaps: bool, model: impl Fn(&Model) -> Vec<JoinHandle<()>> + Send + Sync + 'static) {
    shuttle::check_random(
        move || {
            let checked = Model::new(overlaps);
            let threads = model(&checked);
            checked.finish(threads);
        },
        SCHEDULES,
    );
}

const WELL: fn(u32) -> u32 = |begun| begun;

#[test]
fn fresh_callers_join_while_a_run_lands() {
    explore(false, |model| {
        vec![model.call(false, WELL), model.call(true, WELL), model.call(true, WELL), model.call(true, WELL)]
    });
}

#[test]
fn fresh_callers_leave_while_others_join() {
    explore(false, |model| vec![model.call(false, WELL), model.leave(true), model.call(true, WELL), model.leave(true)]);
}

#[test]
fn a_run_is_abandoned_while_fresh_callers_join() {
    explore(false, |model| {
        vec![model.leave(false), model.leave(false), model.call(true, WELL), model.call(true, WELL)]
    });
}

#[test]
fn a_run_is_forgotten_while_fresh_callers_join() {
    explore(true, |model| {
        let group = model.group.clone();
        let forget = thread::spawn(move || _ = group.forget("key"));
        vec![model.call(false, WELL), model.call(true, WELL), forget, model.call(true, WELL)]
    });
}

#[test]
fn a_run_panics_while_fresh_callers_join() {
    explore(false, |model| {
        let boom: fn(u32) -> u32 = |_| std::panic::resume_unwind(Box::new("boom"));
        vec![model.call(false, boom), model.call(true, WELL), model.call(true, boom)]
    });
}

/// A task may be dropped at any poll: its leader drives the work on beside the next run, and followers go alone.
#[test]
fn tasks_are_lost_while_fresh_callers_join() {
    shuttle_models::let_tasks_die();
    explore(true, |model| {
        let own = model.clone();
        let spawned = thread::spawn(move || _ = block_on(own.group.spawn_fresh("key", own.work(WELL))));
        vec![model.call(false, WELL), model.call(true, WELL), spawned, model.call(true, WELL)]
    });
}
