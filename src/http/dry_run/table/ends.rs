//! The end of a member's own answer, and the comparison of two.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Effects, Table};
use crate::http::dry_run::{
    answer::Ending,
    member::{Id, Member, Stage},
    pair::Pair,
    routes::Noted,
};

/// With how many earlier followers a follower is compared, beside its leader: they tell more of what differs.
const EARLIER: usize = 3;

impl Table {
    /// A member's own answer has ended, or its caller has left.
    pub(in crate::http::dry_run) fn ended(&mut self, id: Id, ending: Ending, effects: &mut Effects) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let left = matches!(ending, Ending::Left);
        member.end(ending);
        let route = Arc::clone(&member.route);
        match &mut member.stage {
            Stage::Leading(flight) if left => {
                let flight = std::mem::take(flight);
                self.unlist(id);
                self.give_up(&flight, Instant::now(), effects);
                self.remove(id, effects);
                for follower in flight.followers {
                    effects.events.push(Noted::LeaderLeft(Arc::clone(&route)));
                    self.remove(follower, effects);
                }
            }
            Stage::Following { leader } if left => {
                let leader = *leader;
                effects.events.push(Noted::Left(route));
                self.remove(id, effects);
                if let Some(flight) = self.members.get_mut(&leader).and_then(Member::flight_mut) {
                    flight.followers.retain(|follower| *follower != id);
                }
            }
            Stage::Stepping if left => {
                effects.events.push(Noted::Left(route));
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
            Some(Stage::Landed { takers, .. }) => {
                for taker in takers.clone() {
                    self.compare(id, taker, effects);
                }
            }
            _ => {}
        }
        self.sweep(id, effects);
    }

    /// Pairs a member with its leader, and with some that were compared before, if both have ended.
    fn compare(&mut self, leader: Id, follower: Id, effects: &mut Effects) {
        let Some(other) = self.members.get(&follower) else { return };
        let (route, record) = (Arc::clone(&other.route), other.record.clone());
        let Some(one) = self.members.get_mut(&leader) else { return };
        let (Some(leaders), Some(followers)) = (&one.record, record) else { return };
        effects.pairs.push(Pair::new(&route, leaders, &followers, true));
        if let Stage::Landed { takers, compared } = &mut one.stage {
            let earlier = compared.iter().rev();
            effects.pairs.extend(earlier.map(|earlier| Pair::new(&route, earlier, &followers, false)));
            if compared.len() == EARLIER {
                compared.remove(0);
            }
            compared.push(followers);
            takers.retain(|taker| *taker != follower);
        }
        self.remove(follower, effects);
    }
}
