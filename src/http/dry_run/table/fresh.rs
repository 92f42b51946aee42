//! Shadow flights that wait behind another one, for those who may not have what began before they came (S13).

use std::{mem::take, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Effects, Listed, Table, alone};
use crate::http::{
    dry_run::{
        member::{Flight, Id, Member, Stage, Turn},
        steps::Waiting,
    },
    requester::Requester,
};

impl Table {
    /// Returns whether the work of a flight that is listed has begun: it has its turn, and its leader's call was polled.
    pub(super) fn has_begun(&self, leader: Id) -> bool {
        self.members.get(&leader).is_some_and(|leader| leader.begun)
    }

    /// Returns the leader of the flight that waits behind this one.
    pub(super) fn next_of(&self, leader: Id) -> Option<Id> {
        self.members.get(&leader)?.flight()?.next
    }

    /// Returns the leader of the flight that a call can join, the listed one or the one behind it, and whether that
    /// flight's work has begun; `None`: the call leads a new one. First the flight behind takes the listed one's place,
    /// if its wait is over or the listed one is too old to be joined.
    pub(super) fn make_way(
        &mut self,
        mut leader: Id,
        window: Option<Duration>,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<(Id, bool)> {
        if let Some((next, began)) = self.next_of(leader).and_then(|next| Some((next, self.overtook(next, now)?))) {
            self.start_next(leader, next, began, effects);
            leader = next;
        }
        if !self.is_older(leader, window, now) {
            return Some((leader, self.has_begun(leader)));
        }
        let Some(next) = self.next_of(leader) else {
            self.unlist(leader);
            return None;
        };
        self.start_next(leader, next, now, effects);
        // Its turn comes with this call, so it has run nothing yet.
        Some((next, false))
    }

    /// Lets the flight that waits behind a listed one begin in its place.
    fn start_next(&mut self, leader: Id, next: Id, now: Instant, effects: &mut Effects) {
        self.unlist(leader);
        self.promote(next, now, effects);
        self.set_next(leader, None);
    }

    /// Returns the stage of a member that leads a flight behind one whose work has begun, or goes alone if the limits
    /// allow none; `None`: there are too many flights to watch another.
    pub(super) fn lead_behind(&mut self, ahead: Id, id: Id, now: Instant, effects: &mut Effects) -> Option<Stage> {
        let member = self.members.get(&id)?;
        let (route, limits) = (Arc::clone(&member.route), member.requester.group().limits());
        let max_wait = max_wait(&member.requester);
        if max_wait.is_zero() {
            return Some(alone(None, route, effects));
        }
        let stage = self.lead(limits, route, effects)?;
        if let Stage::Leading(_) = stage {
            self.set_next(ahead, Some(id));
            self.waiting += 1;
            let waits = Some(Turn { ahead, until: now.checked_add(max_wait) });
            return Some(Stage::Leading(Flight { waits, ..Flight::default() }));
        }
        Some(stage)
    }

    /// Returns since when a flight has its turn, if its wait is over.
    pub(super) fn overtook(&self, leader: Id, now: Instant) -> Option<Instant> {
        self.members.get(&leader)?.flight()?.waits?.until.filter(|until| *until <= now)
    }

    /// Lets a flight that waited begin, and be found by its key.
    pub(super) fn promote(&mut self, leader: Id, now: Instant, effects: &mut Effects) {
        self.begin_turn(leader, now, effects);
        if let Some(hash) = self.members.get(&leader).map(|member| member.hash) {
            self.flights.insert_unique(hash, Listed { hash, leader }, |flight| flight.hash);
        }
    }

    /// Lets a flight that waited begin with its leader alone, and returns its followers: its answer would be for the leader
    /// alone, too (D3).
    pub(super) fn release_next(&mut self, leader: Id, now: Instant, effects: &mut Effects) -> Vec<Waiting> {
        self.begin_turn(leader, now, effects);
        let flight = self.members.get_mut(&leader).and_then(Member::flight_mut);
        let followers = flight.map(|flight| take(&mut flight.followers)).unwrap_or_default();
        self.step(followers)
    }

    fn begin_turn(&mut self, leader: Id, now: Instant, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&leader) else { return };
        member.since = now;
        if member.answered.is_some() {
            effects.judge.push_back(leader);
        }
        if member.flight_mut().is_some_and(|flight| flight.waits.take().is_some()) {
            self.waiting -= 1;
        }
    }

    /// Cleans up after a flight whose leader has left: the flight behind it begins. If it waited itself, no flight
    /// waits behind the one ahead any more.
    pub(super) fn give_up(&mut self, flight: &Flight, now: Instant, effects: &mut Effects) {
        if let Some(Turn { ahead, .. }) = flight.waits {
            self.waiting -= 1;
            self.set_next(ahead, None);
        }
        if let Some(next) = flight.next {
            self.promote(next, now, effects);
        }
    }

    fn set_next(&mut self, leader: Id, next: Option<Id>) {
        if let Some(flight) = self.members.get_mut(&leader).and_then(Member::flight_mut) {
            flight.next = next;
        }
    }
}

/// Returns how long a request that reloads waits at most for the run under way.
fn max_wait(requester: &Requester) -> Duration {
    let wait = requester.coalescer.config.reloads.fresh_wait;
    requester.group().limits().max_wait.map_or(wait, |limit| limit.min(wait))
}
