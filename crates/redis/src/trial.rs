//! A trial: one flight from beginning to end, before anything depends on the server.
//!
//! The trial asks for all that flights ask for. So whatever is missing (a right, a version, a writable server, memory)
//! is an error where the engine is made, and not a surprise in the night.

use std::{collections::HashMap, error::Error, time::Duration};

use bytes::Bytes;
use redis::{RedisError, Value, aio::ConnectionLike};
use tower_singleflight::fleet::{Closed, Engine, FenceScope, Join, Joined, Name, Peek, Token, Unavailable};

use crate::{ConnectError, RedisEngine};

/// How long what a trial leaves in the store stays there: this long, or twice as long.
const LEASE: Duration = Duration::from_secs(1);

/// Asks a server what it is, and refuses what is not one server by itself.
///
/// A server that does not know `HELLO` is asked no further: it may be a proxy, and the trial says whether it will do.
pub(crate) async fn is_one_server(connection: &mut impl ConnectionLike) -> Result<(), ConnectError> {
    let said: Result<HashMap<String, Value>, _> = redis::cmd("HELLO").query_async(connection).await;
    let said = match said {
        Ok(said) => said,
        Err(error) if error.code().is_some() => return Ok(()),
        Err(error) => return Err(ConnectError::of(error)),
    };
    let text = |field| match said.get(field) {
        Some(Value::BulkString(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Value::SimpleString(text)) => text.clone(),
        _ => String::new(),
    };
    match &text("mode")[..] {
        "cluster" => Err(ConnectError::Unfit("it belongs to a cluster; RedisEngine::cluster takes those".into())),
        "sentinel" => Err(ConnectError::Unfit("it is a Sentinel; take the URL of the server that it watches".into())),
        _ => Ok(()),
    }
}

/// Runs a flight with one waiter, under names that nobody else has.
pub(crate) async fn run(engine: &RedisEngine) -> Result<(), ConnectError> {
    let name = Name::from(std::array::from_fn(|_| rand::random()));
    let [first, second] = [(); 2].map(|()| Token::from(std::array::from_fn(|_| rand::random())));
    let message = Bytes::from_static(b"trial");

    expect("join", engine.join(Join::new(name, first, LEASE)).await, |joined| *joined == Joined::Lead)?;
    expect(
        "join",
        engine.join(Join::new(name, second, LEASE)).await,
        |joined| matches!(joined, Joined::Follow { token, .. } if *token == first),
    )?;
    expect("renew", engine.renew(name, first, LEASE).await, |there| *there)?;
    expect("close", engine.close(name, first, LEASE, LEASE).await, |closed| *closed == Closed::Followed)?;
    expect("hold", engine.hold(name, first, LEASE).await, |()| true)?;
    expect("land", engine.land(name, first, message.clone(), LEASE).await, |()| true)?;
    expect("peek", engine.peek(name, first).await, |peek| *peek == Peek::Landed(message.clone()))?;
    let scope = FenceScope::from(std::array::from_fn(|_| rand::random()));
    expect("fence", engine.fence(scope, LEASE).await, |()| true)?;
    engine.ask_for_the_rest(name).await.map_err(ConnectError::of)
}

fn expect<T: std::fmt::Debug>(
    operation: &str,
    answer: Result<T, Unavailable>,
    right: impl FnOnce(&T) -> bool,
) -> Result<(), ConnectError> {
    match answer {
        Ok(answer) if right(&answer) => Ok(()),
        Ok(answer) => Err(ConnectError::Unfit(format!("{operation} answered {answer:?}"))),
        Err(unavailable) => Err(match unavailable.source().and_then(|source| source.downcast_ref::<RedisError>()) {
            Some(error) => ConnectError::of(error.clone()),
            None => ConnectError::Unfit(format!("{operation}: {unavailable}")),
        }),
    }
}
