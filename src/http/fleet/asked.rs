//! What becomes of a flight's work that has asked its fleet: it waits, leads, or runs without the fleet.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Body;
use tokio::time::Instant;

use super::{
    InVain, landing,
    received::{Taken, take},
};
use crate::{
    fleet::{Ask, BeganElsewhere, Closing, Course, FleetReason, FleetRole, Lead},
    http::{answer::Answer, config::Config, requester::Requester},
};

/// Work that has asked its fleet, and the fleet's part in it.
pub(in crate::http) struct FleetQuestion {
    stage: Stage,
    /// When it asked.
    pub(super) since: Instant,
    /// Since when another process has run the work that this one waits for.
    pub(super) began: BeganElsewhere,
    /// It has asked once more (D9).
    tried_again: bool,
    pub(super) in_vain: Option<InVain>,
    max_wait: Duration,
    role: FleetRole,
}

enum Stage {
    /// Asking => (Leading | Over): when the engine has answered, and the flight of another process has landed.
    Asking(Asking),
    /// Leading => Closing: when the work has ended.
    Leading(Lead),
    /// Closing => Over: when the engine has said whether anybody follows, or its time is up.
    Closing(Closing),
    /// The fleet has no more to say.
    Over,
}

type Asking = BoxFuture<'static, (Ask, Course)>;

fn asking(mut ask: Ask) -> Asking {
    Box::pin(async move {
        let course = ask.take().await;
        (ask, course)
    })
}

impl FleetQuestion {
    /// Asks the fleet; `None` if the key may not leave the process.
    pub(super) fn new<RB, E>(requester: &Requester) -> Option<Box<Self>>
    where
        RB: Send + 'static,
        E: Send + Sync + 'static,
    {
        let config = &requester.coalescer.config;
        let fleet = config.fleet.fleet()?;
        let name = config.fleet.name(fleet, &requester.key, requester.unary, || recipe(config))?;
        let limits = requester.group().limits();
        let began = BeganElsewhere::wanted(&limits);
        let (group, key) = (requester.group().flights::<RB, E>().group.clone(), requester.key.clone());
        // D1, S22: once that flight has closed, a caller would get what others have had already.
        let ask = fleet.ask(name, limits, config.remember, began.clone(), move || group.forget_current(&key));
        let (stage, since, role) = (Stage::Asking(asking(ask)), Instant::now(), FleetRole::Led);
        let max_wait = fleet.settings().max_wait;
        Some(Box::new(Self { stage, since, began, tried_again: false, role, in_vain: None, max_wait }))
    }

    pub(super) fn poll_ask<RB, E>(
        &mut self,
        requester: &Requester,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Box<Answer<RB, E>>>>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        while let Stage::Asking(asked) = &mut self.stage {
            let (ask, course) = ready!(asked.as_mut().poll(cx));
            self.stage = Stage::Over;
            let has_waited = ask.has_waited();
            let message = match course {
                Course::Lead(lead) => {
                    self.stage = Stage::Leading(lead);
                    break;
                }
                Course::Local(reason) => {
                    self.runs_here(reason, has_waited);
                    break;
                }
                Course::Message(message) => message,
            };
            match take(requester, message, self.since, self.tried_again) {
                Taken::Answer(answer) => {
                    ask.followed();
                    self.role = FleetRole::Followed;
                    return Poll::Ready(Some(answer));
                }
                Taken::AskAgain => {
                    self.tried_again = true;
                    self.stage = Stage::Asking(asking(ask));
                }
                Taken::Declined(reason) => self.runs_here(ask.declined(reason), true),
                Taken::Malformed => self.runs_here(ask.unreadable(), true),
                Taken::NotNow => self.runs_here(ask.failed(FleetReason::NotShareable), true),
            }
        }
        Poll::Ready(None)
    }

    /// Polls the work, which the fleet leads if it has a part in it.
    #[inline]
    pub(super) fn poll_work<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match &mut self.stage {
            Stage::Leading(lead) => lead.poll_work(cx, poll),
            _ => poll(cx),
        }
    }

    /// Notes that the call is made here.
    fn runs_here(&mut self, reason: FleetReason, has_waited: bool) {
        self.role = FleetRole::Local(reason);
        let is_evidence = reason == FleetReason::NotShareable;
        self.in_vain = has_waited.then_some(InVain { max_wait: self.max_wait, is_evidence });
    }

    pub(super) fn poll_close<RB, E>(
        &mut self,
        requester: &Requester,
        answer: &mut Answer<RB, E>,
        cx: &mut Context<'_>,
    ) -> Poll<()>
    where
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if let Stage::Leading(_) = self.stage {
            if let Stage::Leading(lead) = std::mem::replace(&mut self.stage, Stage::Over) {
                self.stage = Stage::Closing(lead.close());
            }
        }
        if let Stage::Closing(closing) = &mut self.stage {
            if let Some(landing) = ready!(Pin::new(closing).poll(cx)) {
                landing::land(landing, requester, answer);
            }
            self.stage = Stage::Over;
        }
        answer.audience.fleet = Some(self.role);
        // Not before the landing: followers in other processes have had one try only, and may ask once more.
        if self.tried_again {
            answer.audience.settle();
        }
        Poll::Ready(())
    }
}

/// Returns what a layer's keys and its verdicts depend on: layers with other settings do not meet.
fn recipe(config: &Config) -> Vec<u8> {
    let Config { recipe, policy, .. } = config;
    format!("{recipe:?} {policy:?}").into_bytes()
}
