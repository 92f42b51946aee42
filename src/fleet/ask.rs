//! One local leader's way: it asks the engine, and leads, follows, or runs its work without the fleet.
//!
//! ```text
//! Asleep ──breaker open──► Local
//!   │ join (budget)
//!   ├─ error, late ───────► Local       a late lead is given up; after an error the token is closed
//!   ├─ Lead ──────────────► leading     see `lead`
//!   └─ Follow ────────────► waiting     see `wait`
//!                              ├─ a message ───────────────────────────► taken, or Local
//!                              ├─ abandoned, gone, deadline past ──────► join again
//!                              └─ the engine fails, waited for too long ► Local
//! ```

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::Instant,
};

use super::{
    Join, Joined, Name, Token,
    core::Core,
    elsewhere::BeganElsewhere,
    inside::Inside,
    lead::Lead,
    message::{Kind, Message},
    role::{FleetReason, FleetRole},
    timeout::within,
    wait::{Forget, Waited, wait},
    waiters::Waiter,
    watch::{FleetOperation, Stopwatch},
};
use crate::{Limits, sync::Spawner};

/// One local leader that asks.
pub(crate) struct Ask {
    pub(super) core: Arc<Core>,
    pub(super) name: Name,
    /// The group's limits: flights older than its window are not joined, and a follower waits no longer here than
    /// there.
    limits: Limits,
    /// How long the name is remembered, if its outcome could not be had.
    remember: Duration,
    /// Where it notes when the flight that it waits for began.
    began: BeganElsewhere,
    /// The flight that it has waited for; `None` before it has joined one.
    was: Option<Token>,
    /// How often it has joined another flight after its first.
    rejoins: u32,
    /// Until when it follows; `None` before it has joined.
    until: Option<Instant>,
    /// Where it is told news; `Some` while it waits for a flight of another process, and while it may ask once more.
    waiter: Option<Waiter>,
    /// Called when the flight that it waits for is seen to have closed.
    forget: Forget,
}

/// What the work does, once the engine was asked.
pub(crate) enum Course {
    Lead(Lead),
    /// The outcome of another process, or its word that one may ask once more.
    Message(Message),
    Local(FleetReason),
}

impl Ask {
    pub(super) fn new(
        core: Arc<Core>,
        name: Name,
        limits: Limits,
        remember: Duration,
        began: BeganElsewhere,
        forget: Forget,
    ) -> Self {
        let (was, until, waiter) = (None, None, None);
        Self { core, name, limits, remember, began, was, rejoins: 0, until, waiter, forget }
    }

    /// Asks the engine, and waits for the flight of another process if there is one. Asked again, it goes on from there.
    pub(crate) async fn take(&mut self) -> Course {
        let course = self.seek().await;
        match &course {
            Course::Lead(_) => self.core.count(FleetRole::Led),
            Course::Message(_) => {}
            Course::Local(reason) => self.core.count(FleetRole::Local(*reason)),
        }
        if !matches!(course, Course::Message(_)) {
            self.waiter = None;
            self.began.set(None);
        }
        course
    }

    /// Returns whether it has waited for a flight of another process.
    #[cfg(feature = "http")]
    pub(crate) fn has_waited(&self) -> bool {
        self.was.is_some()
    }

    /// Counts that the caller has the outcome of the message.
    pub(crate) fn followed(&self) {
        self.core.count(FleetRole::Followed);
    }

    /// Counts that the caller may not have it, and remembers the name: those that come next under it may not be for this
    /// process either.
    pub(crate) fn declined(&self, reason: FleetReason) -> FleetReason {
        self.core.refused.remember(self.name, self.remember);
        self.core.local(reason)
    }

    /// Counts a message whose seal is in order but which cannot be read (F6): one of another version, say. The next
    /// ones under the name may be like it.
    pub(crate) fn unreadable(&self) -> FleetReason {
        self.core.counts.count_bad_message();
        self.declined(FleetReason::BadMessage)
    }

    /// Counts that the caller may not have it, which says nothing of the next.
    #[cfg(feature = "http")]
    pub(crate) fn failed(&self, reason: FleetReason) -> FleetReason {
        self.core.local(reason)
    }

    /// Returns why the caller stays in this process, whatever the engine would say.
    fn stays(&self) -> Option<FleetReason> {
        let core = &self.core;
        if Inside::is_current(self.name) {
            return Some(FleetReason::Reentrant);
        }
        if core.draining.load(Ordering::Acquire) {
            return Some(FleetReason::Busy);
        }
        if core.refused.contains(self.name) {
            return Some(FleetReason::NotShareable);
        }
        core.untold.contains(self.name.scope()).then_some(FleetReason::Unfenced)
    }

    /// Returns what it takes to ask the engine, or why that is not asked now.
    fn may_ask(&self) -> Result<(Spawner, OwnedSemaphorePermit), FleetReason> {
        if let Some(reason) = self.stays() {
            return Err(reason);
        }
        let spawner = Spawner::current().ok_or(FleetReason::NoRuntime)?;
        let room = self.core.tasks.room().ok_or(FleetReason::Busy)?;
        // Last: when a pause is over the breaker lets one caller pass, and that one has to ask the engine.
        if self.core.breaker.lets_pass() { Ok((spawner, room)) } else { Err(FleetReason::Skipped) }
    }

