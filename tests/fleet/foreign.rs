//! Engines of others, which do not do what they owe: no caller fails, and none waits for longer than it was told to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::{Instant, timeout};
use tower_singleflight::{
    Group,
    fleet::{
        Closed, Engine, Faults, FenceScope, Fleet, FleetSettings, Join, Joined, MemoryEngine, Name, News, Peek,
        PostcardCodec, Reply, Token,
    },
};

use crate::process::{Backend, SECRET, processes_with, settle};

/// What is wrong with an engine.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    NeverEnds,
    PanicsAtOnce,
    PanicsWhenPolled,
    /// Whoever joins is told to follow itself.
    FollowYourself(Duration),
    /// Whoever joins is told to follow what nobody has ever heard of, each time another.
    FollowNobody,
    /// Everybody leads, and all are followed.
    EverybodyLeads,
    /// What has not landed has landed, with nonsense.
    Nonsense,
    /// Each is refused.
    Refuses,
    /// Of a flight that runs it says nothing: it may.
    CannotTell,
    /// It panics when it is told of a write, twice.
    PanicsFencing,
}

/// An engine that does this wrong, and the rest well.
struct Foreign {
    well: MemoryEngine,
    wrong: Wrong,
    tokens: Mutex<u8>,
    joins: AtomicUsize,
    fences: AtomicUsize,
}

impl Foreign {
    fn new(wrong: Wrong) -> Self {
        Self {
            well: MemoryEngine::new(),
            wrong,
            tokens: Mutex::default(),
            joins: AtomicUsize::new(0),
            fences: AtomicUsize::new(0),
        }
    }

    fn reply<T: Send + 'static>(&self, well: Reply<T>) -> Reply<T> {
        match self.wrong {
            Wrong::NeverEnds => Box::pin(std::future::pending()),
            Wrong::PanicsAtOnce => panic!("an engine of others"),
            Wrong::PanicsWhenPolled => Box::pin(async { panic!("an engine of others") }),
            _ => well,
        }
    }
}

impl Engine for Foreign {
    pass_on!(news);

    fn join(&self, join: Join) -> Reply<Joined> {
        self.joins.fetch_add(1, Relaxed);
        let answer = match self.wrong {
            Wrong::FollowYourself(remaining) => Joined::Follow { token: join.token, remaining, age: Some(remaining) },
            Wrong::FollowNobody => {
                let mut tokens = self.tokens.lock().unwrap();
                *tokens = tokens.wrapping_add(1);
                Joined::Follow { token: Token::from([*tokens; 24]), remaining: Duration::ZERO, age: None }
            }
            Wrong::EverybodyLeads => Joined::Lead,
            Wrong::Refuses => Joined::Refused,
            _ => return self.reply(self.well.join(join)),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool> {
        self.reply(self.well.renew(name, token, lease))
    }

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        match self.wrong {
            Wrong::EverybodyLeads => Box::pin(std::future::ready(Ok(Closed::Followed))),
            _ => self.reply(self.well.close(name, token, pending, refuse)),
        }
    }

    fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()> {
        self.reply(self.well.hold(name, token, pending))
    }

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        self.reply(self.well.land(name, token, message, keep))
    }

    fn peek(&self, name: Name, token: Token) -> Reply<Peek> {
        match self.wrong {
            Wrong::Nonsense => Box::pin(std::future::ready(Ok(Peek::Landed(Bytes::from_static(b"nonsense"))))),
            Wrong::CannotTell => {
                let peeked = self.well.peek(name, token);
                Box::pin(async {
                    Ok(Some(peeked.await?).filter(|peeked| *peeked != Peek::Running).unwrap_or(Peek::Gone))
                })
            }
            _ => self.reply(self.well.peek(name, token)),
        }
    }

