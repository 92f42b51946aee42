//! Random joining, polling, leaving, forgetting and landing, against a model that is simple enough to be read.

mod gated;

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Poll, Waker},
};

use futures_util::future::{BoxFuture, FutureExt};
use proptest::prelude::*;
use tokio::task::yield_now;
use tokio_test::task::{Spawn, spawn};
use tower_singleflight::{Call, Group, Outcome, Role};

use self::gated::{Gate, Shared, work};

/// All of one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(u8);

impl Hash for Key {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Call(Key),
    Spawn(Key),
    Poll(usize),
    Drop(usize),
    Wake(usize),
    Land(usize),
    Panic(usize),
    Forget(Key),
    ForgetUnshared(Key),
}

fn step() -> impl Strategy<Value = Step> {
    let key = (0..3_u8).prop_map(Key);
    let any = 0..64_usize;
    prop_oneof![
        6 => key.clone().prop_map(Step::Call),
        1 => key.clone().prop_map(Step::Spawn),
        6 => any.clone().prop_map(Step::Poll),
        4 => any.clone().prop_map(Step::Drop),
        1 => any.clone().prop_map(Step::Wake),
        2 => any.clone().prop_map(Step::Land),
        1 => any.prop_map(Step::Panic),
        1 => key.clone().prop_map(Step::Forget),
        1 => key.prop_map(Step::ForgetUnshared),
    ]
}

/// What the model knows of a flight; its number is that of its leader's call.
#[derive(Debug)]
struct Flight {
    key: Key,
    listed: bool,
    callers: Vec<usize>,
    leader_polled: bool,
    shared: bool,
    finish: bool,
    /// Landed, with this many callers.
    landed: Option<(Gate, usize)>,
}

type AnyCall = Spawn<BoxFuture<'static, Outcome<usize>>>;

#[derive(Default)]
struct Walk {
    group: Group<Key, usize>,
    handles: Vec<Shared>,
    calls: BTreeMap<usize, AnyCall>,
    /// By the number of the leader's call.
    flights: BTreeMap<usize, Flight>,
}

impl Walk {
    fn listed(&self, key: Key) -> Option<usize> {
        self.flights.iter().find(|(_, flight)| flight.listed && flight.key == key).map(|(number, _)| *number)
    }

    fn flight_of(&self, call: usize) -> usize {
        *self.flights.iter().find(|(_, flight)| flight.callers.contains(&call)).expect("every call is on a flight").0
    }

    /// The call that this number chooses.
    fn pick(&self, any: usize) -> Option<usize> {
        self.calls.keys().nth(any.checked_rem(self.calls.len())?).copied()
    }

    fn pick_running(&self, any: usize) -> Option<usize> {
        let running: Vec<_> =
            self.flights.iter().filter(|(_, flight)| flight.landed.is_none()).map(|(number, _)| *number).collect();
        running.get(any.checked_rem(running.len())?).copied()
    }

    fn call(&mut self, key: Key, spawned: bool) {
        let number = self.handles.len();
        let handle = Shared::default();
        self.handles.push(Arc::clone(&handle));
        let work = work(number, handle);
        let call: Call<_, _, _> = if spawned { self.group.spawn(key, work) } else { self.group.call(key, work) };
        let joined = self.listed(key);
        assert_eq!(call.is_leader(), joined.is_none());
        self.calls.insert(number, spawn(call.boxed()));
        let flight = self.flights.entry(joined.unwrap_or(number)).or_insert(Flight {
            key,
            listed: true,
            callers: Vec::new(),
            leader_polled: false,
            shared: false,
            finish: false,
            landed: None,
        });
        flight.callers.push(number);
        flight.shared |= spawned || joined.is_some();
        flight.finish |= spawned;
    }

    /// What happens of itself: a shared flight whose work can end lands.
    async fn settle(&mut self) {
        for _ in 0..8 {
            yield_now().await;
        }
        for (number, flight) in &mut self.flights {
            let gate = self.handles[*number].lock().unwrap().gate;
            if flight.shared && flight.landed.is_none() && gate != Gate::Shut {
                flight.landed = Some((gate, flight.callers.len()));
                flight.listed = false;
            }
        }
        self.flights.retain(|_, flight| flight.landed.is_none() || !flight.callers.is_empty());
    }