    /// Asks the engine until there is a course to take: joins, waits, and joins again where a flight came to nothing.
    async fn seek(&mut self) -> Course {
        loop {
            let (spawner, room) = match self.may_ask() {
                Ok(may_ask) => may_ask,
                Err(reason) => return Course::Local(reason),
            };
            // Entered before the flight is joined, so that no news comes too early.
            self.waiter.get_or_insert_with(|| self.core.waiters.enter(self.name));
            let asked = Instant::now();
            let (token, remaining, age) = match self.join(spawner, room).await {
                Ok(JoinedAs::Lead(lead)) => return Course::Lead(lead),
                Ok(JoinedAs::Follow(token, remaining, age)) => (token, remaining, age),
                Err(reason) => return Course::Local(reason),
            };
            // Invariant 3: this process has closed it, which the engine has yet to hear.
            if self.core.unclosed.contains(token) {
                return Course::Local(FleetReason::Unavailable);
            }
            // It began no earlier than that. If it has waited for this flight before, the age is known already.
            if age.is_some() || self.was != Some(token) {
                self.began.set(age.and_then(|age| asked.checked_sub(age)));
            }
            // Joining the same flight again does not count as joining another one.
            if self.was.replace(token).is_some_and(|was| was != token) {
                self.rejoins += 1;
                if self.rejoins > self.core.settings.max_rejoins {
                    return Course::Local(FleetReason::RejoinedTooOften);
                }
            }
            match self.wait(token, remaining).await {
                Waited::JoinAgain => {}
                Waited::Local(reason) => {
                    // The process that has sent it may be of another version, and lead again: later callers do not wait for it.
                    if reason == FleetReason::BadMessage {
                        self.core.refused.remember(self.name, self.remember);
                    }
                    return Course::Local(reason);
                }
                Waited::Landed(message) => match message.kind {
                    Kind::Shared | Kind::Again => return Course::Message(message),
                    Kind::Abandoned => {}
                    Kind::Failed => return Course::Local(FleetReason::NotShareable),
                    Kind::NotShareable | Kind::TooLarge => {
                        self.core.refused.remember(self.name, self.remember);
                        let is_too_large = message.kind == Kind::TooLarge;
                        let reason = if is_too_large { FleetReason::TooLarge } else { FleetReason::NotShareable };
                        return Course::Local(reason);
                    }
                },
            }
        }
    }

    async fn wait(&mut self, token: Token, remaining: Duration) -> Waited {
        let now = Instant::now();
        let longest = self.core.settings.max_wait;
        let longest = self.limits.max_wait.map_or(longest, |max_wait| max_wait.min(longest));
        let until = *self.until.get_or_insert(now + longest);
        match &mut self.waiter {
            Some(waiter) => wait(&self.core, waiter, self.name, token, remaining, until, &self.forget).await,
            None => Waited::JoinAgain,
        }
    }

    /// Joins, within the budget. The operation itself goes on in a task, so that whatever comes of it is seen to (F1).
    async fn join(&self, spawner: Spawner, room: OwnedSemaphorePermit) -> Result<JoinedAs, FleetReason> {
        let core = &self.core;
        let (told, answer) = oneshot::channel();
        let operation = {
            let (core, name, token) = (Arc::clone(core), self.name, core.random.token());
            let settings = &core.settings;
            let mut join = Join::new(name, token, settings.lease);
            (join.was, join.window, join.max_waiters) = (self.was, self.limits.join_window, settings.max_waiters);
            let spawner = spawner.clone();
            async move {
                // `lead` owns the token from before the engine knows of it. If the engine says that another leads,
                // there is nothing to close. Else the token is closed wherever `lead` is dropped, here or where the
                // answer arrives (F1).
                let lead = Lead::new(Arc::clone(&core), name, token, spawner);
                let joined = core.ask(|engine| engine.join(join)).await;
                let _ = told.send(match joined {
                    Ok(Joined::Lead) => Ok(JoinedAs::Lead(lead)),
                    Ok(Joined::Follow { token, remaining, age }) => {
                        lead.disown();
                        Ok(JoinedAs::Follow(token, remaining, age))
                    }
                    Ok(Joined::Refused) => {
                        lead.disown();
                        Err(FleetReason::Unavailable)
                    }
                    Err(_) => Err(FleetReason::Unavailable),
                });
            }
        };
        #[cfg(feature = "http")]
        core.note_runtime(&spawner);
        core.tasks.start(spawner, Some(room), operation);
        let mut stopwatch = Stopwatch::begin(&core.watchers, FleetOperation::Join);
        // What comes later than the budget, or not at all, is the engine's failure.
        let answered = within(core.settings.budget, answer).await;
        stopwatch.end(&core.watchers);
        match answered {
            Some(Ok(Ok(answer))) => {
                core.breaker.succeeded();
                Ok(answer)
            }
            _ => {
                core.breaker.failed();
                Err(FleetReason::Unavailable)
            }
        }
    }
}

/// What the engine said to a join.
enum JoinedAs {
    Lead(Lead),
    Follow(Token, Duration, Option<Duration>),
}
