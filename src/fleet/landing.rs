//! Where the message of a flight is given to those who wait elsewhere (F4).

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::message::{Kind, Message};
use crate::panic::discard;

/// The message that a flight lands with, made only if somebody elsewhere follows (F4).
pub(super) type PendingMessage = BoxFuture<'static, Message>;

/// Takes the message of a flight that somebody follows, or may follow. If it is dropped without one, the flight is
/// given up.
pub(crate) struct Landing(oneshot::Sender<PendingMessage>);

impl Landing {
    pub(super) fn new(message: oneshot::Sender<PendingMessage>) -> Self {
        Self(message)
    }

    /// Gives what the message is made from; it is made in a task.
    pub(crate) fn land(self, content: impl Future<Output = Message> + Send + 'static) {
        // User code may make it: a body that panics when it is read, say, does so in one process after the other.
        let content = AssertUnwindSafe(content).catch_unwind();
        let content = content.map(|made| made.map_err(discard).unwrap_or(Message::bare(Kind::Failed)));
        let _ = self.0.send(content.boxed());
    }

    /// Lands a message that says nothing but its kind.
    pub(crate) fn refuse(self, kind: Kind) {
        self.land(std::future::ready(Message::bare(kind)));
    }
}
