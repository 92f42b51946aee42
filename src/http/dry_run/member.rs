//! One watched request, from its arrival to the end of its answer.
//!
//! ```text
//! Reading ──► Leading ──► Landing ──► Landed               leads a shadow flight, perhaps behind another one; its answer is
//!    │           ▲                                         what others compare with
//!    ├──────► Following ──► Stepping ─┬─► Taking           would have had its leader's answer, and is compared with it
//!    │                        │       └─► Counted          likewise, and is not compared
//!    └────────────────────────┴─────────► Alone            would have made its own call
//! ```

use std::sync::Arc;

use http::{StatusCode, response};
use tokio::time::{Duration, Instant};

use super::{
    answer::{Ending, Head},
    inputs::Inputs,
    route::Route,
};
use crate::http::{answer::Tried, judge::AtHead, policy::Verdict, requester::Requester};

/// What tells members apart; no number is used twice.
pub(super) type Id = u64;

/// One watched request.
pub(super) struct Member {
    /// What the layer would know of it when its answer is judged.
    pub(super) requester: Arc<Requester>,
    /// The hash of its key.
    pub(super) hash: u64,
    pub(super) route: Route,
    /// When it would first have asked for a flight, and when for the one that it is on.
    pub(super) joined: Instant,
    pub(super) since: Instant,
    pub(super) tried: Tried,
    /// It may not have what began before it came (S13).
    pub(super) fresh: bool,
    /// Its own call has been polled.
    pub(super) begun: bool,
    pub(super) stage: Stage,
    pub(super) inputs: Inputs,
    /// How many bytes of memory it takes, about.
    pub(super) size: usize,
    /// `Some` once the head of its own answer, or an error, is there.
    pub(super) answered: Option<Answered>,
    /// `Some` once its own answer has ended.
    pub(super) record: Option<Arc<Record>>,
}

/// What two members are compared by.
pub(super) struct Record {
    /// `None`: the answer failed, or its caller left before the head was there.
    pub(super) head: Option<Head>,
    pub(super) ending: Ending,
    pub(super) inputs: Inputs,
}

/// What is known of a member's own answer from its head on.
pub(super) struct Answered {
    /// `None` for an error, and once it is in the record.
    pub(super) head: Option<Head>,
    pub(super) judged: Judged,
    /// What followers through other layers of the group judge again; `Some` where there may be any, until it has been
    /// judged.
    pub(super) again: Option<Arc<response::Parts>>,
    /// When the call was polled first, if it did not answer at once.
    pub(super) began: Option<Instant>,
    pub(super) took: Duration,
}

/// How far the policy's verdict on an answer has come.
#[derive(Clone)]
pub(super) enum Judged {
    /// The answer is an error of the service.
    Failed,
    /// The body is still to say something.
    Open,
    Stands {
        verdict: Verdict,
        status: StatusCode,
        has_length: bool,
    },
}

impl Judged {
    pub(super) fn of(said: &AtHead, status: StatusCode) -> Self {
        Self::Stands { verdict: said.verdict.clone(), status, has_length: said.has_length }
    }
}

/// What the layer would have made of it so far. Changed in the table only.
pub(super) enum Stage {
    /// Its content is still being read. Answered before that: it is watched no longer.
    Reading,
    /// Leads a shadow flight that can be joined. Leaving: the flight ends, and nothing is known of its followers.
    Leading(Flight),
    /// Its flight has landed, and what the followers do is being found out.
    Landing,
    /// These are compared with it once it has ended.
    Landed { takers: Vec<Id>, compared: Vec<Arc<Record>> },
    /// Leaving: one follower less.
    Following { leader: Id },
    /// Its flight has landed, and what it does is being found out.
    Stepping,
    /// Would have had the leader's answer: both are compared once they have ended.
    Taking { leader: Id },
    /// Would have had the leader's answer.
    Counted,
    /// Would have made its own call.
    Alone,
}

/// What the leader of a shadow flight has until that lands.
#[derive(Default)]
pub(super) struct Flight {
    pub(super) followers: Vec<Id>,
    /// The leader of the flight that waits behind this one, for those who may not have what began before they came (S13).
    pub(super) next: Option<Id>,
    /// `Some` while the flight itself waits behind another one.
    pub(super) waits: Option<Turn>,
}

/// The wait of a flight until the one before it has landed.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    /// The leader of the flight before it.
    pub(super) ahead: Id,
    /// When its wait ends: then it begins beside that flight. `None`: it waits until that flight has landed.
    pub(super) until: Option<Instant>,
}

impl Member {
    /// Returns its flight, if it leads one that has not landed.
    pub(super) fn flight(&self) -> Option<&Flight> {
        if let Stage::Leading(flight) = &self.stage { Some(flight) } else { None }
    }

    pub(super) fn flight_mut(&mut self) -> Option<&mut Flight> {
        if let Stage::Leading(flight) = &mut self.stage { Some(flight) } else { None }
    }

    /// Returns whether nothing more is to be learnt from it.
    pub(super) fn is_done(&self) -> bool {
        let over = self.record.is_some();
        match &self.stage {
            Stage::Landed { takers, .. } => takers.is_empty(),
            Stage::Counted => over || self.answered.is_some(),
            Stage::Alone => over,
            Stage::Reading
            | Stage::Leading(_)
            | Stage::Landing
            | Stage::Following { .. }
            | Stage::Stepping
            | Stage::Taking { .. } => false,
        }
    }

    /// Notes that its own answer has ended.
    pub(super) fn end(&mut self, ending: Ending) {
        let head = self.answered.as_mut().and_then(|answered| answered.head.take());
        let inputs = std::mem::take(&mut self.inputs);
        self.record = Some(Arc::new(Record { head, ending, inputs }));
    }
}
