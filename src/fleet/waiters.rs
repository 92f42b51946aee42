//! Those who wait for news of the engine, and what they are told.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Name, Token, news::Hear};
use crate::sync::{Mutex, lock};

/// How many hints are kept for one waiter. More are lost: the waiter finds what they told when it looks at the flight.
const KEPT: usize = 4;

/// The waiters of a process, by the name of the flight that they wait for: more than one where flights of several groups, or
/// of a forgotten key, wait for the same.
#[derive(Default)]
pub(super) struct Waiters(Mutex<BTreeMap<Name, Vec<Sender<Hint>>>>);

/// A flight of this process that waits for one of another. It is listed from before it joins that one, so that no news
/// comes too early, until it is dropped.
pub(super) struct Waiter {
    waiters: Arc<Waiters>,
    name: Name,
    hints: Receiver<Hint>,
}

/// What the engine tells without being asked. It is not believed before the flight has been looked at.
#[derive(Clone, Debug)]
pub(super) enum Hint {
    /// This flight has landed, with its message if the engine carries it.
    Landed(Token, Option<Bytes>),
    /// News may have been missed.
    Look,
}

impl Waiters {
    pub(super) fn enter(self: &Arc<Self>, name: Name) -> Waiter {
        let (sender, hints) = channel(KEPT);
        lock(&self.0).entry(name).or_default().push(sender);
        Waiter { waiters: Arc::clone(self), name, hints }
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }
}

impl Hear for Waiters {
    fn landed(&self, name: Name, token: Token, message: Option<Bytes>) {
        let waiters = lock(&self.0).get(&name).cloned().unwrap_or_default();
        tell(&waiters, &Hint::Landed(token, message));
    }

    fn lost(&self) {
        let waiters: Vec<_> = lock(&self.0).values().flatten().cloned().collect();
        tell(&waiters, &Hint::Look);
    }
}

/// Wakes those who wait, and so is called without the lock (invariant 6).
fn tell(waiters: &[Sender<Hint>], hint: &Hint) {
    waiters.iter().for_each(|waiter| drop(waiter.try_send(hint.clone())));
}

impl Waiter {
    /// Waits for the next hint.
    pub(super) async fn next(&mut self) -> Hint {
        match self.hints.recv().await {
            Some(hint) => hint,
            None => unreachable!("its sender is listed until the waiter is dropped"),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.hints.close();
        let mut listed = lock(&self.waiters.0);
        let Some(senders) = listed.get_mut(&self.name) else { return };
        // A closed sender is this waiter's, or that of another waiter that is being dropped and will find this waiter's.
        let gone = senders.iter().position(Sender::is_closed).map(|at| senders.swap_remove(at));
        let emptied = if senders.is_empty() { listed.remove(&self.name) } else { None };
        drop(listed);
        drop((gone, emptied));
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task};

    use super::*;
    use crate::fleet::News;

    #[test]
    fn what_is_told_to_a_fleet_that_is_gone_is_heard_by_nobody() {
        let listed = Arc::new(Waiters::default());
        let news = News::new(&(Arc::clone(&listed) as _));
        assert!(news.is_heard());
        drop(listed);
        assert!(!news.clone().is_heard());
        news.landed(Name::from([1; 32]), Token::from([3; 24]), None);
        news.lost();
    }

    #[test]
    fn news_reaches_those_who_wait_for_that_name_and_nothing_stays() {
        let listed = Arc::new(Waiters::default());
        let (name, other) = (Name::from([1; 32]), Name::from([2; 32]));
        let mut waiters = [name, name, other].map(|name| listed.enter(name));
        listed.landed(name, Token::from([3; 24]), None);
        for waiter in &mut waiters[..2] {
            assert!(
                matches!(assert_ready!(task::spawn(waiter.next()).poll()), Hint::Landed(token, None) if token == Token::from([3; 24]))
            );
        }
        let mut third = task::spawn(waiters[2].next());
        assert_pending!(third.poll());
        listed.lost();
        assert!(third.is_woken());
        assert!(matches!(assert_ready!(third.poll()), Hint::Look));
        drop(third);
        (0..100).for_each(|_| listed.lost());
        drop(waiters);
        assert!(listed.is_empty());
    }
}
