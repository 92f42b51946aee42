//! What is under way: the watched requests, and the shadow flights that can be joined.
//!
//! Invariants, kept by every method here:
//!
//! 1. A key has at most one flight that is listed, and one that waits behind it (S13); the leader of each is `Leading`.
//! 2. A member that is `Following` stands in its leader's list and in no other.
//! 3. A member that has nothing more to tell is taken out: a table at rest is empty.
//! 4. Nothing of the user's runs here but `Eq` of keys: what is taken out is dropped after the unlock.

mod ends;
mod fresh;
mod landing;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashTable;
use tokio::time::Instant;

pub(super) use self::landing::ToJudge;
use super::{
    member::{Flight, Id, Member, Stage},
    pair::Pair,
    route::Route,
    routes::Noted,
};
use crate::{
    hasher::KeyHasher,
    http::{requester::Requester, rule::Rule},
    limits::Limits,
};

/// How many followers of a flight are compared with its leader. It is also how many requests are watched for each
/// flight that the table may hold.
const COMPARED: usize = 16;

/// How many bytes the requests take together at most, for each that may be watched: of large ones fewer are.
const EACH: usize = 1536;

/// A table with room for more than `FEW` is made smaller once only one place in `SPARSE` is taken.
const SPARSE: usize = 8;
const FEW: usize = 64;

pub(super) struct Table {
    members: HashMap<Id, Member, KeyHasher>,
    /// How many bytes they take.
    bytes: usize,
    /// The leaders of flights that can be joined, by the hashes of their keys.
    flights: HashTable<Listed>,
    /// How many flights wait behind one of these.
    waiting: usize,
    next: Id,
    /// How many flights there are at most.
    most: usize,
}

struct Listed {
    hash: u64,
    leader: Id,
}

/// What is to be done after the unlock.
#[derive(Default)]
pub(super) struct Effects {
    /// Whose answers are to be judged now.
    pub(super) judge: VecDeque<Id>,
    pub(super) events: Vec<Noted>,
    pub(super) pairs: Vec<Pair>,
    pub(super) gone: Vec<Member>,
}

/// How a member joins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Fly,
    /// It joins no flight whose work has begun, and waits behind that one (S13).
    Fresh,
    /// It leads or goes alone (S13).
    Lead,
    /// It goes alone: of late, answers to its key could not be shared (D3).
    Alone,
}

impl Table {
    pub(super) fn new(most: usize) -> Self {
        let members = HashMap::with_hasher(KeyHasher::new());
        Self { members, bytes: 0, flights: HashTable::new(), waiting: 0, next: 0, most }
    }

    /// Returns how many flights can be joined, and how many requests are watched.
    pub(super) fn sizes(&self) -> (usize, usize) {
        (self.joinable(), self.members.len())
    }

    fn joinable(&self) -> usize {
        self.flights.len() + self.waiting
    }

    /// Takes a member in; `None` if there is no place.
    pub(super) fn insert(&mut self, member: Member) -> Option<Id> {
        let (most, bytes) = (self.most.saturating_mul(COMPARED), self.bytes.saturating_add(member.size));
        if self.members.len() >= most || bytes > most.saturating_mul(EACH) {
            return None;
        }
        self.bytes = bytes;
        let id = self.next;
        self.next += 1;
        self.members.insert(id, member);
        Some(id)
    }

    /// Gives a member the key that its content completes.
    pub(super) fn complete(&mut self, id: Id, requester: Arc<Requester>, hash: u64, now: Instant) {
        if let Some(member) = self.members.get_mut(&id) {
            (member.requester, member.hash, member.joined) = (requester, hash, now);
        }
    }

    pub(super) fn contains(&self, id: Id) -> bool {
        self.members.contains_key(&id)
    }

    /// Returns how many followers a member's flight has.
    pub(super) fn followers(&self, id: Id) -> usize {
        self.members.get(&id).and_then(Member::flight).map_or(0, |flight| flight.followers.len())
    }

    /// A member's own call is polled for the first time.
    pub(super) fn begins(&mut self, id: Id) {
        if let Some(member) = self.members.get_mut(&id) {
            member.begun = true;
        }
    }