    fn poll(&mut self, call: usize) {
        let number = self.flight_of(call);
        let flight = self.flights.get_mut(&number).unwrap();
        if call == number && !flight.shared {
            // Solo: the leader's own poll runs the work.
            flight.leader_polled = true;
            let gate = self.handles[number].lock().unwrap().gate;
            if gate != Gate::Shut {
                flight.landed = Some((gate, 1));
                flight.listed = false;
            }
        }
        let future = self.calls.get_mut(&call).unwrap();
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll()));
        match (&flight.landed, polled) {
            (None, Ok(Poll::Pending)) => return,
            (Some((Gate::Open, callers)), Ok(Poll::Ready(outcome))) => {
                let role = if call == number { Role::Leader } else { Role::Follower };
                assert_eq!((outcome.value, outcome.role, outcome.callers), (number, role, *callers));
                assert_eq!(outcome.shared(), *callers > 1);
            }
            (Some((Gate::Panics, _)), Err(_)) => {}
            (landed, polled) => panic!("the flight has {landed:?}, its caller {:?}", polled.map_err(|_| "panicked")),
        }
        self.calls.remove(&call);
        flight.callers.retain(|caller| *caller != call);
    }

    fn leave(&mut self, call: usize) {
        let number = self.flight_of(call);
        self.calls.remove(&call);
        let flight = self.flights.get_mut(&number).unwrap();
        flight.callers.retain(|caller| *caller != call);
        if flight.callers.is_empty() && flight.landed.is_none() && !flight.finish {
            self.flights.remove(&number);
        }
    }

    fn open(&mut self, flight: usize, gate: Gate) {
        let mut handle = self.handles[flight].lock().unwrap();
        if handle.gate == Gate::Shut {
            handle.gate = gate;
        }
        let waker = handle.waker.take();
        drop(handle);
        waker.into_iter().for_each(Waker::wake);
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Call(key) => self.call(key, false),
            Step::Spawn(key) => self.call(key, true),
            Step::Poll(any) => self.pick(any).into_iter().for_each(|call| self.poll(call)),
            Step::Drop(any) => self.pick(any).into_iter().for_each(|call| self.leave(call)),
            Step::Wake(any) => self.pick_running(any).into_iter().for_each(|flight| self.open(flight, Gate::Shut)),
            Step::Land(any) => self.pick_running(any).into_iter().for_each(|flight| self.open(flight, Gate::Open)),
            Step::Panic(any) => self.pick_running(any).into_iter().for_each(|flight| self.open(flight, Gate::Panics)),
            Step::Forget(key) => {
                let listed = self.listed(key);
                assert_eq!(self.group.forget(&key), listed.is_some());
                listed.into_iter().for_each(|number| self.flights.get_mut(&number).unwrap().listed = false);
            }
            Step::ForgetUnshared(key) => {
                let listed = self.listed(key);
                let shared = listed.is_some_and(|number| self.flights[&number].callers.len() > 1);
                assert_eq!(self.group.forget_unshared(&key), !shared);
                if let (Some(number), false) = (listed, shared) {
                    self.flights.get_mut(&number).unwrap().listed = false;
                }
            }
        }
    }

    fn check(&self) {
        for key in (0..3).map(Key) {
            let callers = self.listed(key).map_or(0, |number| self.flights[&number].callers.len());
            assert_eq!(self.group.callers(&key), callers, "{key:?}");
        }
        assert_eq!(self.group.in_flight(), self.flights.values().filter(|flight| flight.listed).count());
        // Just the work of flights under way runs: nobody else's, and none that was abandoned.
        for (number, handle) in self.handles.iter().enumerate() {
            let runs = self
                .flights
                .get(&number)
                .is_some_and(|flight| flight.landed.is_none() && (flight.shared || flight.leader_polled));
            assert_eq!(handle.lock().unwrap().runs, runs, "the work of call {number}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 1, 2, 4, 5, 8, 11 and 12, over any walk.
    #[test]
    fn any_walk_ends_as_the_model_says(steps in prop::collection::vec(step(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let walked = catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {
            let mut walk = Walk::default();
            for step in steps {
                walk.take(step).await;
                walk.settle().await;
                walk.check();
            }
            let calls: Vec<_> = walk.calls.keys().copied().collect();
            calls.into_iter().for_each(|call| walk.leave(call));
            let unfinished: Vec<_> = walk.flights.keys().copied().collect();
            unfinished.into_iter().for_each(|flight| walk.open(flight, Gate::Open));
            walk.settle().await;
            walk.check();
            assert!(walk.group.is_empty());
        })));
        if let Err(payload) = walked {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            return Err(TestCaseError::fail(text.unwrap_or_default()));
        }
    }
}
