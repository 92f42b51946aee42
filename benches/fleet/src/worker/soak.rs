//! Many callers of few keys for a long time, whatever happens to the servers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{task::JoinSet, time::sleep};
use tower_singleflight::{
    Group,
    fleet::{Codec, Fleet, Name, PostcardCodec},
};

use super::{noted::Notes, process::Process};

/// The key it was made for; the flight that it was made under, if other processes could join that; the process and the run.
type Value = (u32, Option<[u8; 24]>, u32, u64);

/// What is counted.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    runs: AtomicU64,
    /// Outcomes of other processes that were read.
    read: AtomicU64,
    wrong_keys: AtomicU64,
    wrong_tokens: AtomicU64,
}

/// A key, and what is known of its flights in this process.
#[derive(Clone)]
struct Key {
    key: u32,
    name: Name,
    notes: Notes,
    tally: Arc<Tally>,
}

impl Key {
    async fn run(self, work: Duration) -> Value {
        let run = self.tally.runs.fetch_add(1, Relaxed);
        let token = self.notes.led(self.name).map(|token| *token.as_bytes());
        sleep(work).await;
        (self.key, token, std::process::id(), run)
    }
}

/// Reads what another process made, and looks whether that was made under the flight that this one was told to wait for.
impl Codec<Value> for Key {
    fn encode(&self, value: &Value) -> Option<Bytes> {
        PostcardCodec::new().encode(value)
    }

    fn decode(&self, bytes: &[u8]) -> Option<Value> {
        let value: Value = PostcardCodec::new().decode(bytes)?;
        if !value.1.is_some_and(|flight| self.notes.follows(self.name, &flight)) {
            self.tally.wrong_tokens.fetch_add(1, Relaxed);
        }
        self.tally.read.fetch_add(1, Relaxed);
        Some(value)
    }
}

/// Calls that often in all, and counts outcomes that belong to another key or another flight.
pub(crate) async fn run(process: &Process, callers: u64, calls: u64, keys: u32, work: Duration, seed: u64) {
    let (group, tally) = (Group::new(), Arc::<Tally>::default());
    let mut known = Vec::new();
    for key in 0..keys {
        let name = learn(&process.fleet, &group, &process.notes, key).await;
        known.push(Key { key, name, notes: process.notes.clone(), tally: Arc::clone(&tally) });
    }
    let keys: Arc<[Key]> = known.into();
    let mut all = JoinSet::new();
    for caller in 0..callers {
        let (fleet, group, keys) = (process.fleet.clone(), group.clone(), Arc::clone(&keys));
        all.spawn(async move {
            let mut random = StdRng::seed_from_u64(seed + caller);
            for _ in 0..calls / callers {
                let key = &keys[random.random_range(0..keys.len())];
                let (own, work) = (key.clone(), work.mul_f64(random.random()));
                let value = fleet.call(&group, key.key, key.clone(), move || own.run(work)).await.value;
                if value.0 != key.key {
                    key.tally.wrong_keys.fetch_add(1, Relaxed);
                }
                key.tally.answered.fetch_add(1, Relaxed);
            }
        });
    }
    all.join_all().await;
    let Tally { answered, runs, read, wrong_keys, wrong_tokens } = &*tally;
    let [answered, runs, read, keys, tokens] =
        [answered, runs, read, wrong_keys, wrong_tokens].map(|count| count.load(Relaxed));
    let lost = process.fleet.stats().lost;
    println!("soak answered={answered} runs={runs} read={read} wrong_keys={keys} wrong_tokens={tokens} lost={lost}");
}

/// Returns the name that the fleet asks for when it is called with this key.
async fn learn(fleet: &Fleet, group: &Group<u32, Value>, notes: &Notes, key: u32) -> Name {
    loop {
        notes.forget_newest();
        let own = notes.clone();
        // Another process may read what this comes to while it soaks already.
        let work = move || async move {
            let token = own.newest().and_then(|name| own.led(name)).map(|token| *token.as_bytes());
            (key, token, std::process::id(), u64::MAX)
        };
        fleet.call(group, key, PostcardCodec::new(), work).await;
        if let Some(name) = notes.newest() {
            return name;
        }
        // An engine that has not answered of late is not asked.
        sleep(Duration::from_millis(100)).await;
    }
}
