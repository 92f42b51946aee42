//! Two processes of a fleet under shuttle's scheduler, on the real driver. There is no time in it: no budget is spent, no
//! lease ends, and who waits looks only when it is told. So whatever is not told in time, and whatever is never ended, hangs.
//!
//! `cargo test --release -p shuttle-models --test fleet_model`

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use shuttle::{Config, Runner, future::block_on, scheduler::RandomScheduler, thread};
use shuttle_models::{
    Group,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
};

/// A tenth without optimisation.
const SCHEDULES: usize = if cfg!(debug_assertions) { 500 } else { 5_000 };

fn explore(model: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // Digests and ciphers take more of a stack than shuttle gives a thread.
    config.stack_size = 1 << 20;
    Runner::new(RandomScheduler::new(SCHEDULES), config).run(model);
}

#[derive(Clone)]
struct Process {
    fleet: Fleet,
    group: Group<u32, usize>,
    /// Of all processes: runs that are alive, and runs that there were.
    alive: Arc<AtomicUsize>,
    runs: Arc<AtomicUsize>,
}

struct Alive(Arc<AtomicUsize>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Process {
    fn two(engine: &MemoryEngine) -> [Self; 2] {
        let (alive, runs) = (Arc::default(), Arc::default());
        [(); 2].map(|()| Self {
            fleet: Fleet::new(engine.clone(), [7; 32]),
            group: Group::new(),
            alive: Arc::clone(&alive),
            runs: Arc::clone(&runs),
        })
    }

    /// Makes a call whose work yields twice; the runs of two processes never overlap.
    fn call(&self) -> impl Future<Output = usize> + Send + Unpin + 'static {
        let (alive, runs) = (Arc::clone(&self.alive), Arc::clone(&self.runs));
        let call = self.fleet.call(&self.group, 7, PostcardCodec::new(), move || async move {
            assert_eq!(alive.fetch_add(1, SeqCst), 0, "two runs of one key overlap");
            let _alive = Alive(alive);
            let run = runs.fetch_add(1, SeqCst);
            shuttle::future::yield_now().await;
            shuttle::future::yield_now().await;
            run
        });
        Box::pin(async move { call.await.value })
    }
}

/// All that was asked has been answered, every token was closed, and nobody is left.
fn rest(engine: &MemoryEngine, processes: &[Process]) {
    for process in processes {
        assert!(block_on(process.fleet.drain(Duration::from_secs(1))));
        assert!(process.group.is_empty());
    }
    assert_eq!(engine.unclosed(), 0);
}

#[test]
fn callers_of_two_processes_are_all_told() {
    explore(|| {
        let engine = MemoryEngine::new();
        let processes = Process::two(&engine);
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let process = processes[caller % 2].clone();
                thread::spawn(move || block_on(process.call()))
            })
            .collect();
        let runs: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(runs.iter().all(|run| *run < processes[0].runs.load(SeqCst)), "{runs:?}");
        rest(&engine, &processes);
    });
}

#[test]
fn a_leader_that_leaves_at_any_moment_hands_over_or_was_never_one() {
    explore(|| {
        let engine = MemoryEngine::new();
        let processes = Process::two(&engine);
        let leaver = {
            let process = processes[0].clone();
            thread::spawn(move || {
                let mut call = process.call();
                for _ in 0..4 {
                    if block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut call).poll(cx).is_ready()))) {
                        break;
                    }
                    thread::yield_now();
                }
            })
        };
        let stays = {
            let process = processes[1].clone();
            thread::spawn(move || block_on(process.call()))
        };
        leaver.join().unwrap();
        stays.join().unwrap();
        rest(&engine, &processes);
    });
}
