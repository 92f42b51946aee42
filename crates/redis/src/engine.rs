//! Each operation of an engine, as one command.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use tokio::sync::Semaphore;
use tower_singleflight::fleet::{
    Closed, Engine, FenceScope, Join, Joined, Name, News, Peek, Reply, Token, Unavailable,
};

use crate::{
    inbox::Inbox,
    keys,
    link::Link,
    script::{self, Script},
};

/// Waiters are told messages up to this length in bytes, and come to read longer ones. A message that is told travels
/// once for each process that waits, and in a cluster over the bus between its nodes too.
const TOLD: usize = 8 * 1024;

/// How much of long messages is read at a time, in KiB: half of the 8 MB that may lie ready for a subscribed connection
/// for a minute. When more lies there for so long, or more than 32 MB at once, the server cuts the connection off
/// (`client-output-buffer-limit`, `pubsub`), and all that was asked on it fails.
const READ: u32 = 4 * 1024;

/// Redis or Valkey as the engine of a fleet.
///
/// A clone is the same engine. All operations of a process go over one connection. When it is lost it is made anew by
/// itself; meanwhile operations fail, and the fleet's callers run their own work.
///
/// # Guarantees
///
/// 1. Each operation is one script or one command, which the server runs as a whole.
/// 2. Deadlines are the server's: no clock of a process is looked at.
/// 3. Nothing stays: all keys expire, fences as the last of them.
#[derive(Clone)]
pub struct RedisEngine(Arc<Parts>);

struct Parts {
    link: Link,
    /// `None`: the server tells nothing over this connection, and the fleet polls.
    inbox: Option<Inbox>,
    /// The name of this process in the lists of waiters: `n` for one that is told or `p` for one that polls, then the
    /// number of its inbox.
    waiter: String,
    /// Bounds how much of long messages is read at a time; one permit for each KiB.
    reads: Semaphore,
}

impl RedisEngine {
    pub(crate) fn new(link: Link, inbox: Option<Inbox>) -> Self {
        let waiter = match &inbox {
            Some(inbox) => format!("n{}", inbox.number()),
            None => format!("p{}", Inbox::new().number()),
        };
        Self(Arc::new(Parts { link, inbox, waiter, reads: Semaphore::new(READ as usize) }))
    }

    /// Returns whether the server tells, by RESP3 pushes, when flights land; otherwise the fleet polls.
    pub fn is_told(&self) -> bool {
        self.0.inbox.is_some()
    }

    /// Runs a script, and reads its answer.
    fn run<T: 'static>(
        &self,
        script: &'static Script,
        keys: Vec<String>,
        arguments: Vec<Bytes>,
        read: impl FnOnce(Value) -> Option<T> + Send + 'static,
    ) -> Reply<T> {
        let mut link = self.0.link.clone();
        Box::pin(async move {
            let arguments: Vec<&[u8]> = arguments.iter().map(|argument| &argument[..]).collect();
            let answer = script.run(&mut link, &keys, &arguments).await.map_err(Unavailable::new)?;
            read(answer).ok_or_else(unexpected)
        })
    }

    /// Runs the commands that the other scripts use only now and then, so that a right that is missing shows at once.
    /// The script is sent as a whole: other processes may have made the server know its hash.
    pub(crate) async fn ask_for_the_rest(&self, name: Name) -> RedisResult<()> {
        script::RIGHTS.send(&mut self.0.link.clone(), &[keys::flights(name)], &[]).await.map(drop)
    }

    /// Reads a message of that many bytes.
    async fn read(self, result: String, length: u32) -> Result<Peek, Unavailable> {
        // The semaphore is never closed, so this cannot fail.
        let _share = self.0.reads.acquire_many(length.div_ceil(1024).min(READ)).await;
        let mut link = self.0.link.clone();
        let read: RedisResult<Option<Vec<u8>>> = redis::cmd("GET").arg(result).query_async(&mut link).await;
        let message = read.map_err(Unavailable::new)?.filter(|state| state.starts_with(b"M"));
        Ok(message.map_or(Peek::Gone, |state| Peek::Landed(Bytes::from(state).slice(1..))))
    }
}

/// What a look at a flight has found.
enum Found {
    /// Everything that there is to know.
    All(Peek),
    /// A message of so many bytes, which has yet to be read.
    Long(u32),
}

impl Engine for RedisEngine {
    fn join(&self, join: Join) -> Reply<Joined> {
        let arguments = vec![
            text(join.token),
            text(&self.0.waiter),
            millis(join.lease),
            // At least one waiter is noted: otherwise `close` would not know that there are any.
            text(join.max_waiters.max(1)),
            join.was.map_or_else(Bytes::new, text),
            join.window.map_or_else(Bytes::new, millis),
        ];
        let keys = vec![keys::flights(join.name), keys::fence(join.name.scope()), keys::refusal(join.name, join.token)];
        self.run(&script::JOIN, keys, arguments, |answer| match answer {
            Value::Array(answer) => match &answer[..] {
                [Value::Int(0)] => Some(Joined::Lead),
                [Value::Int(1), Value::BulkString(token), Value::Int(remaining), Value::Int(age)] => {
                    Some(Joined::Follow {
                        token: token_of(token)?,
                        remaining: Duration::from_millis((*remaining).try_into().ok()?),
                        age: u64::try_from(*age).ok().map(Duration::from_millis),
                    })
                }
                [Value::Int(2)] => Some(Joined::Refused),
                _ => None,
            },
            _ => None,
        })
    }

