//! What a fleet asks of a store that all processes reach.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{FenceScope, Name, News, Token};

/// What an operation of an [`Engine`] returns: its result, or that the store cannot be reached.
pub type Reply<T> = BoxFuture<'static, Result<T, Unavailable>>;

/// A store that all processes reach, such as Redis or Valkey.
///
/// Engines are thin: they have no timers and no retries. How long to wait for a reply, what a lost reply means, when to
/// renew and when to look again is up to the driver. That is the part of this crate that calls the engine, and the same
/// for all engines.
///
/// # What an engine owes
///
/// 1. Each operation takes effect at one moment between its call and its reply, as all processes see it, or never. One
///    that fails may have taken effect all the same; the driver counts on nothing else.
/// 2. Deadlines of leases are the store's own: the clocks of the processes are never compared.
/// 3. Nothing is left behind: what is stored goes away by itself, two leases after its last use at the latest, but for
///    messages and fences, which stay for as long as they are told to.
/// 4. A future that is dropped may or may not take effect. The driver drives each to its end, in a task of its own.
///
/// The times that it is given are at least 1 ms.
pub trait Engine: Send + Sync + 'static {
    /// Joins the flight of that name as a waiter, or makes the caller's token its leader.
    fn join(&self, join: Join) -> Reply<Joined>;

    /// Lets the flight's lease end after `lease` from now; `false` if there is no such flight any more.
    fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool>;

    /// Ends the flight's time to be joined. With waiters, [`peek`](Self::peek) says [`Peek::Pending`] from now on, for as
    /// long as `pending`. A [`join`](Self::join) under this token that comes later is [refused](Joined::Refused), for as
    /// long as `refuse`. A close that has failed is asked for once more: if the first one has taken effect after all, the
    /// second answers as the first would have, or [`Closed::Gone`].
    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed>;

    /// Lets [`Peek::Pending`] last for as long as `pending` from now, while the leader still makes its message.
    fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()>;

    /// Makes the message readable for as long as `keep`, and tells the waiters.
    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()>;

    /// Says what became of that flight.
    fn peek(&self, name: Name, token: Token) -> Reply<Peek>;

    /// Returns whether [`peek`](Self::peek) says [`Peek::Running`] of every flight that goes on. Then one of which it finds
    /// nothing is lost, and those who wait for it join again; else they wait until its lease is over, or until the engine has
    /// said `Running` of another one.
    fn tells_running(&self) -> bool {
        false
    }

    /// Keeps everybody from joining the flights of this scope that run now, except those who already wait for one
    /// ([`Join::was`]). The fence need be remembered for `keep` only, since all of these flights end within that time.
    fn fence(&self, scope: FenceScope, keep: Duration) -> Reply<()>;

    /// Takes the place where the engine is to tell its news; called once by each fleet. An engine that is given to
    /// several fleets, by clones of a handle say, tells all of them. `false`: there will be no news, and the driver
    /// looks more often.
    fn news(&self, to: News) -> bool {
        let _ = to;
        false
    }
}

/// Who wants to join, and on what terms.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Join {
    /// The flight.
    pub name: Name,
    /// The token that the caller leads under, if it is to lead.
    pub token: Token,
    /// The flight that this caller has waited for, if it has. If that still runs, the caller goes on waiting for it,
    /// even behind a fence, and even if it is older than the window.
    pub was: Option<Token>,
    /// How long a new leader has, before it must renew.
    pub lease: Duration,
    /// A flight that began longer ago than this is replaced and not joined.
    pub window: Option<Duration>,
    /// How many waiters are told when the flight lands. A caller that joins above that follows all the same, and looks
    /// by itself.
    pub max_waiters: usize,
}

impl Join {
    /// Returns the terms of a caller that has not waited before, and leads under this token if there is no flight to
    /// join: no window, and at most 256 waiters are told.
    pub const fn new(name: Name, token: Token, lease: Duration) -> Self {
        Self { name, token, was: None, lease, window: None, max_waiters: 256 }
    }
}

/// What came of a [`Join`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joined {
    /// The caller leads, under its token.
    Lead,
    /// It waits for the flight under this token, whose lease has that long to go.
    Follow {
        /// The flight.
        token: Token,
        /// Until its lease ends, if it is not renewed.
        remaining: Duration,
        /// How long ago it began, by the store's clock; `None` if that is not known. The join window of the flight that
        /// waits counts from there.
        age: Option<Duration>,
    },
    /// The caller's token has been closed already.
    Refused,
}

/// What a flight was like when it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// It is not there: its lease has ended, or the store has forgotten it. The driver lands it all the same, for those
    /// who still wait for it.
    Gone,
    /// Nobody waited for it.
    Alone,
    /// Somebody waits for it. An engine that cannot tell says this.
    Followed,
}

/// What became of a flight.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peek {
    /// It goes on. An engine that cannot tell says [`Gone`](Self::Gone).
    Running,
    /// It was closed, and has not landed yet.
    Pending,
    /// It has landed with this message.
    Landed(Bytes),
    /// There is nothing of it.
    Gone,
}

/// The store could not be reached, or did not do what was asked of it.
pub struct Unavailable(Box<dyn Error + Send + Sync>);

impl Unavailable {
    /// Makes one of an error, or of a text.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unavailable").field(&self.0).finish()
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fleet's engine is unavailable")
    }
}

impl Error for Unavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
