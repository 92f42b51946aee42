//! The end of a member's own answer, and the comparison of two.

use std::sync::Arc;

use super::{Effects, Table};
use crate::http::dry_run::{
    answer::{Ending, compare},
    difference::Difference,
    member::{Id, Stage},
    routes::Event,
};

impl Table {
    /// A member's own answer has ended, or its caller has left.
    pub(in crate::http::dry_run) fn ended(&mut self, id: Id, ending: Ending, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let left = matches!(ending, Ending::Left);
        member.ending = Some(ending);
        let route = Arc::clone(&member.route);
        match &mut member.stage {
            Stage::Leading { followers } if left => {
                let followers = std::mem::take(followers);
                self.unlist(id);
                self.remove(id, effects);
                for follower in followers {
                    effects.events.push(Event::LeaderLeft(Arc::clone(&route)));
                    self.remove(follower, effects);
                }
            }
            Stage::Following { leader } if left => {
                let leader = *leader;
                effects.events.push(Event::Left(route));
                self.remove(id, effects);
                if let Some(Stage::Leading { followers }) = self.members.get_mut(&leader).map(|one| &mut one.stage) {
                    followers.retain(|follower| *follower != id);
                }
            }
            Stage::Stepping if left => {
                effects.events.push(Event::Left(route));
                self.remove(id, effects);
            }
            Stage::Reading => self.remove(id, effects),
            _ => self.settle(id, effects),
        }
    }

    /// Compares a member with its leader, or with those that would have had its answer, as far as they have ended.
    pub(super) fn settle(&mut self, id: Id, effects: &mut Effects) {
        match self.members.get(&id).map(|member| &member.stage) {
            Some(Stage::Taking { leader }) => {
                let leader = *leader;
                self.compare(leader, id, effects);
                self.sweep(leader, effects);
            }
            Some(Stage::Landed { takers }) => {
                for taker in takers.clone() {
                    self.compare(id, taker, effects);
                }
            }
            _ => {}
        }
        self.sweep(id, effects);
    }

    fn compare(&mut self, leader: Id, follower: Id, effects: &mut Effects) {
        let (Some(one), Some(other)) = (self.members.get(&leader), self.members.get(&follower)) else { return };
        let (Some(ours), Some(theirs)) = (one.ended(), other.ended()) else { return };
        let compared = compare(ours, theirs);
        let difference = Difference {
            route: Arc::clone(&other.route),
            parts: compared.parts(),
            inputs: one.inputs.unequal(&other.inputs),
            digests: (ours.1.digest(), theirs.1.digest()),
        };
        effects.events.push(Event::Compared(difference, compared));
        if let Some(Stage::Landed { takers }) = self.members.get_mut(&leader).map(|one| &mut one.stage) {
            takers.retain(|taker| *taker != follower);
        }
        self.remove(follower, effects);
    }
}