    fn fence(&self, scope: FenceScope, keep: Duration) -> Reply<()> {
        // The first of them panics before there is a reply, and the second one in it.
        match (self.wrong, self.fences.fetch_add(1, Relaxed)) {
            (Wrong::PanicsFencing, 0) => panic!("an engine of others"),
            (Wrong::PanicsFencing, 1) => Box::pin(async { panic!("an engine of others") }),
            _ => self.reply(self.well.fence(scope, keep)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f5_f7_an_engine_of_others_fails_nobody_and_keeps_nobody() {
    let long = Duration::from_millis(u64::MAX);
    for wrong in [
        Wrong::NeverEnds,
        Wrong::PanicsAtOnce,
        Wrong::PanicsWhenPolled,
        Wrong::FollowYourself(Duration::ZERO),
        Wrong::FollowYourself(long),
        Wrong::FollowNobody,
        Wrong::EverybodyLeads,
        Wrong::Nonsense,
        Wrong::Refuses,
        Wrong::CannotTell,
    ] {
        let engine = Arc::new(Foreign::new(wrong));
        let settings = FleetSettings::new().max_wait(Duration::from_secs(1));
        let backend = Backend::new();
        let nodes = [(); 3].map(|()| {
            let fleet = Fleet::with_settings(Shared { well: Arc::clone(&engine) }, SECRET, settings.clone()).unwrap();
            (Group::<u32, String>::new(), fleet)
        });
        let calls = nodes.each_ref().map(|(group, fleet)| {
            let backend = backend.clone();
            tokio::spawn(fleet.call(group, 7, PostcardCodec::new(), move || backend.run(7)))
        });
        let asked = Instant::now();
        settle().await;
        let opener = tokio::spawn({
            let backend = backend.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                backend.open();
            }
        });
        for call in calls {
            let outcome = timeout(Duration::from_secs(30), call).await.expect("it ends").expect("it does not fail");
            assert!(outcome.value.starts_with("7: run"));
        }
        assert!(asked.elapsed() <= Duration::from_millis(1_200), "{wrong:?}: {:?}", asked.elapsed());
        opener.await.unwrap();
        for (group, _) in &nodes {
            assert!(group.is_empty());
        }
    }
}

/// As from a process of another version, which may lead again: each caller would wait for what it cannot read.
#[tokio::test(start_paused = true)]
async fn f6_after_a_refused_message_nobody_waits_for_the_next_one_for_a_second() {
    let engine = Arc::new(Foreign::new(Wrong::Nonsense));
    let [leads, follows] = [(); 2].map(|()| Fleet::new(Shared { well: Arc::clone(&engine) }, SECRET));
    let work = || async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        "led".to_owned()
    };
    let leader = tokio::spawn(leads.call(&Group::new(), 7, PostcardCodec::new(), work));
    settle().await;
    let group = Group::new();
    for (second, joins) in [(0, 2), (0, 2), (1, 3), (0, 3)] {
        tokio::time::sleep(Duration::from_secs(second)).await;
        let call = follows.call(&group, 7, PostcardCodec::new(), || async { "own".to_owned() });
        assert_eq!(call.await.value, "own");
        assert_eq!(engine.joins.load(Relaxed), joins);
    }
    assert_eq!(follows.stats().bad_messages, 2);
    assert_eq!(leader.await.unwrap().value, "led");
}

/// It looks again and again, and is told each time that there is nothing: until the lease is over that says nothing.
#[tokio::test(start_paused = true)]
async fn who_follows_where_the_engine_cannot_tell_what_runs_joins_once_in_a_lease() {
    let engine = Arc::new(Foreign::new(Wrong::CannotTell));
    let backend = Backend::new();
    let calls = [(); 2].map(|()| {
        let (fleet, backend) = (Fleet::new(Shared { well: Arc::clone(&engine) }, SECRET), backend.clone());
        tokio::spawn(fleet.call(&Group::<u32, String>::new(), 7, PostcardCodec::new(), move || backend.run(7)))
    });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((engine.joins.load(Relaxed), backend.runs()), (2, 1));
    backend.open();
    for call in calls {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
}

#[cfg(feature = "http")]
#[tokio::test(start_paused = true)]
async fn a_write_is_told_again_to_an_engine_that_has_panicked() {
    use tower_singleflight::HttpSingleflightLayer;

    use crate::{
        http::{answered, ask},
        origin::{Plain, bench, ok, request, text},
    };

    let engine = Arc::new(Foreign::new(Wrong::PanicsFencing));
    let fleet = Fleet::new(Shared { well: Arc::clone(&engine) }, SECRET);
    let mut node: Plain = bench(HttpSingleflightLayer::new().fleet(fleet, "pages"));
    let write = ask(&mut node, request("POST", "http://h/x", &[])).await;
    node.next().await.answer(ok(&[], "written"));
    assert_eq!(text(answered(write).await).await, "written");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(engine.fences.load(Relaxed), 3);
    // It knows: nothing keeps the path to the process any more.
    let read = ask(&mut node, crate::origin::get("http://h/x")).await;
    node.next().await.answer(ok(&[], "new"));
    let response = answered(read).await;
    assert_eq!(crate::http::fleet(&response), Some(tower_singleflight::fleet::FleetRole::Led));
}

struct Shared {
    well: Arc<Foreign>,
}

impl Engine for Shared {
    pass_on!(join renew close hold land peek fence news);
}

/// Each look brings news that something may have been missed.
#[tokio::test(start_paused = true)]
async fn f7_news_without_end_keeps_no_follower_longer_than_max_wait() {
    let engine = MemoryEngine::new();
    let mut alarms = Faults::none();
    alarms.false_alarms = 100;
    engine.set_faults(alarms);
    engine.takes(Duration::from_millis(1));
    let settings = FleetSettings::new().max_wait(Duration::from_secs(1));
    let processes = processes_with::<2>(&engine, settings);
    let leader = processes[0].call(7);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let follower = processes[1].call(7);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(processes[0].backend.runs(), 1);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(processes[0].backend.runs(), 2);
    processes[0].backend.open();
    leader.await.unwrap();
    follower.await.unwrap();
}

/// News of its own flight is lost, and there is always some of another one.
#[tokio::test(start_paused = true)]
async fn a_follower_looks_at_its_flight_however_much_it_is_told_of_others() {
    let engine = NewsOfOthers::default();
    let (backend, group) = (Backend::new(), [(); 2].map(|()| Group::<u32, String>::new()));
    let fleets = [(); 2].map(|()| Fleet::new(engine.clone(), SECRET));
    let calls = [0, 1].map(|at| {
        let backend = backend.clone();
        tokio::spawn(fleets[at].call(&group[at], 7, PostcardCodec::new(), move || backend.run(7)))
    });
    settle().await;
    backend.open();
    let others = async {
        loop {
            let name = engine.name.lock().unwrap().expect("somebody has joined");
            let news = engine.news.lock().unwrap().clone();
            news.iter().for_each(|news| news.landed(name, Token::from([1; 24]), None));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let [leader, follower] = calls;
    assert_eq!(leader.await.unwrap().value, "7: run 0");
    let ended = Instant::now();
    tokio::select! {
        outcome = follower => assert_eq!(outcome.unwrap().value, "7: run 0"),
        () = others => {}
    }
    assert!(ended.elapsed() < Duration::from_millis(500), "{:?}", ended.elapsed());
}

/// An engine whose own news is lost, and through which others tell theirs.
#[derive(Clone)]
struct NewsOfOthers {
    well: MemoryEngine,
    name: Arc<Mutex<Option<Name>>>,
    news: Arc<Mutex<Vec<News>>>,
}

impl Default for NewsOfOthers {
    fn default() -> Self {
        Self { well: MemoryEngine::new(), name: Arc::default(), news: Arc::default() }
    }
}

impl Engine for NewsOfOthers {
    pass_on!(renew close hold land peek fence);

    fn join(&self, join: Join) -> Reply<Joined> {
        *self.name.lock().unwrap() = Some(join.name);
        self.well.join(join)
    }

    fn news(&self, to: News) -> bool {
        self.news.lock().unwrap().push(to);
        true
    }
}

#[test]
fn times_without_end_are_an_error_where_the_fleet_is_made_and_no_panic_later() {
    type Set = fn(FleetSettings) -> FleetSettings;
    let sets: [(&str, Set); 5] = [
        ("budget", |settings| settings.budget(Duration::MAX).lease(Duration::MAX).lead_limit(Duration::MAX)),
        ("lease", |settings| settings.lease(Duration::MAX).lead_limit(Duration::MAX)),
        ("max_wait", |settings| settings.max_wait(Duration::MAX)),
        ("keep", |settings| settings.keep(Duration::MAX)),
        ("lead_limit", |settings| settings.lead_limit(Duration::MAX)),
    ];
    for (name, set) in sets {
        let made = Fleet::with_settings(MemoryEngine::new(), SECRET, set(FleetSettings::new()));
        assert!(made.is_err(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_any_length_can_be_allowed() {
    let engine = MemoryEngine::new();
    let processes = processes_with::<2>(&engine, FleetSettings::new().max_message(usize::MAX));
    let calls = processes.each_ref().map(|process| process.call(7));
    settle().await;
    processes[0].backend.open();
    for call in calls {
        assert_eq!(call.await.unwrap().value, "7: run 0");
    }
}
