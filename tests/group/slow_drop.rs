//! Work whose drop takes its time. Used by the tests of the fleet, too.

use std::{
    future::pending,
    hash::Hash,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use tokio_test::{assert_pending, task};
use tower_singleflight::Group;

/// Says when its drop begins, and ends it when it is told.
pub(crate) struct SlowDrop {
    begun: Sender<()>,
    end: Receiver<()>,
}

impl SlowDrop {
    /// Returns it with what tells that its drop has begun, and what ends the drop.
    pub(crate) fn new() -> (Self, Receiver<()>, Sender<()>) {
        let ((begun, has_begun), (end, ending)) = (channel(), channel());
        (Self { begun, end: ending }, has_begun, end)
    }
}

impl Drop for SlowDrop {
    fn drop(&mut self) {
        self.begun.send(()).expect("the test waits for the drop");
        self.end.recv().expect("the test ends the drop");
    }
}

/// A drop of abandoned work that is under way on a thread of its own.
pub(crate) struct Dropping {
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Dropping {
    /// Leads a flight of the key, polls its work once and leaves.
    pub(crate) fn of<K>(group: &Group<K, u32>, key: K) -> Self
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
    {
        let (slow, has_begun, end) = SlowDrop::new();
        let mut call = task::spawn(group.call(key, move || async move {
            let _slow = slow;
            pending().await
        }));
        assert_pending!(call.poll());
        let thread = thread::spawn(move || drop(call));
        has_begun.recv().expect("the drop begins");
        Self { end, thread }
    }

    pub(crate) fn finish(self) {
        self.end.send(()).expect("the drop waits for its end");
        self.thread.join().expect("the drop ends");
    }
}
