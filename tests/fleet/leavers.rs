//! Callers that leave wherever they are: while asking, waiting, running, closing. Whoever stays is answered, at once.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_singleflight::{
    Group,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
};

use crate::process::SECRET;

/// Drops a future when it has been polled so many times; tells whether it came to its end before.
struct Leaves<F> {
    future: Option<Pin<Box<F>>>,
    polls: usize,
}

impl<F: Future> Future for Leaves<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.polls == 0 {
            self.future = None;
        }
        let Some(future) = &mut self.future else { return Poll::Ready(None) };
        let polled = future.as_mut().poll(cx);
        self.polls -= 1;
        if self.polls == 0 && polled.is_pending() {
            cx.waker().wake_by_ref();
        }
        polled.map(Some)
    }
}

/// Two callers in one process and one in another; the leader leaves after every number of polls, its local follower too or not,
/// with an engine that takes its time or does not.
#[tokio::test(start_paused = true)]
async fn f1_whoever_leaves_at_any_moment_keeps_nobody_waiting_and_leaves_nothing() {
    for takes in [0, 3] {
        for polls in 0..12 {
            for of_both in [false, true] {
                let engine = MemoryEngine::new();
                engine.takes(Duration::from_millis(takes));
                let fleets = [(); 3].map(|()| Fleet::new(engine.clone(), SECRET));
                let groups = [(); 3].map(|()| Group::<u32, usize>::new());
                let runs = Arc::new(AtomicUsize::new(0));
                let call = |at: usize| {
                    let runs = Arc::clone(&runs);
                    fleets[at].call(&groups[at], 7, PostcardCodec::new(), move || async move {
                        let run = runs.fetch_add(1, Relaxed);
                        for _ in 0..3 {
                            sleep(Duration::from_millis(5)).await;
                        }
                        run
                    })
                };
                let asked = Instant::now();
                let leader = tokio::spawn(Leaves { future: Some(Box::pin(call(0))), polls });
                let beside =
                    of_both.then(|| tokio::spawn(Leaves { future: Some(Box::pin(call(0))), polls: polls + 1 }));
                let others = [tokio::spawn(call(1)), tokio::spawn(call(2))];
                for other in others {
                    other.await.unwrap();
                }
                assert!(
                    asked.elapsed() < Duration::from_millis(150),
                    "{takes} {polls} {of_both}: {:?}",
                    asked.elapsed()
                );
                assert!(runs.load(Relaxed) <= 4, "{takes} {polls} {of_both}: {} runs", runs.load(Relaxed));
                leader.await.unwrap();
                if let Some(beside) = beside {
                    beside.await.unwrap();
                }
                for (fleet, group) in fleets.iter().zip(&groups) {
                    assert!(fleet.drain(Duration::from_secs(5)).await && group.is_empty());
                }
                assert_eq!(engine.unclosed(), 0, "{takes} {polls} {of_both}");
                sleep(Duration::from_secs(12)).await;
                assert!(engine.is_empty());
            }
        }
    }
}

/// Draining begins while the process leads, waits and closes.
#[tokio::test(start_paused = true)]
async fn a_process_that_drains_in_mid_flight_answers_its_callers_and_hands_over_to_nobody_in_vain() {
    for at in [0, 2, 4, 12, 17, 19] {
        let engine = MemoryEngine::new();
        engine.takes(Duration::from_millis(3));
        let fleets = [(); 2].map(|()| Fleet::new(engine.clone(), SECRET));
        let groups = [(); 2].map(|()| Group::<u32, usize>::new());
        let call = |at: usize| {
            tokio::spawn(fleets[at].call(&groups[at], 7, PostcardCodec::new(), move || async move {
                sleep(Duration::from_millis(15)).await;
                at
            }))
        };
        let asked = Instant::now();
        let calls = [call(0), call(1)];
        sleep(Duration::from_millis(at)).await;
        let drained = fleets[0].drain(Duration::from_secs(1)).await;
        assert!(drained, "at {at} ms");
        for call in calls {
            call.await.unwrap();
        }
        assert!(asked.elapsed() < Duration::from_millis(120), "at {at} ms: {:?}", asked.elapsed());
        sleep(Duration::from_secs(12)).await;
        assert!(engine.is_empty() && engine.unclosed() == 0);
    }
}
