//! Where news of the engine arrives, and those who wait for it.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::{Name, Token, news::Hear};
use crate::sync::{Mutex, lock};

/// How much news a mailbox keeps. What comes on top is lost, and found by looking.
const KEPT: usize = 4;

/// The mailboxes of a process, by the name of what they wait for: more than one where flights of several groups, or of a
/// forgotten key, wait for the same.
#[derive(Default)]
pub(super) struct Inbox(Mutex<BTreeMap<Name, Vec<Arc<Mailbox>>>>);

/// One who waits. It is there before the flight is joined, so that no news comes too early; it leaves when it is dropped.
pub(super) struct Waiter {
    inbox: Arc<Inbox>,
    name: Name,
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
struct Mailbox(Mutex<Mail>);

#[derive(Default)]
struct Mail {
    hints: Vec<Hint>,
    waker: Option<Waker>,
}

/// What the engine tells without being asked. It is not believed before the flight has been looked at.
#[derive(Clone, Debug)]
pub(super) enum Hint {
    Landed(Token, Option<Bytes>),
    /// News may have been missed.
    Look,
}

impl Mailbox {
    fn put(&self, hint: Hint) {
        let mut mail = lock(&self.0);
        let superfluous = if mail.hints.len() < KEPT {
            mail.hints.push(hint);
            None
        } else {
            Some(hint)
        };
        let waker = mail.waker.take();
        drop(mail);
        drop(superfluous);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Hint> {
        // Cloned outside the lock (invariant 6).
        let waker = cx.waker().clone();
        let mut mail = lock(&self.0);
        if !mail.hints.is_empty() {
            return Poll::Ready(mail.hints.remove(0));
        }
        let before = mail.waker.replace(waker);
        drop(mail);
        drop(before);
        Poll::Pending
    }
}

impl Inbox {
    pub(super) fn enter(self: &Arc<Self>, name: Name) -> Waiter {
        let mailbox = Arc::<Mailbox>::default();
        lock(&self.0).entry(name).or_default().push(Arc::clone(&mailbox));
        Waiter { inbox: Arc::clone(self), name, mailbox }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl Hear for Inbox {
    fn landed(&self, name: Name, token: Token, message: Option<Bytes>) {
        let mailboxes = lock(&self.0).get(&name).cloned().unwrap_or_default();
        mailboxes.iter().for_each(|mailbox| mailbox.put(Hint::Landed(token, message.clone())));
    }

    fn lost(&self) {
        let mailboxes: Vec<_> = lock(&self.0).values().flatten().cloned().collect();
        mailboxes.iter().for_each(|mailbox| mailbox.put(Hint::Look));
    }
}

impl Waiter {
    /// Waits for the next hint.
    pub(super) async fn next(&self) -> Hint {
        poll_fn(|cx| self.mailbox.poll(cx)).await
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut inbox = lock(&self.inbox.0);
        let Some(mailboxes) = inbox.get_mut(&self.name) else { return };
        let at = mailboxes.iter().position(|mailbox| Arc::ptr_eq(mailbox, &self.mailbox));
        let gone = at.map(|at| mailboxes.swap_remove(at));
        let last = if mailboxes.is_empty() { inbox.remove(&self.name) } else { None };
        drop(inbox);
        drop((gone, last));
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;

    #[test]
    fn news_reaches_those_who_wait_for_that_name_and_nothing_stays() {
        let inbox = Arc::new(Inbox::default());
        let (name, other) = (Name::from([1; 32]), Name::from([2; 32]));
        let waiters = [inbox.enter(name), inbox.enter(name), inbox.enter(other)];
        inbox.landed(name, Token::from([3; 24]), None);
        for waiter in &waiters[..2] {
            assert!(
                matches!(assert_ready!(task::spawn(waiter.next()).poll()), Hint::Landed(token, None) if token == Token::from([3; 24]))
            );
        }
        let mut third = task::spawn(waiters[2].next());
        assert_pending!(third.poll());
        inbox.lost();
        assert!(third.is_woken());
        assert!(matches!(assert_ready!(third.poll()), Hint::Look));
        drop(third);
        (0..100).for_each(|_| inbox.lost());
        drop(waiters);
        assert!(inbox.is_empty());
    }
}
