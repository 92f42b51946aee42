//! Every interleaving that shuttle's scheduler comes up with, on the real state machine.
//!
//! `cargo test --release -p shuttle-models --test model`

use std::{
    future::{pending, poll_fn},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use futures_util::FutureExt;
use shuttle::{future::block_on, thread};
use shuttle_models::Group;

/// A tenth without optimisation.
const SCHEDULES: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

/// Work that yields twice, and notes when two runs are alive at a time.
fn work(
    alive: &Arc<AtomicUsize>,
    value: u32,
) -> impl Fn() -> Pin<Box<dyn Future<Output = u32> + Send>> + Clone + Send + 'static {
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            shuttle::thread::yield_now();
            self.0.fetch_sub(1, SeqCst);
        }
    }
    let alive = Arc::clone(alive);
    move || {
        let counted = Alive(Arc::clone(&alive));
        assert_eq!(alive.fetch_add(1, SeqCst), 0, "two runs of one key overlap");
        Box::pin(async move {
            let _counted = counted;
            for _ in 0..2 {
                shuttle::future::yield_now().await;
            }
            value
        })
    }
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, SCHEDULES);
}

/// Polls a call once; returns whether it has ended.
fn poll_once<F: Future + Unpin>(call: &mut F) -> bool {
    block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut *call).poll(cx).is_ready())))
}

#[test]
fn a_follower_joins_while_the_leader_is_polled() {
    explore(|| {
        let (group, alive) = (Group::new(), Arc::default());
        let callers: Vec<_> = (0..3)
            .map(|value| {
                let (group, work) = (group.clone(), work(&alive, value));
                thread::spawn(move || block_on(group.call("key", work)).value)
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        assert!(group.is_empty());
    });
}

#[test]
fn the_last_caller_leaves_while_another_joins() {
    explore(|| {
        let (group, alive) = (Group::new(), Arc::default());
        let (leaving, first) = (group.clone(), work(&alive, 1));
        let leaver = thread::spawn(move || {
            let mut call = leaving.call("key", first);
            poll_once(&mut call);
        });
        let (joining, second) = (group.clone(), work(&alive, 2));
        let joiner = thread::spawn(move || block_on(joining.call("key", second)).value);
        leaver.join().unwrap();
        joiner.join().unwrap();
        assert!(group.is_empty());
        assert_eq!(alive.load(SeqCst), 0);
    });
}

#[test]
fn a_flight_lands_while_callers_join_forget_and_leave() {
    explore(|| {
        let group: Group<&str, u32> = Group::new();
        let quick = || async {
            shuttle::future::yield_now().await;
            1
        };
        let threads = [
            thread::spawn({
                let group = group.clone();
                move || assert_eq!(block_on(group.call("key", quick)).value, 1)
            }),
            thread::spawn({
                let group = group.clone();
                move || {
                    group.forget("key");
                    assert_eq!(block_on(group.call("key", quick)).value, 1);
                }
            }),
            thread::spawn({
                let group = group.clone();
                move || {
                    let mut call = group.call("key", quick);
                    poll_once(&mut call);
                }
            }),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(group.is_empty());
    });
}

#[test]
fn the_work_panics_while_a_follower_joins() {
    explore(|| {
        let group: Group<&str, u32> = Group::new();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let group = group.clone();
                thread::spawn(move || {
                    let call = group.call("key", || async {
                        shuttle::future::yield_now().await;
                        std::panic::resume_unwind(Box::new("boom"))
                    });
                    assert!(block_on(AssertUnwindSafe(call).catch_unwind()).is_err());
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        assert!(group.is_empty());
    });
}

#[test]
fn all_leave_a_shared_flight_and_its_task_ends() {
    explore(|| {
        let group: Group<&str, u32> = Group::new();
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let group = group.clone();
                thread::spawn(move || {
                    let mut call = group.call("key", pending::<u32>);
                    poll_once(&mut call);
                })
            })
            .collect();
        for caller in callers {
            caller.join().unwrap();
        }
        // Shuttle reports a deadlock if the flight's task does not end.
        assert!(group.is_empty());
    });
}
