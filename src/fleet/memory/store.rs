//! What lies in a `MemoryEngine`, and what each operation does to it at one moment.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::fleet::{Closed, FenceScope, Join, Joined, Name, Peek, Token};

#[derive(Default)]
pub(super) struct Store {
    names: HashMap<Name, Flights>,
    results: HashMap<(Name, Token), (Result, Instant)>,
    /// Tokens that were closed, and until when they are refused.
    closed: HashMap<Token, Instant>,
    /// Tokens that somebody has asked to close, whether or not that has taken effect, and until when that matters.
    asked: HashMap<Token, Instant>,
    /// Tokens that lead, or have led, and that nobody has asked to close.
    unclosed: HashSet<Token>,
    /// How often each scope was fenced, and until when that is remembered.
    fences: HashMap<FenceScope, (u64, Instant)>,
}

/// The flights of one name. At most one of them can be joined; those that a fence or a window has cut off go on for their
/// waiters.
#[derive(Default)]
struct Flights {
    current: Option<Token>,
    running: Vec<Flight>,
}

struct Flight {
    token: Token,
    /// How often its scope had been fenced when it began.
    epoch: u64,
    began: Instant,
    lease_ends: Instant,
    waiters: usize,
}

enum Result {
    Pending,
    Landed(Bytes),
}

impl Store {
    /// Forgets what is past.
    pub(super) fn sweep(&mut self, now: Instant) {
        for flights in self.names.values_mut() {
            flights.running.retain(|flight| flight.lease_ends > now);
        }
        self.names.retain(|_, flights| !flights.running.is_empty());
        self.results.retain(|_, (_, until)| *until > now);
        self.closed.retain(|_, until| *until > now);
        self.asked.retain(|_, until| *until > now);
        self.fences.retain(|_, (_, until)| *until > now);
    }

    /// Returns how many flights and messages there are. Fences and closed tokens do not count.
    pub(super) fn len(&self) -> usize {
        self.names.values().map(|flights| flights.running.len()).sum::<usize>() + self.results.len()
    }

    pub(super) fn asked_to_close(&mut self, token: Token, until: Instant) {
        self.asked.insert(token, until);
        self.unclosed.remove(&token);
    }

    pub(super) fn unclosed(&self) -> usize {
        self.unclosed.len()
    }

    fn epoch(&self, scope: FenceScope) -> u64 {
        self.fences.get(&scope).map_or(0, |(epoch, _)| *epoch)
    }

    pub(super) fn join(&mut self, join: &Join, now: Instant) -> Joined {
        let epoch = self.epoch(join.name.scope());
        if self.closed.contains_key(&join.token) {
            return Joined::Refused;
        }
        let flights = self.names.entry(join.name).or_default();
        let current = flights.current;
        // The command came twice.
        if flights.running.iter().any(|flight| flight.token == join.token) {
            return Joined::Lead;
        }
        // Or it came before, and its flight is gone.
        self.unclosed.remove(&join.token);
        let joinable = |flight: &&mut Flight| {
            let is_young = join.window.is_none_or(|window| now.duration_since(flight.began) <= window);
            join.was == Some(flight.token) || (current == Some(flight.token) && flight.epoch == epoch && is_young)
        };
        // The one that was waited for comes first.
        flights.running.sort_by_key(|flight| join.was != Some(flight.token));
        if let Some(flight) = flights.running.iter_mut().find(joinable) {
            flight.waiters += 1;
            let age = Some(now.duration_since(flight.began));
            return Joined::Follow { token: flight.token, remaining: flight.lease_ends - now, age };
        }
        flights.current = Some(join.token);
        if !self.asked.contains_key(&join.token) {
            self.unclosed.insert(join.token);
        }
        flights.running.push(Flight { token: join.token, epoch, began: now, lease_ends: now + join.lease, waiters: 0 });
        Joined::Lead
    }

    pub(super) fn renew(&mut self, name: Name, token: Token, lease: Duration, now: Instant) -> bool {
        let flights = self.names.get_mut(&name);
        let flight = flights.and_then(|flights| flights.running.iter_mut().find(|flight| flight.token == token));
        flight.is_some_and(|flight| {
            flight.lease_ends = now + lease;
            true
        })
    }

    pub(super) fn close(
        &mut self,
        name: Name,
        token: Token,
        pending: Duration,
        refuse: Duration,
        now: Instant,
    ) -> Closed {
        self.closed.insert(token, now + refuse);
        let Some(flights) = self.names.get_mut(&name) else { return Closed::Gone };
        let Some(at) = flights.running.iter().position(|flight| flight.token == token) else { return Closed::Gone };
        let flight = flights.running.remove(at);
        if flights.current == Some(token) {
            flights.current = None;
        }
        if flight.waiters == 0 {
            return Closed::Alone;
        }
        self.results.insert((name, token), (Result::Pending, now + pending));
        Closed::Followed
    }

    pub(super) fn hold(&mut self, name: Name, token: Token, pending: Duration, now: Instant) {
        if let Some((Result::Pending, until)) = self.results.get_mut(&(name, token)) {
            *until = now + pending;
        }
    }

    pub(super) fn land(&mut self, name: Name, token: Token, message: Bytes, keep: Duration, now: Instant) {
        self.results.insert((name, token), (Result::Landed(message), now + keep));
    }

    pub(super) fn peek(&self, name: Name, token: Token) -> Peek {
        match self.results.get(&(name, token)) {
            Some((Result::Pending, _)) => return Peek::Pending,
            Some((Result::Landed(message), _)) => return Peek::Landed(message.clone()),
            None => {}
        }
        let flights = self.names.get(&name);
        let runs = flights.is_some_and(|flights| flights.running.iter().any(|flight| flight.token == token));
        if runs { Peek::Running } else { Peek::Gone }
    }

    pub(super) fn fence(&mut self, scope: FenceScope, keep: Duration, now: Instant) {
        let fence = self.fences.entry(scope).or_insert((0, now));
        *fence = (fence.0 + 1, now + keep);
    }

    /// Forgets every flight and every message, as a store does that is short of memory.
    pub(super) fn evict(&mut self) {
        self.names.clear();
        self.unclosed.clear();
        self.results.clear();
    }
}
