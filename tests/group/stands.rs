//! User code that stands still, and what goes on meanwhile on another thread.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::runtime::Builder;

/// Where user code stands still the first time that it comes there.
pub(crate) struct Stand {
    stood: AtomicBool,
    stands: Mutex<Sender<()>>,
    goes: Mutex<Receiver<()>>,
}

impl Stand {
    /// Stands still, the first time, until the others have come to their end.
    pub(crate) fn still(&self) {
        if !self.stood.swap(true, SeqCst) {
            self.stands.lock().unwrap().send(()).unwrap();
            self.goes.lock().unwrap().recv().unwrap();
        }
    }
}

/// Sees to it that others go on.
pub(crate) struct Beside {
    is_standing: Receiver<()>,
    go: Sender<()>,
}

pub(crate) fn stand() -> (Stand, Beside) {
    let ((stands, is_standing), (go, goes)) = (channel(), channel());
    let stand = Stand { stood: AtomicBool::new(false), stands: Mutex::new(stands), goes: Mutex::new(goes) };
    (stand, Beside { is_standing, go })
}

impl Beside {
    /// Runs `held` until it stands still, and `others` from then on, each on a thread of its own. Panics if the others do
    /// not come to their end meanwhile; `at` says where it stands.
    pub(crate) fn run<A, B>(
        self,
        at: &str,
        held: impl FnOnce() -> A + Send + 'static,
        others: impl FnOnce() -> B + Send + 'static,
    ) where
        A: Future<Output = ()>,
        B: Future<Output = ()>,
    {
        let long = Duration::from_secs(60);
        let held = on_a_thread(held);
        self.is_standing.recv_timeout(long).unwrap_or_else(|error| panic!("it comes to {at}: {error}"));
        let others = on_a_thread(others);
        others.recv_timeout(long).unwrap_or_else(|error| panic!("held up by what stands at {at}: {error}"));
        assert!(held.try_recv().is_err(), "it stands at {at}");
        self.go.send(()).unwrap();
        held.recv_timeout(long).unwrap_or_else(|error| panic!("it goes on from {at}: {error}"));
    }
}

/// What is received says that it has ended.
fn on_a_thread<F: Future<Output = ()>>(run: impl FnOnce() -> F + Send + 'static) -> Receiver<()> {
    let (done, is_done) = channel();
    thread::spawn(move || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(run());
        done.send(()).unwrap();
    });
    is_done
}
