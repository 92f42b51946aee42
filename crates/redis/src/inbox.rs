//! Where a process is told that flights have landed.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use redis::{PushInfo, PushKind, Value, aio::AsyncPushSender};
use tower_singleflight::fleet::{Name, News, Token};

use crate::keys::CHANNELS;

/// Takes what a server tells without being asked: one inbox for each process, on one channel.
///
/// [`RedisEngine::connect`](crate::RedisEngine::connect) makes its own. If you bring a connection, give a clone of the
/// inbox to its configuration as the push sender, and the inbox to
/// [`from_manager_with_inbox`](crate::RedisEngine::from_manager_with_inbox).
#[derive(Clone)]
pub struct Inbox(Arc<Parts>);

struct Parts {
    /// 16 hexadecimal digits.
    number: String,
    /// One for each fleet on this connection; empty until the first asks for news. What comes before that is for
    /// nobody.
    news: Mutex<Vec<News>>,
}

impl Inbox {
    /// Returns an inbox with a number of its own.
    pub fn new() -> Self {
        Self(Arc::new(Parts { number: format!("{:016x}", rand::random::<u64>()), news: Mutex::default() }))
    }

    pub(crate) fn number(&self) -> &str {
        &self.0.number
    }

    pub(crate) fn channel(&self) -> String {
        format!("{CHANNELS}{}", self.0.number)
    }

    pub(crate) fn tell(&self, news: News) {
        let mut fleets = self.fleets();
        fleets.retain(News::is_heard);
        fleets.push(news);
    }

    fn fleets(&self) -> MutexGuard<'_, Vec<News>> {
        self.0.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, push: PushInfo) {
        // Telling a fleet wakes its callers, so the lock is released first.
        let fleets = self.fleets().clone();
        match push.kind {
            PushKind::Message => {
                if let [_channel, Value::BulkString(told)] = &mut { push.data }[..] {
                    if let Some((name, token, message)) = read(std::mem::take(told).into()) {
                        fleets.iter().for_each(|news| news.landed(name, token, message.clone()));
                    }
                }
            }
            // Between these two, nobody was told anything.
            PushKind::Disconnection | PushKind::Subscribe => fleets.iter().for_each(News::lost),
            _ => {}
        }
    }
}

/// Reads what waiters are told: a name, a token, and the message unless it is long.
fn read(told: Bytes) -> Option<(Name, Token, Option<Bytes>)> {
    let (name, rest) = told.split_first_chunk::<32>()?;
    let (token, message) = rest.split_first_chunk::<24>()?;
    let message = (!message.is_empty()).then(|| told.slice_ref(message));
    Some((Name::from(*name), Token::from(*token), message))
}

impl AsyncPushSender for Inbox {
    fn send(&self, push: PushInfo) -> Result<(), redis::aio::SendError> {
        self.hear(push);
        Ok(())
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inbox").field(&self.channel()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waiters_are_told_is_read_and_what_is_too_short_is_nothing() {
        let told = |rest: &[u8]| read([&[1; 32][..], &[2; 24], rest].concat().into());
        let (name, token) = (Name::from([1; 32]), Token::from([2; 24]));
        assert_eq!(told(b"message"), Some((name, token, Some(Bytes::from_static(b"message")))));
        assert_eq!(told(b""), Some((name, token, None)));
        for length in 0..56 {
            assert_eq!(read(vec![1; length].into()), None);
        }
    }
}
