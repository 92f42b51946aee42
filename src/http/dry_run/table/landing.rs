//! A shadow flight from its leader's head to what each of its followers does.

use std::sync::Arc;

use http::response;
use tokio::time::Instant;

use super::{COMPARED, Effects, Table, Way};
use crate::http::{
    dry_run::{
        member::{Answered, Flight, Id, Judged, Stage},
        routes::Noted,
        steps::{Next, Waiting},
    },
    requester::Requester,
};

/// What is to be judged of an answer.
pub(in crate::http::dry_run) struct ToJudge {
    pub(in crate::http::dry_run) requester: Arc<Requester>,
    pub(in crate::http::dry_run) judged: Judged,
    /// When its call was polled first, if it did not answer at once.
    pub(in crate::http::dry_run) began: Option<Instant>,
    pub(in crate::http::dry_run) again: Option<Arc<response::Parts>>,
}

impl Table {
    /// The head of a member's own answer is there, or an error.
    pub(in crate::http::dry_run) fn answered(&mut self, id: Id, answered: Answered, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let took = answered.took;
        let stands = !matches!(answered.judged, Judged::Open);
        member.answered = Some(answered);
        match &member.stage {
            Stage::Reading => {
                effects.events.push(Noted::NotRead(Arc::clone(&member.route)));
                self.remove(id, effects);
            }
            Stage::Leading(_) | Stage::Alone if stands => effects.judge.push_back(id),
            Stage::Taking { .. } | Stage::Counted => {
                effects.events.push(Noted::Time(Arc::clone(&member.route), took));
                self.sweep(id, effects);
            }
            _ => {}
        }
    }

    /// What the body has brought lets the verdict stand.
    pub(in crate::http::dry_run) fn stands(&mut self, id: Id, judged: Judged, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if let Some(answered) = &mut member.answered {
            answered.judged = judged;
        }
        if matches!(member.stage, Stage::Leading(_) | Stage::Alone) {
            effects.judge.push_back(id);
        }
    }

    /// Takes what is to be judged of a member's answer, and the head that some of its followers judge again; `None` while its
    /// flight waits for its turn, or its body is still to say something.
    pub(in crate::http::dry_run) fn take_to_judge(&mut self, id: Id) -> Option<ToJudge> {
        let member = self.members.get_mut(&id)?;
        if member.flight().is_some_and(|flight| flight.waits.is_some()) {
            return None;
        }
        let answered = member.answered.as_mut().filter(|answered| !matches!(answered.judged, Judged::Open))?;
        // The layer would have begun its call no sooner than it asked for the flight.
        let began = answered.began.map(|began| began.max(member.since));
        let again = answered.again.take();
        Some(ToJudge { requester: Arc::clone(&member.requester), judged: answered.judged.clone(), began, again })
    }

    /// Leading => Landing: its answer has been judged, and nobody joins any more; returns the followers, if it leads. What
    /// waits behind it begins, or goes alone if this answer `speaks_for_next`.
    /// Alone: it has been judged, and nothing more is to be learnt.
    pub(in crate::http::dry_run) fn land(
        &mut self,
        id: Id,
        speaks_for_next: bool,
        now: Instant,
        effects: &mut Effects,
    ) -> Option<Vec<Waiting>> {
        let member = self.members.get_mut(&id)?;
        let Flight { followers, next, .. } = match &mut member.stage {
            Stage::Leading(flight) => std::mem::take(flight),
            Stage::Alone => {
                self.remove(id, effects);
                return None;
            }
            _ => return None,
        };
        member.stage = Stage::Landing;
        self.unlist(id);
        let mut waiting = self.step(followers);
        if let Some(next) = next {
            match self.overtook(next, now) {
                None if speaks_for_next => waiting.extend(self.release_next(next, now, effects)),
                began => self.promote(next, began.unwrap_or(now), effects),
            }
        }
        Some(waiting)
    }

    /// Following => Stepping, of all of these.
    pub(super) fn step(&mut self, followers: Vec<Id>) -> Vec<Waiting> {
        let mut waiting = Vec::with_capacity(followers.len());
        for id in followers {
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.stage = Stage::Stepping;
            let (requester, joined, tried) = (Arc::clone(&member.requester), member.joined, member.tried);
            waiting.push(Waiting { id, requester, joined, tried, fresh: member.fresh });
        }
        waiting
    }

    /// Landing => Landed, and of its followers Stepping => (Taking | Counted | Alone | Leading | Following).
    pub(in crate::http::dry_run) fn landed(
        &mut self,
        leader: Id,
        steps: Vec<(Id, Next)>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let mut takers = Vec::new();
        for (id, next) in steps {
            let Some(member) = self.members.get_mut(&id) else { continue };
            match next {
                Next::Take => {
                    let is_compared = takers.len() < COMPARED;
                    member.stage = if is_compared { Stage::Taking { leader } } else { Stage::Counted };
                    takers.extend(is_compared.then_some(id));
                    effects.events.push(Noted::Saved(Arc::clone(&member.route)));
                    if let Some(answered) = &member.answered {
                        effects.events.push(Noted::Time(Arc::clone(&member.route), answered.took));
                    }
                    self.sweep(id, effects);
                }
                Next::Alone(requester, rule) => {
                    (member.stage, member.requester) = (Stage::Alone, requester);
                    effects.events.push(Noted::Alone(Arc::clone(&member.route), rule));
                    if member.answered.is_some() {
                        effects.judge.push_back(id);
                    }
                }
                Next::Join { requester, hash, tried } => {
                    (member.requester, member.hash, member.tried) = (requester, hash, tried);
                    let way = if member.fresh { Way::Fresh } else { Way::Fly };
                    self.join(id, way, now, effects);
                }
            }
        }
        if let Some(member) = self.members.get_mut(&leader) {
            member.stage = Stage::Landed { takers, compared: Vec::new() };
        }
        self.settle(leader, effects);
    }
}
