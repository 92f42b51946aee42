//! The owner of a token: renews its flight, closes it, lands it (F1, F3, F4, F8).

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Closed, Name, Token,
    core::Core,
    inside::Inside,
    landing::{Landing, PendingMessage},
    message::{Kind, Message},
    timeout::{by, poll_timer, wait_for},
    unclosed::Ending,
    watch::{FleetOperation, Stopwatch},
};
use crate::{
    sync::Spawner,
    timer::{NoTimers, Timer},
};

/// How long a closed flight that has not landed counts as pending, before its leader must say so again.
const PENDING: Duration = Duration::from_secs(1);

/// The lead of a flight. If it is dropped before it was closed, the flight is given up: a process that waits takes
/// over.
pub(crate) struct Lead {
    /// `None` once it was closed.
    flight: Option<Flight>,
    /// The runtime in which the flight began. A thread without a runtime asks the engine in it.
    spawner: Spawner,
    /// When to renew; `None` once the flight has been renewed for long enough (F8).
    renewal: Option<Timer>,
    began: Instant,
    /// The work is being polled: if the lead is dropped meanwhile, the work has panicked.
    inside: bool,
}

/// One flight in the engine.
struct Flight {
    core: Arc<Core>,
    name: Name,
    token: Token,
}

impl Lead {
    pub(super) fn new(core: Arc<Core>, name: Name, token: Token, spawner: Spawner) -> Self {
        let renewal = Some(Timer::after(core.settings.lease / 3));
        let flight = Some(Flight { core, name, token });
        Self { flight, spawner, renewal, began: Instant::now(), inside: false }
    }

    /// Polls the work to its end, and renews the flight meanwhile.
    pub(super) async fn run<F: Future>(mut self, work: F) -> (F::Output, Self) {
        let mut work = pin!(work);
        let output = poll_fn(|cx| self.poll_work(cx, |cx| work.as_mut().poll(cx))).await;
        (output, self)
    }

    /// Polls the work that it leads, and renews the flight meanwhile.
    pub(crate) fn poll_work<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.inside = true;
        let inside = self.flight.as_ref().map(|flight| Inside::enter(flight.name));
        let polled = poll(cx);
        drop(inside);
        self.inside = false;
        if polled.is_pending() {
            self.renew(cx);
        }
        polled
    }

    /// Renews the flight three times in each lease, until `lead_limit` has passed (F8). It is the work's own poll that does
    /// so: work that nobody drives is replaced when its lease is over.
    fn renew(&mut self, cx: &mut Context<'_>) {
        let Some(flight) = &self.flight else { return };
        let settings = &flight.core.settings;
        while let Some(renewal) = &mut self.renewal {
            match renewal.poll(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if self.began.elapsed() < settings.lead_limit => {
                    self.renewal = Some(Timer::after(settings.lease / 3));
                    let (core, name, token, lease) =
                        (Arc::clone(&flight.core), flight.name, flight.token, settings.lease);
                    if let Some(room) = core.tasks.room() {
                        flight.core.tasks.start(spawner(&self.spawner), Some(room), async move {
                            drop(core.ask(|engine| engine.renew(name, token, lease)).await);
                        });
                    }
                }
                Poll::Ready(_) => self.renewal = None,
            }
        }
    }

    /// Ends the time in which the flight can be joined. [`Closing`] waits until the engine has answered, or the budget
    /// is spent (F3); the rest goes on in a task.
    pub(crate) fn close(mut self) -> Closing {
        let (told, closed) = oneshot::channel();
        let (landing, content) = oneshot::channel();
        let core = self.flight.as_ref().map(|flight| Arc::clone(&flight.core));
        let ending = Ending::new();
        let unclosed = self.flight.as_ref().map(|flight| (flight.token, Arc::downgrade(&ending)));
        let stopwatch = core.as_ref().map(|core| Stopwatch::begin(&core.watchers, FleetOperation::Close));
        self.end(Some(told), LandsWith::Asked(content, ending));
        let budget = core.as_ref().map_or(Duration::ZERO, |core| core.settings.budget);
        Closing { closed, landing: Some(Landing::new(landing)), timer: Timer::after(budget), core, unclosed, stopwatch }
    }

    /// Lets go of a token that leads nothing.
    pub(super) fn disown(mut self) {
        self.flight = None;
    }

    fn end(&mut self, told: Option<oneshot::Sender<IsFollowed>>, ending: LandsWith) {
        let Some(flight) = self.flight.take() else { return };
        let core = Arc::clone(&flight.core);
        core.tasks.start(spawner(&self.spawner), None, flight.end(told, ending));
    }
}

/// Returns the runtime in which the engine is asked: this thread's, or else the first, in which the flight began. That
/// one may be gone, if the leader has taken the work of a lost flight back to its own.
fn spawner(first: &Spawner) -> Spawner {
    Spawner::current().unwrap_or_else(|| first.clone())
}

/// Gives the flight up. Work that has panicked lands as failed: it must not panic in one process after the other (F1).
impl Drop for Lead {
    fn drop(&mut self) {
        let kind = if self.inside { Kind::Failed } else { Kind::Abandoned };
        self.end(None, LandsWith::Known(kind));
    }
}

