//! The bodies of the page's answers.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{clients::Client, shown::Shown};
use crate::timer::Timer;

/// How long one stream of events lasts. The browser asks again at once, so that a login round the page is checked
/// again, and a server that waits for its connections to end is not held up for longer.
const LENGTH: Duration = Duration::from_secs(60);

/// When to ask again, in ms: the first line of a stream.
const RETRY: &[u8] = b"retry: 250\n\n";

/// The body of an answer of [`StatusPage`](super::StatusPage).
pub struct StatusBody(Kind);

enum Kind {
    /// `None` once it was taken.
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

struct Events {
    shown: Arc<Shown>,
    client: Arc<Client>,
    ends: Instant,
    stage: Stage,
}

enum Stage {
    Begins,
    /// The next snapshot is due at once.
    Due,
    /// Until there is a newer snapshot.
    Waits(Timer),
    Over,
}

impl StatusBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(bytes.into()).filter(|bytes: &Bytes| !bytes.is_empty())))
    }

    pub(super) fn events(shown: Arc<Shown>, client: Arc<Client>) -> Self {
        Self(Kind::Events(Box::new(Events { shown, client, ends: Instant::now() + LENGTH, stage: Stage::Begins })))
    }
}

impl Events {
    /// Is asked only when there is room for more: a client that reads slowly gets fewer snapshots, never old ones.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.stage {
            Stage::Begins => {
                self.stage = Stage::Due;
                return Poll::Ready(Some(Bytes::from_static(RETRY)));
            }
            Stage::Due => {}
            Stage::Waits(timer) => {
                if ready!(timer.poll(cx)).is_err() || Instant::now() >= self.ends {
                    self.stage = Stage::Over;
                }
            }
            Stage::Over => {}
        }
        if matches!(self.stage, Stage::Over) || !self.client.takes() {
            self.stage = Stage::Over;
            return Poll::Ready(None);
        }
        let event = self.shown.latest().event();
        self.stage = Stage::Waits(Timer::at(self.shown.next()));
        Poll::Ready(Some(event))
    }
}

impl Body for StatusBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Kind::Whole(bytes) => bytes.take(),
            Kind::Events(events) => ready!(events.poll(cx)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Events(events) => matches!(events.stage, Stage::Over),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for StatusBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusBody").finish_non_exhaustive()
    }
}
