//! What the followers of a shadow flight do once it has landed. Found out without the table's lock: it hashes keys.

use std::{hash::BuildHasher, sync::Arc};

use http::response;
use tokio::time::Instant;

use super::member::Id;
use crate::{
    hasher::KeyHasher,
    http::{
        answer::{Audience, Step, Tried},
        requester::Requester,
        rule::Rule,
    },
};

/// A follower whose flight has landed.
pub(super) struct Waiting {
    pub(super) id: Id,
    pub(super) requester: Arc<Requester>,
    pub(super) joined: Instant,
    pub(super) tried: Tried,
    /// It waits for its flight without a limit: a call of its own would begin later still (S13).
    pub(super) fresh: bool,
}

/// What a shadow flight has landed with.
pub(super) struct Landed {
    pub(super) audience: Audience,
    /// What followers through another layer of the group judge again: a head, or an error (`Some(None)`). `None`: there
    /// was no other layer when the answer came.
    pub(super) again: Option<Option<Arc<response::Parts>>>,
}

/// What a follower does next.
pub(super) enum Next {
    /// It has a share in the leader's answer.
    Take,
    /// It makes its own call, by this rule; `None`: it has waited for too long.
    Alone(Arc<Requester>, Option<Rule>),
    /// It joins or leads a flight of this key.
    Join { requester: Arc<Requester>, hash: u64, tried: Tried },
}

impl Waiting {
    /// Says what a follower does with what its flight has landed with, as the layer's own followers do.
    pub(super) fn next(self, landed: &Landed, now: Instant, hasher: &KeyHasher) -> (Id, Next) {
        let Landed { audience, again } = landed;
        let Self { id, requester, joined, mut tried, fresh } = self;
        let waited = now.saturating_duration_since(joined);
        if !fresh && requester.group().limits().max_wait.is_some_and(|most| waited > most) {
            return (id, Next::Alone(requester, None));
        }
        let released = |rule| Next::Alone(Arc::new(Requester { released: true, ..(*requester).clone() }), Some(rule));
        let requester = match audience.step(&requester.key, requester.facts.http10, joined, tried) {
            Step::Take => {
                let again = again.as_ref().filter(|_| requester.group().layers().differ());
                let declines = again.and_then(|head| requester.judge_again(head.as_deref(), audience.has_length));
                return (id, declines.map_or(Next::Take, released));
            }
            Step::Alone(rule) => return (id, released(rule)),
            Step::Again => {
                tried.again = true;
                Arc::clone(&requester)
            }
            Step::Regroup(variant) => {
                tried.regrouped = true;
                Arc::new(Requester { key: variant, ..(*requester).clone() })
            }
        };
        if requester.group().unshareable().contains(&requester.key) {
            return (id, released(Rule::D3Remembered));
        }
        let hash = hasher.hash_one(&requester.key);
        (id, Next::Join { requester, hash, tried })
    }
}