/// What a flight lands with, if anybody follows.
enum LandsWith {
    Known(Kind),
    /// It is asked for when the flight is closed.
    Asked(oneshot::Receiver<PendingMessage>, Arc<Ending>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsFollowed {
    No,
    Yes,
    /// The engine knows of no such flight any more. If its lease has ended, those who waited have joined again; if it was
    /// forgotten before that, they wait on, and find what it lands with.
    Gone,
    /// The engine did not say.
    Unknown,
}

impl Flight {
    /// Closes the flight and lands it.
    async fn end(self, told: Option<oneshot::Sender<IsFollowed>>, ending: LandsWith) {
        let mut is_followed = self.close().await;
        if is_followed == IsFollowed::Gone {
            self.core.counts.count_lost();
        }
        // A close that has failed may have had no effect: whoever joined from now on would have an outcome that others have had
        // (F3), or wait for the rest of the lease in vain (F1).
        let has_failed = is_followed == IsFollowed::Unknown;
        if has_failed {
            is_followed = self.close().await;
        }
        if let Some(told) = told {
            let _ = told.send(is_followed);
        }
        let is_given_up = matches!(ending, LandsWith::Known(_));
        if is_followed == IsFollowed::No || (is_followed == IsFollowed::Gone && is_given_up && !has_failed) {
            return;
        }
        // Held to the end: until then nobody in this process joins the flight again.
        let (message, _ending) = match ending {
            LandsWith::Known(kind) => (Message::bare(kind), None),
            LandsWith::Asked(content, ending) => match content.await {
                Ok(content) => (self.collect(content).await, Some(ending)),
                Err(_) => (Message::bare(Kind::Abandoned), Some(ending)),
            },
        };
        // One that was given up lands with that, and may never have led.
        if self.land(message).await && !is_given_up {
            self.core.counts.count_landed();
        }
        if is_followed == IsFollowed::Unknown {
            self.close().await;
        }
    }

    async fn close(&self) -> IsFollowed {
        let Self { core, name, token } = self;
        match core.ask(|engine| engine.close(*name, *token, PENDING, core.longest())).await {
            Ok(Closed::Gone) => IsFollowed::Gone,
            Ok(Closed::Alone) => IsFollowed::No,
            Ok(Closed::Followed) => IsFollowed::Yes,
            Err(_) => IsFollowed::Unknown,
        }
    }

    /// Makes the message, and meanwhile tells the engine again and again that the flight will land.
    async fn collect(&self, mut content: PendingMessage) -> Message {
        let Self { core, name, token } = self;
        let until = Instant::now() + core.settings.lead_limit;
        while Instant::now() < until {
            match by(PENDING / 3, &mut content).await {
                Ok(Some(message)) => return message,
                Ok(None) => {}
                Err(NoTimers) => break,
            }
            let _ = core.ask(|engine| engine.hold(*name, *token, PENDING)).await;
        }
        Message::bare(Kind::Failed)
    }

    /// Lets the flight land; returns whether the engine has taken the message.
    async fn land(&self, message: Message) -> bool {
        let sealed = self.core.seal(self.name, self.token, &message);
        // Without a message, others wait until nothing says any more that it will come. Before that, another try is
        // worth it.
        for pause in [PENDING / 3, Duration::ZERO] {
            if self.try_landing(&sealed).await {
                return true;
            }
            let _ = wait_for(pause).await;
        }
        // An engine may take short messages where it takes no long ones, and cut the connection for those. Those who wait are
        // told, so that none of them leads and has a message as long.
        if !message.payload.is_empty() {
            self.try_landing(&self.core.seal(self.name, self.token, &Message::bare(Kind::TooLarge))).await;
        }
        false
    }

    async fn try_landing(&self, sealed: &Bytes) -> bool {
        let Self { core, name, token } = self;
        core.ask(|engine| engine.land(*name, *token, sealed.clone(), core.settings.keep)).await.is_ok()
    }
}

/// A flight that is being closed. It becomes the place to give its message to, if anybody follows.
pub(crate) struct Closing {
    closed: oneshot::Receiver<IsFollowed>,
    landing: Option<Landing>,
    timer: Timer,
    core: Option<Arc<Core>>,
    /// The flight, and whether the task that ends it still runs.
    unclosed: Option<(Token, Weak<Ending>)>,
    stopwatch: Option<Stopwatch>,
}

impl Future for Closing {
    type Output = Option<Landing>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Landing>> {
        let is_followed = match Pin::new(&mut self.closed).poll(cx) {
            Poll::Ready(said) => said.unwrap_or(IsFollowed::Unknown),
            Poll::Pending => {
                let _ = ready!(poll_timer(&mut self.timer, cx));
                IsFollowed::Unknown
            }
        };
        let Self { core, unclosed, stopwatch, .. } = &mut *self;
        if let Some(core) = core {
            if let Some(stopwatch) = stopwatch {
                stopwatch.end(&core.watchers);
            }
            match is_followed {
                IsFollowed::Unknown => {
                    core.breaker.failed();
                    if let Some((token, ending)) = unclosed {
                        core.unclosed.enter(*token, ending);
                    }
                }
                IsFollowed::No | IsFollowed::Yes | IsFollowed::Gone => core.breaker.succeeded(),
            }
        }
        // Where the engine did not say, or has forgotten the flight, somebody may wait for the landing.
        Poll::Ready(self.landing.take().filter(|_| is_followed != IsFollowed::No))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt;
    use tokio::runtime::Builder;

    use super::*;
    use crate::fleet::{FleetSettings, MemoryEngine};

    #[test]
    fn f4_a_message_that_is_not_there_at_once_is_not_waited_for_where_there_are_no_timers() {
        let engine = MemoryEngine::new();
        let core = Core::new(Box::new(engine.clone()), &[7; 32], FleetSettings::new()).expect("good settings");
        let flight = Flight { core: Arc::new(core), name: Name::from([1; 32]), token: Token::from([2; 24]) };
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let collect = |content: PendingMessage| runtime.block_on(flight.collect(content));
        assert_eq!(collect(pending().boxed()), Message::bare(Kind::Failed));
        assert_eq!(engine.commands(), 0, "the engine is not told again and again without a pause");
        let rows = || Message::shared(b"rows".to_vec());
        assert_eq!(collect(ready(rows()).boxed()), rows());
    }
}
