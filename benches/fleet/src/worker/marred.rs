//! An engine with a fault of the process's own.

use std::time::Duration;

use bytes::Bytes;
use tower_singleflight::fleet::{Closed, Engine, FenceScope, Join, Joined, Name, News, Peek, Reply, Token};
use tower_singleflight_redis::RedisEngine;

/// Redis, for a process that does not hear, or dies at the worst moment.
pub(crate) struct Marred {
    pub(crate) engine: RedisEngine,
    /// Promises news, and never tells any.
    pub(crate) deaf: bool,
    /// Is gone when a closed flight is to land.
    pub(crate) dies_landing: bool,
}

impl Engine for Marred {
    fn join(&self, join: Join) -> Reply<Joined> {
        self.engine.join(join)
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
        if self.dies_landing {
            std::process::abort();
        }
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
        self.deaf || self.engine.news(to)
    }
}
