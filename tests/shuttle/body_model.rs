//! Every interleaving of readers that shuttle's scheduler comes up with: a lost wake-up is a deadlock.
//!
//! `cargo test --release -p shuttle-models --test body_model`

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use shuttle::{future::block_on, sync::Mutex, thread};
use shuttle_models::http::{BodySource, SharedBody};

/// A tenth without optimisation.
const SCHEDULES: usize = if cfg!(debug_assertions) { 2_000 } else { 20_000 };

#[derive(Clone, Copy)]
enum Item {
    Data(u8),
    End,
    Panic,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    waker: Option<Waker>,
}

struct Inner {
    queue: Arc<Mutex<Queue>>,
    dropped: Arc<AtomicBool>,
}

impl Body for Inner {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut queue = self.queue.lock().unwrap();
        match queue.items.pop_front() {
            Some(Item::Data(byte)) => Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&[byte]))))),
            Some(Item::End) => Poll::Ready(None),
            Some(Item::Panic) => {
                drop(queue);
                resume_unwind(Box::new("boom"));
            }
            None => {
                queue.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        thread::yield_now();
        self.dropped.store(true, SeqCst);
    }
}

/// A body, its feeder, and whether the body is gone.
fn fed(items: &'static [Item]) -> (BodySource<Inner>, impl FnOnce(), Arc<AtomicBool>) {
    let (queue, dropped) = (Arc::<Mutex<Queue>>::default(), Arc::<AtomicBool>::default());
    let source = BodySource::new(Inner { queue: Arc::clone(&queue), dropped: Arc::clone(&dropped) });
    // Begun after the readers: otherwise all is there before anybody reads, and nobody ever waits.
    let feed = move || {
        for item in items {
            thread::yield_now();
            let waker = {
                let mut queue = queue.lock().unwrap();
                queue.items.push_back(*item);
                queue.waker.take()
            };
            waker.into_iter().for_each(Waker::wake);
        }
    };
    (source, feed, dropped)
}

/// Reads at most so many frames; returns what came, and whether the body ended cleanly.
fn read(mut body: SharedBody<Inner>, most: usize) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match block_on(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx))) {
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap()),
            Some(Err(_)) => return (bytes, false),
            None => return (bytes, true),
        }
    }
    (bytes, false)
}

fn explore(model: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(model, SCHEDULES);
}

const THREE: &[Item] = &[Item::Data(1), Item::Data(2), Item::Data(3), Item::End];

#[test]
fn all_readers_get_all_frames_and_the_end() {
    explore(|| {
        let (source, feed, dropped) = fed(THREE);
        let readers: Vec<_> = [source.clone(), source.clone(), source]
            .map(|claim| thread::spawn(move || read(claim.into_reader(), usize::MAX)))
            .into();
        feed();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), (vec![1, 2, 3], true));
        }
        assert!(dropped.load(SeqCst));
    });
}

#[test]
fn readers_that_leave_in_mid_stream_take_no_wake_up_with_them() {
    explore(|| {
        let (source, feed, dropped) = fed(THREE);
        let stays = source.clone();
        let leaves = source.clone();
        let stays = thread::spawn(move || read(stays.into_reader(), usize::MAX));
        let leaves = thread::spawn(move || read(leaves.into_reader(), 1));
        let polls_once = thread::spawn(move || {
            let mut body = source.into_reader();
            block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_ready())))
        });
        feed();
        assert_eq!(stays.join().unwrap(), (vec![1, 2, 3], true));
        assert_eq!(leaves.join().unwrap().0, [1]);
        polls_once.join().unwrap();
        assert!(dropped.load(SeqCst));
    });
}

#[test]
fn a_full_window_lets_everybody_through_however_the_slowest_moves_or_leaves() {
    const MANY: &[Item] = &[Item::Data(1), Item::Data(2), Item::Data(3), Item::Data(4), Item::End];
    explore(|| {
        let (source, feed, _) = fed(MANY);
        let source = source.window(1);
        let claim = source.clone();
        let leaves = source.clone();
        let readers = [source, claim.clone()].map(|claim| thread::spawn(move || read(claim.into_reader(), usize::MAX)));
        let leaves = thread::spawn(move || read(leaves.into_reader(), 2));
        drop(claim);
        feed();
        for reader in readers {
            assert_eq!(reader.join().unwrap(), (vec![1, 2, 3, 4], true));
        }
        assert_eq!(leaves.join().unwrap().0, [1, 2]);
    });
}

#[test]
fn a_panic_of_the_body_reaches_all_and_leaves_nobody_waiting() {
    explore(|| {
        let (source, feed, dropped) = fed(&[Item::Data(1), Item::Panic]);
        let readers = [source.clone(), source.clone(), source].map(|claim| {
            thread::spawn(move || catch_unwind(AssertUnwindSafe(|| read(claim.into_reader(), usize::MAX))).ok())
        });
        feed();
        let ends: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_eq!(ends.iter().filter(|end| end.is_none()).count(), 1);
        assert!(ends.into_iter().flatten().all(|end| end == (vec![1], false)));
        assert!(dropped.load(SeqCst));
    });
}
