//! User code runs unlocked (invariant 6), and when it panics nobody stays asleep (invariant 8).

use std::{
    hash::{Hash, Hasher},
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::channel,
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::Group;

use crate::work::{Work, never, settle};

/// Asks every shard of the group, which waits for ever if one is locked by this very thread.
#[derive(Clone, Default)]
struct Probe {
    group: Arc<OnceLock<Group<Key, Value>>>,
    seen: Arc<Mutex<Vec<&'static str>>>,
}

impl Probe {
    fn ask(&self, from: &'static str) {
        if let Some(group) = self.group.get() {
            group.in_flight();
            self.seen.lock().unwrap().push(from);
        }
    }
}

#[derive(Clone)]
struct Key(Probe);

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {
        self.0.ask("Hash of a key");
    }
}

impl PartialEq for Key {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Key {}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.ask("Drop of a key");
    }
}

struct Value(Probe);

impl Clone for Value {
    fn clone(&self) -> Self {
        self.0.ask("Clone of a value");
        Self(self.0.clone())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.0.ask("Drop of a value");
    }
}

/// Work that pends once, and then has a value.
struct Run(Probe, bool);

impl Future for Run {
    type Output = Value;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Value> {
        self.0.ask("poll of the work");
        if std::mem::replace(&mut self.1, true) {
            return Poll::Ready(Value(self.0.clone()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.ask("Drop of the work");
    }
}

struct Woken(Probe);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.ask("wake of a waker");
    }
}

impl Drop for Woken {
    fn drop(&mut self) {
        self.0.ask("Drop of a waker");
    }
}

/// Polls with a waker of its own, of which only what the flight keeps is left.
fn poll<F: Future + Unpin>(call: &mut F, probe: &Probe) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Woken(probe.clone())));
    Pin::new(call).poll(&mut Context::from_waker(&waker))
}

#[test]
fn whatever_user_code_asks_the_group_is_answered() {
    let (done, is_done) = channel();
    let probing = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
        let probe = Probe::default();
        let group = probe.group.get_or_init(Group::new);
        let call = || {
            let (of_closure, of_run) = (probe.clone(), probe.clone());
            group.call(Key(probe.clone()), move || {
                of_closure.ask("the closure");
                Run(of_run, false)
            })
        };
        runtime.block_on(async {
            // Solo, abandoned; solo, landed; each polled with a new waker.
            let mut given_up = call();
            assert!(poll(&mut given_up, &probe).is_pending());
            drop(given_up);
            let mut solo = call();
            assert!(poll(&mut solo, &probe).is_pending());
            assert!(poll(&mut solo, &probe).is_ready());
            // Shared: landed, with one who leaves and one who never fetches the outcome.
            let mut calls: Vec<_> = (0..4).map(|_| call()).collect();
            for _ in 0..2 {
                calls.iter_mut().for_each(|call| assert!(poll(call, &probe).is_pending()));
            }
            drop(calls.pop());
            settle().await;
            assert!(poll(&mut calls[2], &probe).is_ready());
            assert!(poll(&mut calls[0], &probe).is_ready());
            drop(calls);
            // Shared: forgotten, then abandoned.
            let mut calls: Vec<_> = (0..2).map(|_| call()).collect();
            calls.iter_mut().for_each(|call| assert!(poll(call, &probe).is_pending()));
            assert!(group.forget(&Key(probe.clone())));
            drop(calls);
        });
        assert!(group.is_empty());
        done.send(probe.seen.lock().unwrap().clone()).expect("the test waits");
    });
    let seen = is_done.recv_timeout(Duration::from_secs(60));
    // An assertion that failed on the thread says so; otherwise it hangs at a locked shard.
    if seen.is_err() && probing.is_finished() {
        probing.join().expect("user code finds the group unlocked");
        return;
    }
    let seen = seen.expect("user code waits for a shard that this thread has locked");
    for what in [
        "Hash of a key",
        "Drop of a key",
        "Clone of a value",
        "Drop of a value",
        "the closure",
        "poll of the work",
        "Drop of the work",
        "wake of a waker",
        "Drop of a waker",
    ] {
        assert!(seen.contains(&what), "{what} was never come by");
    }
}

/// Invariant 9: the waker that the flight kept from the poll before is of no use to it.
#[test]
fn a_leader_that_lands_its_own_flight_is_not_woken_for_it() {
    let (group, work) = (Group::new(), Work::default());
    let mut leader = task::spawn(group.call("key", work.run(1)));
    assert_pending!(leader.poll());
    work.gate.notify_one();
    assert_eq!(assert_ready!(leader.poll()).value, 1);
    assert!(!leader.is_woken());
    assert!(group.is_empty());
}

struct Grumbling(AtomicUsize);

impl Wake for Grumbling {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
        panic!("a waker that panics");
    }
}

/// Invariant 8.
#[tokio::test]
async fn a_waker_that_panics_keeps_no_other_caller_asleep() {
    let (group, work) = (Group::new(), Work::default());
    let grumbling = Arc::new(Grumbling(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&grumbling));
    let mut leader = group.call("key", work.run(1));
    let mut first = task::spawn(group.call("key", never));
    assert_pending!(first.poll());
    assert!(Pin::new(&mut leader).poll(&mut Context::from_waker(&waker)).is_pending());
    let mut last = task::spawn(group.call("key", never));
    assert_pending!(last.poll());
    settle().await;
    work.gate.notify_one();
    settle().await;
    assert_eq!(grumbling.0.load(SeqCst), 1);
    assert!(first.is_woken() && last.is_woken());
    assert_eq!((assert_ready!(first.poll()).value, assert_ready!(last.poll()).value), (1, 1));
    assert_eq!(leader.await.value, 1);
    assert!(group.is_empty());
}
