//! What the engine told of each name last: so a soak knows under which flight a value was made, and for which it was read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tower_singleflight::fleet::{Closed, Engine, FenceScope, Join, Joined, Name, News, Peek, Reply, Token};

use super::marred::Marred;

/// An engine that notes what it tells those who join.
pub(crate) struct Noted {
    pub(crate) engine: Marred,
    pub(crate) notes: Notes,
}

/// What was told. The flights of one key of a group begin one after the other, and each asks from a task started before
/// those of the next. So where one thread runs tasks in order, the newest join of a name is that of its newest flight. An
/// older one may still wait for its message: the group forgets a flight once the one that it waits for is seen to be closed.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    newest: Option<Name>,
    joins: HashMap<Name, Newest>,
}

/// The newest join of a name.
struct Newest {
    token: Token,
    /// `None` while there is no reply.
    joined: Option<Joined>,
    /// The flights that were followed before, the newest last.
    followed: Vec<Token>,
}

/// So many flights of one name may wait for their messages at a time, beside the newest.
const OLDER: usize = 3;

impl Newest {
    /// Returns all flights whose messages may be awaited under the name.
    fn followed(&self) -> impl Iterator<Item = Token> {
        let newest = match self.joined {
            Some(Joined::Follow { token, .. }) => Some(token),
            _ => None,
        };
        self.followed.iter().copied().chain(newest)
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self, name: Name, token: Token) {
        let mut told = self.lock();
        told.newest = Some(name);
        let mut followed: Vec<_> = told.joins.get(&name).into_iter().flat_map(Newest::followed).collect();
        followed.drain(..followed.len().saturating_sub(OLDER));
        told.joins.insert(name, Newest { token, joined: None, followed });
    }

    /// Notes a reply, unless it came so late that another flight has asked since.
    fn told(&self, name: Name, token: Token, joined: Joined) {
        if let Some(newest) = self.lock().joins.get_mut(&name).filter(|newest| newest.token == token) {
            newest.joined = Some(joined);
        }
    }

    /// The name that was asked for last, since the newest one was forgotten.
    pub(crate) fn newest(&self) -> Option<Name> {
        self.lock().newest
    }

    pub(crate) fn forget_newest(&self) {
        self.lock().newest = None;
    }

    /// The flight that this process leads under the name, or led last.
    pub(crate) fn led(&self, name: Name) -> Option<Token> {
        let told = self.lock();
        told.joins.get(&name).filter(|newest| newest.joined == Some(Joined::Lead)).map(|newest| newest.token)
    }

    /// Returns whether this process was told to wait for that flight of another process under the name, and may still do so.
    pub(crate) fn follows(&self, name: Name, flight: &[u8; 24]) -> bool {
        self.lock().joins.get(&name).is_some_and(|newest| newest.followed().any(|token| token.as_bytes() == flight))
    }
}

impl Engine for Noted {
    fn join(&self, join: Join) -> Reply<Joined> {
        let (notes, reply) = (self.notes.clone(), self.engine.join(join));
        notes.asked(join.name, join.token);
        Box::pin(async move {
            let joined = reply.await?;
            notes.told(join.name, join.token, joined);
            Ok(joined)
        })
    }

    fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool> {
        self.engine.renew(name, token, lease)
    }

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        self.engine.close(name, token, pending, refuse)
    }

    fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()> {
        self.engine.hold(name, token, pending)
    }

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        self.engine.land(name, token, message, keep)
    }

    fn peek(&self, name: Name, token: Token) -> Reply<Peek> {
        self.engine.peek(name, token)
    }

    fn tells_running(&self) -> bool {
        self.engine.tells_running()
    }

    fn fence(&self, scope: FenceScope, keep: Duration) -> Reply<()> {
        self.engine.fence(scope, keep)
    }

    fn news(&self, to: News) -> bool {
        self.engine.news(to)
    }
}