    fn renew(&self, name: Name, token: Token, lease: Duration) -> Reply<bool> {
        self.run(&script::RENEW, vec![keys::flights(name)], vec![text(token), millis(lease)], |answer| match answer {
            Value::Int(there) => Some(there == 1),
            _ => None,
        })
    }

    fn close(&self, name: Name, token: Token, pending: Duration, refuse: Duration) -> Reply<Closed> {
        let keys = vec![keys::flights(name), keys::result(name, token), keys::refusal(name, token)];
        self.run(&script::CLOSE, keys, vec![text(token), millis(pending), millis(refuse)], |answer| match answer {
            Value::Int(0) => Some(Closed::Gone),
            Value::Int(1) => Some(Closed::Alone),
            Value::Int(2) => Some(Closed::Followed),
            _ => None,
        })
    }

    fn hold(&self, name: Name, token: Token, pending: Duration) -> Reply<()> {
        self.run(&script::HOLD, vec![keys::result(name, token)], vec![millis(pending)], |_| Some(()))
    }

    fn land(&self, name: Name, token: Token, message: Bytes, keep: Duration) -> Reply<()> {
        let told = [&name.as_bytes()[..], &token.as_bytes()[..]].concat().into();
        let arguments = vec![message, millis(keep), told, text(TOLD), Bytes::from_static(keys::CHANNELS.as_bytes())];
        self.run(&script::LAND, vec![keys::result(name, token)], arguments, |_| Some(()))
    }

    fn peek(&self, name: Name, token: Token) -> Reply<Peek> {
        let keys = vec![keys::flights(name), keys::result(name, token)];
        let (engine, result) = (self.clone(), keys[1].clone());
        let found = self.run(&script::PEEK, keys, vec![text(token), text(TOLD)], |answer| match answer {
            Value::Nil => Some(Found::All(Peek::Gone)),
            Value::BulkString(state) => match state.split_first()? {
                (b'R', _) => Some(Found::All(Peek::Running)),
                (b'P', _) => Some(Found::All(Peek::Pending)),
                (b'M', _) => Some(Found::All(Peek::Landed(Bytes::from(state).slice(1..)))),
                (b'L', length) => Some(Found::Long(std::str::from_utf8(length).ok()?.parse().ok()?)),
                _ => None,
            },
            _ => None,
        });
        Box::pin(async move {
            match found.await? {
                Found::All(peek) => Ok(peek),
                Found::Long(length) => engine.read(result, length).await,
            }
        })
    }

    fn tells_running(&self) -> bool {
        true
    }

    fn fence(&self, scope: FenceScope, keep: Duration) -> Reply<()> {
        let mut link = self.0.link.clone();
        Box::pin(async move {
            let mut command = redis::cmd("SET");
            command.arg(keys::fence(scope)).arg(format!("{:032x}", rand::random::<u128>()));
            command.arg("PX").arg(&millis(keep)[..]);
            let set: RedisResult<()> = command.query_async(&mut link).await;
            set.map_err(Unavailable::new)
        })
    }

    fn news(&self, to: News) -> bool {
        let Some(inbox) = &self.0.inbox else { return false };
        inbox.tell(to);
        true
    }
}

fn text(value: impl ToString) -> Bytes {
    value.to_string().into()
}

/// Returns whole milliseconds, at least one: the server refuses to keep anything for none.
fn millis(time: Duration) -> Bytes {
    text(time.as_millis().max(1))
}

fn token_of(hex: &[u8]) -> Option<Token> {
    let mut token = [0; 24];
    if hex.len() != 2 * token.len() {
        return None;
    }
    for (byte, digits) in token.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(Token::from(token))
}

#[cold]
fn unexpected() -> Unavailable {
    Unavailable::new(RedisError::from((ErrorKind::UnexpectedReturnType, "a script's answer was not understood")))
}

impl fmt::Debug for RedisEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisEngine").field("inbox", &self.0.inbox).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_below_a_millisecond_are_one() {
        for (time, said) in [(0, "1"), (1, "1"), (999_999, "1"), (1_500_000, "1"), (2_000_000, "2")] {
            assert_eq!(millis(Duration::from_nanos(time)), said);
        }
    }

    #[test]
    fn a_token_is_read_as_it_is_written() {
        let token = Token::from(std::array::from_fn(|at| (at * 11) as u8));
        assert_eq!(token_of(token.to_string().as_bytes()), Some(token));
        assert_eq!(token_of(b"00"), None);
        assert_eq!(token_of("g".repeat(48).as_bytes()), None);
    }
}