    /// Reading, Stepping => (Leading | Following | Alone): a member asks for a flight of its key.
    pub(super) fn join(&mut self, id: Id, way: Way, now: Instant, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&id) else { return };
        member.fresh = way == Way::Fresh;
        let (requester, route) = (Arc::clone(&member.requester), Arc::clone(&member.route));
        let (hash, limits) = (member.hash, requester.group().limits());
        let found = if way == Way::Alone { None } else { self.find(hash, &requester) };
        let found = found.and_then(|leader| self.make_way(leader, limits.join_window, now, effects));
        let (found, has_begun) = found.map_or((None, false), |(leader, has_begun)| (Some(leader), has_begun));
        let stage = match (way, found) {
            (Way::Alone, _) => Some(alone(Some(Rule::D3Remembered), route, effects)),
            (Way::Lead, Some(_)) => Some(alone(Some(Rule::S13Reload), route, effects)),
            (Way::Fresh, Some(running)) if has_begun => match self.next_of(running) {
                Some(next) => Some(self.follow(id, next, limits, route, effects)),
                None => self.lead_behind(running, id, now, effects),
            },
            (Way::Fly | Way::Fresh, Some(leader)) => Some(self.follow(id, leader, limits, route, effects)),
            (_, None) => self.lead(limits, route, effects).inspect(|stage| {
                if let Stage::Leading(_) = stage {
                    self.flights.insert_unique(hash, Listed { hash, leader: id }, |flight| flight.hash);
                }
            }),
        };
        let Some(stage) = stage else { return self.remove(id, effects) };
        let Some(member) = self.members.get_mut(&id) else { return };
        (member.stage, member.since) = (stage, now);
        if member.answered.is_some() && !matches!(member.stage, Stage::Following { .. }) {
            effects.judge.push_back(id);
        }
    }

    /// Returns the stage of a member that leads a new flight, or goes alone if the limits allow no new one; `None`:
    /// there are too many flights to watch another.
    fn lead(&mut self, limits: Limits, route: Route, effects: &mut Effects) -> Option<Stage> {
        if self.joinable() >= limits.max_flights {
            return Some(alone(None, route, effects));
        }
        if self.joinable() >= self.most {
            effects.events.push(Noted::Full);
            return None;
        }
        effects.events.push(Noted::Led(route));
        Some(Stage::Leading(Flight::default()))
    }

    fn follow(&mut self, id: Id, leader: Id, limits: Limits, route: Route, effects: &mut Effects) -> Stage {
        let waits = limits.max_wait.is_none_or(|wait| !wait.is_zero());
        match self.members.get_mut(&leader).and_then(Member::flight_mut) {
            Some(Flight { followers, .. }) if waits && followers.len() < limits.max_followers => {
                followers.push(id);
                effects.events.push(Noted::Followed(route));
                Stage::Following { leader }
            }
            _ => alone(None, route, effects),
        }
    }

    /// Returns the leader of the flight of a key.
    fn find(&self, hash: u64, requester: &Requester) -> Option<Id> {
        let number = requester.group().number();
        let same = |flight: &Listed| {
            let leader = self.members.get(&flight.leader).map(|leader| &leader.requester);
            flight.hash == hash
                && leader.is_some_and(|leader| leader.group().number() == number && leader.key == requester.key)
        };
        self.flights.find(hash, same).map(|flight| flight.leader)
    }

    fn is_older(&self, leader: Id, window: Option<Duration>, now: Instant) -> bool {
        let since = self.members.get(&leader).map(|leader| leader.since);
        window.zip(since).is_some_and(|(window, since)| now.saturating_duration_since(since) > window)
    }

    /// Lets nobody join a member's flight any more.
    fn unlist(&mut self, leader: Id) {
        let Some(member) = self.members.get(&leader) else { return };
        if let Ok(flight) = self.flights.find_entry(member.hash, |flight| flight.leader == leader) {
            flight.remove();
        }
    }

    fn remove(&mut self, id: Id, effects: &mut Effects) {
        let Some(member) = self.members.remove(&id) else { return };
        self.bytes -= member.size;
        effects.gone.push(member);
        // What a burst has taken is given back, a half at a time, so that it costs nothing that counts.
        if self.members.len() < self.members.capacity() / SPARSE && self.members.capacity() > FEW {
            self.members.shrink_to(self.members.capacity() / 2);
        }
        if self.flights.len() < self.flights.capacity() / SPARSE && self.flights.capacity() > FEW {
            self.flights.shrink_to(self.flights.capacity() / 2, |flight| flight.hash);
        }
    }

    /// Takes a member out that has nothing more to tell (invariant 3).
    fn sweep(&mut self, id: Id, effects: &mut Effects) {
        if self.members.get(&id).is_some_and(Member::is_done) {
            self.remove(id, effects);
        }
    }
}

/// Returns the stage of a member that goes alone, by this rule; `None`: by a limit.
fn alone(rule: Option<Rule>, route: Route, effects: &mut Effects) -> Stage {
    effects.events.push(Noted::Alone(route, rule));
    Stage::Alone
}
