//! F6: what an engine hands out is changed, cut, replayed or far too long. It is refused and counted, whoever waits for it
//! runs its own work at once, and nothing is allocated for it.
#![allow(unsafe_code)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout};
use tower_singleflight::{
    Group,
    fleet::{Codec, Engine, Fleet, FleetSettings, MemoryEngine, Name, News, Peek, PostcardCodec, Reply, Token},
};

#[macro_use]
#[path = "fleet/pass_on.rs"]
mod pass_on;
#[allow(dead_code)]
#[path = "fleet/process.rs"]
mod process;

use process::{Backend, SECRET, settle};

thread_local! {
    /// The largest allocation of this thread, in bytes.
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

struct Measuring;

fn measure(bytes: usize) {
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Measuring {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        measure(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        measure(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        measure(size);
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Measuring = Measuring;

const GIBIBYTE: usize = 1 << 30;
/// `max_message`, and the head of an HTTP answer.
const CAP: usize = (1 << 20) + (64 << 10);

/// How messages come to those who wait.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// With the news of the landing.
    Told,
    /// By looking.
    Read,
}

type Tamper = Box<dyn Fn(Bytes) -> Bytes + Send>;

/// An engine whose messages pass through other hands.
#[derive(Clone)]
struct Tampered {
    well: MemoryEngine,
    way: Way,
    hands: Arc<Mutex<Hands>>,
}

struct Hands {
    tamper: Tamper,
    /// All messages that it was given, as they were.
    seen: Vec<Bytes>,
    news: Vec<News>,
}

impl Tampered {
    fn new(way: Way) -> Self {
        let hands = Hands { tamper: Box::new(|message| message), seen: Vec::new(), news: Vec::new() };
        Self { well: MemoryEngine::new(), way, hands: Arc::new(Mutex::new(hands)) }
    }

    fn tamper(&self, tamper: impl Fn(Bytes) -> Bytes + Send + 'static) {
        self.hands.lock().unwrap().tamper = Box::new(tamper);
    }

    fn seen(&self) -> Vec<Bytes> {
        self.hands.lock().unwrap().seen.clone()
    }
}

impl Engine for Tampered {
    pass_on!(join renew close hold fence);

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        let (landed, hands) = (self.well.land(name, token, message.clone(), keep), Arc::clone(&self.hands));
        Box::pin(async move {
            landed.await?;
            let (news, tampered) = {
                let mut hands = hands.lock().unwrap();
                hands.seen.push(message.clone());
                (hands.news.clone(), (hands.tamper)(message))
            };
            news.iter().for_each(|news| news.landed(name, token, Some(tampered.clone())));
            Ok(())
        })
    }

    fn peek(&self, name: Name, token: Token) -> Reply<Peek> {
        let (peeked, hands) = (self.well.peek(name, token), Arc::clone(&self.hands));
        Box::pin(async move {
            Ok(match peeked.await? {
                Peek::Landed(message) => Peek::Landed((hands.lock().unwrap().tamper)(message)),
                other => other,
            })
        })
    }

    fn news(&self, to: News) -> bool {
        if self.way == Way::Told {
            self.hands.lock().unwrap().news.push(to);
        }
        self.way == Way::Told
    }
}

/// Two processes on one engine.
struct Two<T> {
    engine: Tampered,
    nodes: [(Group<u32, T>, Fleet); 2],
}

impl<T: Clone + Send + Sync + 'static> Two<T> {
    fn new(engine: Tampered) -> Self {
        // So that the first look comes long before the end of the lease.
        let settings = FleetSettings::new();
        let nodes =
            [(); 2].map(|()| (Group::new(), Fleet::with_settings(engine.clone(), SECRET, settings.clone()).unwrap()));
        Self { engine, nodes }
    }

    /// One process leads and the other one follows; returns what they come to: the number of a run, as the codec's type.
    async fn round<C: Codec<T> + Copy>(&self, key: u32, codec: C, value: fn(String) -> T) -> [T; 2] {
        let backend = Backend::new();
        let call = |at: usize| {
            let ((group, fleet), backend) = (&self.nodes[at], backend.clone());
            tokio::spawn(fleet.call(group, key, codec, move || async move { value(backend.run(key).await) }))
        };
        let leader = call(0);
        settle().await;
        let follower = call(1);
        settle().await;
        backend.open();
        let landed = Instant::now();
        let leader = leader.await.unwrap().value;
        let follower = timeout(Duration::from_secs(5), follower).await.expect("it does not hang").unwrap().value;
        assert!(landed.elapsed() < Duration::from_millis(300), "{:?}", landed.elapsed());
        [leader, follower]
    }

    async fn round_of_text(&self, key: u32) -> [T; 2]
    where
        T: From<String> + Serialize + DeserializeOwned,
    {
        self.round(key, PostcardCodec::new(), T::from).await
    }

    /// The follower has refused so many messages, and nothing is left.
    async fn rest(&self, refused: u64) {
        let stats = self.nodes[1].1.stats();
        assert_eq!((stats.bad_messages, stats.local), (refused, refused));
        for (group, fleet) in &self.nodes {
            assert!(group.is_empty() && fleet.drain(Duration::from_secs(5)).await);
        }
        assert_eq!(self.engine.well.unclosed(), 0);
    }
}

/// The follower gets a message that was tampered with, and runs its own work.
async fn is_refused(what: &str, way: Way, tamper: impl Fn(Bytes) -> Bytes + Send + 'static) {
    let two = Two::<String>::new(Tampered::new(way));
    two.engine.tamper(tamper);
    assert_eq!(two.round_of_text(7).await, ["7: run 0", "7: run 1"], "{what}, {way:?}");
    two.rest(1).await;
}

/// The length of a message such as those that are tampered with.
async fn length(way: Way) -> usize {
    let two = Two::<String>::new(Tampered::new(way));
    assert_eq!(two.round_of_text(7).await, ["7: run 0", "7: run 0"], "untouched it is shared");
    two.rest(0).await;
    two.engine.seen()[0].len()
}

#[tokio::test(start_paused = true)]
async fn f6_a_message_with_any_bit_flipped_is_refused_and_counted_and_its_reader_runs_its_own() {
    for way in [Way::Told, Way::Read] {
        for at in 0..length(way).await {
            for bit in 0..8 {
                is_refused(&format!("byte {at}, bit {bit}"), way, move |message| {
                    let mut message = message.to_vec();
                    message[at] ^= 1 << bit;
                    message.into()
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f6_a_message_with_another_version_or_kind_is_refused_and_counted() {
    for way in [Way::Told, Way::Read] {
        for (at, bytes) in [(0, [0, 2, 3, 255].to_vec()), (1, (2..=7).chain([0, 255]).collect())] {
            for byte in bytes {
                is_refused(&format!("byte {at} is {byte}"), way, move |message| {
                    let mut message = message.to_vec();
                    message[at] = byte;
                    message.into()
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f6_a_message_that_is_cut_at_any_length_or_goes_on_is_refused_and_counted() {
    for way in [Way::Told, Way::Read] {
        for end in 0..length(way).await {
            is_refused(&format!("cut at {end}"), way, move |message| message.slice(..end)).await;
        }
        is_refused("one byte more", way, |message| [&message[..], &[0]].concat().into()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f2_f6_the_message_of_another_key_or_flight_is_refused_and_counted() {
    for way in [Way::Told, Way::Read] {
        let two = Two::<String>::new(Tampered::new(way));
        two.round_of_text(8).await;
        two.round_of_text(7).await;
        // The follower is told that its leader has gone, and takes over.
        let ((group, fleet), backend) = (&two.nodes[0], Backend::new());
        let leaves = tokio::spawn(fleet.call(group, 7, PostcardCodec::new(), {
            let backend = backend.clone();
            move || backend.run(7)
        }));
        settle().await;
        let ((group, fleet), own) = (&two.nodes[1], backend.clone());
        let stays = tokio::spawn(fleet.call(group, 7, PostcardCodec::new(), move || own.run(7)));
        settle().await;
        leaves.abort();
        backend.open();
        stays.await.unwrap();
        assert_eq!(two.nodes[1].1.stats().bad_messages, 0);
        let seen = two.engine.seen();
        assert_eq!(seen.len(), 3, "of another key, of another flight, and that another flight was given up");
        for (refused, replayed) in (1..).zip(seen) {
            two.engine.tamper(move |_| replayed.clone());
            assert_eq!(two.round_of_text(7).await, ["7: run 0", "7: run 1"], "message {refused}, {way:?}");
            assert_eq!(two.nodes[1].1.stats().bad_messages, refused);
            // Until then it does not wait for messages of that name.
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        two.rest(3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn f6_a_message_of_a_gibibyte_is_refused_and_counted_and_takes_no_memory() {
    // Pages that nobody reads.
    let long = Bytes::from(vec![0; GIBIBYTE]);
    for way in [Way::Told, Way::Read] {
        for length in [CAP + 43, GIBIBYTE] {
            let message = long.slice(..length);
            LARGEST.set(0);
            is_refused("far too long", way, move |_| message.clone()).await;
            assert!(LARGEST.get() <= CAP, "{way:?}: {} bytes at once", LARGEST.get());
        }
    }
}

/// Says that a gibibyte follows, and sends some bytes.
#[derive(Clone, Copy)]
struct Announces;

impl<T: Serialize + DeserializeOwned + 'static> Codec<T> for Announces {
    fn encode(&self, _: &T) -> Option<Bytes> {
        let mut announced = PostcardCodec::new().encode(&GIBIBYTE).expect("a number").to_vec();
        announced.extend([1; 5]);
        Some(announced.into())
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        PostcardCodec::new().decode(bytes)
    }
}

async fn announced<T: Clone + Send + Sync + PartialEq + Serialize + DeserializeOwned + 'static>(
    value: fn(String) -> T,
) {
    let two = Two::<T>::new(Tampered::new(Way::Told));
    LARGEST.set(0);
    let [led, own] = two.round(7, Announces, value).await;
    assert!(led == value("7: run 0".to_owned()) && own == value("7: run 1".to_owned()));
    assert!(LARGEST.get() <= CAP, "{} bytes at once", LARGEST.get());
    two.rest(1).await;
}

/// By a process that has the secret, so its seal is in order.
#[tokio::test(start_paused = true)]
async fn f6_a_value_that_announces_a_gibibyte_is_refused_and_counted_and_takes_no_memory() {
    announced::<String>(|run| run).await;
    announced::<Vec<u64>>(|run| run.bytes().map(u64::from).collect()).await;
    announced::<Vec<String>>(|run| vec![run]).await;
}
