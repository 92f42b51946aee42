//! Servers, engines and names.

use std::time::Duration;

use redis_servers::{Kind, Server};
use tower_singleflight::fleet::{Closed, Engine, Join, Joined, Name, Peek, Token, Unavailable};
use tower_singleflight_redis::RedisEngine;

pub(crate) const LEASE: Duration = Duration::from_secs(5);
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// A server of each kind that is installed.
pub(crate) fn servers() -> impl Iterator<Item = Server> {
    Kind::ALL.into_iter().filter_map(Server::start)
}

pub(crate) async fn engine(server: &Server) -> RedisEngine {
    RedisEngine::connect(&server.url()).await.expect("an engine")
}

pub(crate) fn name() -> Name {
    Name::from(std::array::from_fn(|_| rand::random()))
}

/// Another name of the same scope.
pub(crate) fn beside(name: Name) -> Name {
    let key: [u8; 16] = rand::random();
    Name::from(<[u8; 32]>::try_from([&name.scope().as_bytes()[..], &key].concat()).unwrap())
}

pub(crate) fn token() -> Token {
    Token::from(std::array::from_fn(|_| rand::random()))
}

pub(crate) async fn join(engine: &RedisEngine, name: Name, token: Token) -> Joined {
    engine.join(Join::new(name, token, LEASE)).await.expect("an answer")
}

/// Leads a flight of a name, with that lease.
pub(crate) async fn lead(engine: &RedisEngine, name: Name, lease: Duration) -> Token {
    let token = token();
    let joined = engine.join(Join::new(name, token, lease)).await.expect("an answer");
    assert_eq!(joined, Joined::Lead);
    token
}

/// Joins, and must wait for that flight.
pub(crate) async fn follow(engine: &RedisEngine, name: Name, leader: Token) -> Duration {
    match join(engine, name, token()).await {
        Joined::Follow { token, remaining, .. } => {
            assert_eq!(token, leader);
            remaining
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn close(engine: &RedisEngine, name: Name, token: Token) -> Closed {
    engine.close(name, token, LEASE, 2 * LEASE).await.expect("an answer")
}

pub(crate) async fn peek(engine: &RedisEngine, name: Name, token: Token) -> Peek {
    engine.peek(name, token).await.expect("an answer")
}

/// Looks again and again until it is so, for half a minute at most.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let start = std::time::Instant::now();
    while !look().await {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The error that the server or the client gave.
pub(crate) fn why(unavailable: &Unavailable) -> String {
    std::error::Error::source(unavailable).expect("a reason").to_string()
}
