//! Whatever goes wrong between the processes and the engine: every call is answered, nothing is mixed up, nothing is left.
//!
//! `FLEET_SEEDS=10000 cargo test --release --features fleet --test fleet seeds` tries as many seeds as the promise says.

use std::{cell::RefCell, env, rc::Rc, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Builder,
    task::{LocalSet, spawn_local},
    time::{Instant, sleep, sleep_until, timeout},
};
use tower_singleflight::{
    Group,
    fleet::{Faults, Fleet, FleetSettings, MemoryEngine, PostcardCodec},
};

use crate::process::SECRET;

const PROCESSES: u64 = 3;

/// How many seeds are tried: what takes some seconds, unless it is asked for more.
fn seeds() -> u64 {
    let asked = env::var("FLEET_SEEDS").ok().map(|seeds| seeds.parse().expect("FLEET_SEEDS is a number"));
    asked.unwrap_or(if cfg!(debug_assertions) { 300 } else { 3_000 })
}

fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn settings(jitter: u64) -> FleetSettings {
    FleetSettings::new()
        .lease(ms(200))
        .budget(ms(20))
        .max_wait(ms(1_000))
        .keep(ms(400))
        .lead_limit(ms(1_000))
        .jitter_seed(Some(jitter))
}

/// What a run of the work says of itself: its key, its number, and which process it ran in.
type Value = (u32, usize, u64);

#[derive(Default)]
struct Seen {
    /// Of each run, when somebody first had its outcome.
    visible: Vec<Option<Instant>>,
    /// In the order in which callers were answered.
    story: Vec<(Duration, Value)>,
}

/// One caller: when it comes, what it asks for, how long its work takes, and when it leaves, if it does not wait.
#[derive(Clone, Copy)]
struct Caller {
    at: Duration,
    process: usize,
    key: u32,
    work: Duration,
    patience: Option<Duration>,
}

/// Plays one seed; returns what happened.
fn play(seed: u64, faults: Faults) -> Vec<(Duration, Value)> {
    let mut random = StdRng::seed_from_u64(seed);
    let callers: Vec<_> = (0..20)
        .map(|_| Caller {
            at: ms(random.random_range(0..600)),
            process: random.random_range(0..PROCESSES as usize),
            key: random.random_range(0..2),
            work: ms(random.random_range(0..300)),
            patience: random.random_bool(0.2).then(|| ms(random.random_range(0..300))),
        })
        .collect();
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(LocalSet::new().run_until(async move {
        let start = Instant::now();
        let engine = MemoryEngine::with_faults(seed, faults);
        let processes: Rc<Vec<_>> = Rc::new(
            (0..PROCESSES)
                .map(|process| {
                    let settings = settings(seed * PROCESSES + process);
                    let fleet = Fleet::with_settings(engine.clone(), SECRET, settings).unwrap();
                    (Group::<u32, Value>::new(), fleet)
                })
                .collect(),
        );
        let seen = Rc::new(RefCell::new(Seen::default()));
        let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let tasks: Vec<_> = callers
            .into_iter()
            .map(|caller| {
                let (processes, seen, runs) = (Rc::clone(&processes), Rc::clone(&seen), runs.clone());
                spawn_local(async move {
                    let Caller { at, process, key, work, patience } = caller;
                    sleep_until(start + at).await;
                    let (group, fleet) = &processes[process];
                    let called = Instant::now();
                    let call = fleet.call(group, key, PostcardCodec::new(), move || async move {
                        let run = runs.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        sleep(work).await;
                        (key, run, process as u64)
                    });
                    // F7: nothing hangs. Nobody waits longer than for another process, twice, and for its own work.
                    let Ok(outcome) = timeout(patience.unwrap_or(ms(5_000)), call).await else {
                        assert!(patience.is_some(), "seed {seed}: a call hangs");
                        return;
                    };
                    let value = outcome.value;
                    assert_eq!(value.0, key, "seed {seed}: the outcome of another key");
                    let now = Instant::now();
                    let Seen { visible, story } = &mut *seen.borrow_mut();
                    story.push((now - start, value));
                    if visible.len() <= value.1 {
                        visible.resize(value.1 + 1, None);
                    }
                    let first = *visible[value.1].get_or_insert(now);
                    // Where closing was not acknowledged in time (F3), a flight may be joined that somebody had seen.
                    if faults == Faults::none() {
                        assert!(first >= called, "seed {seed}: an outcome that had been seen when it was asked for");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        for (group, fleet) in processes.iter() {
            assert!(group.is_empty(), "seed {seed}");
            assert!(fleet.drain(ms(20_000)).await, "seed {seed}: an operation hangs (F7)");
        }
        assert_eq!(engine.unclosed(), 0, "seed {seed}: a token that its owner did not close (F1)");
        sleep(ms(2_000)).await;
        assert!(engine.is_empty(), "seed {seed}: something is left");
        seen.take().story
    }))
}

#[test]
fn whatever_goes_wrong_every_call_is_answered_and_nothing_is_mixed_up_or_left() {
    for seed in 0..seeds() {
        let percent = (seed % 4 * 5) as u8;
        play(seed, Faults::all(percent, ms(1 + seed % 300)));
    }
}

#[test]
fn without_faults_nobody_gets_what_had_been_seen_and_every_seed_plays_the_same_again() {
    for seed in 0..seeds() / 10 {
        assert_eq!(play(seed, Faults::none()), play(seed, Faults::none()), "seed {seed}");
        let faults = Faults::all(10, ms(100));
        assert_eq!(play(seed, faults), play(seed, faults), "seed {seed}");
    }
}
