//! The connection to one server. It is replaced when it is lost, and when it is of no use though nobody has closed it.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisResult, Value,
    aio::{AsyncPushSender, MultiplexedConnection, SendError},
};
use tokio::{runtime::Handle, sync::watch, time::Instant};

use crate::Inbox;

/// The first pause between two attempts to connect, and the longest: each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(250));
/// A connection younger than this is kept even if its server leads no more: the next one may go there, too.
const YOUNG: Duration = Duration::from_secs(1);

/// How long after a subscription was refused it is asked for again, at most.
pub(crate) const REFUSED: Duration = Duration::from_secs(1);

/// A connection for all operations of a process; a clone is the same one.
///
/// The client's own manager keeps connections that are of no use: one on which nothing is answered any more, as behind a
/// load balancer that has lost its server, and one to a server that was made a replica. And it stops connecting after
/// some attempts, though the server may soon allow what it refuses now, such as a password that is being changed.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Parts>);

/// A connection, once it is there.
type Made = watch::Receiver<Option<MultiplexedConnection>>;

struct Parts {
    client: Client,
    connect_timeout: Duration,
    response_timeout: Duration,
    inbox: Option<Inbox>,
    current: Mutex<Current>,
}

/// The connection that there is, or that is being made.
struct Current {
    /// How many there were before. What happens to one of those does not concern this one.
    number: u64,
    /// Closed and `None` if the task that makes it has ended with its runtime.
    made: Made,
    began: Instant,
    /// When something was asked on it, if nothing has been answered since.
    unanswered: Option<Instant>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Those of the only attempt.
    pub(crate) async fn new(
        client: Client,
        [connect_timeout, response_timeout]: [Duration; 2],
        inbox: Option<Inbox>,
    ) -> RedisResult<Self> {
        let (sender, made) = watch::channel(None);
        let current = Mutex::new(Current { number: 0, made, began: Instant::now(), unanswered: None });
        let parts = Arc::new(Parts { client, connect_timeout, response_timeout, inbox, current });
        let mut connection = parts.connect(0).await?;
        parts.subscribe(&mut connection).await?;
        sender.send_replace(Some(connection));
        Ok(Self(parts))
    }

    /// Sends a command, once there is a connection, and waits for the answer.
    pub(crate) async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        let (number, mut connection) = self.wait().await?;
        self.0.asked(number);
        let answer = connection.send_packed_command(command).await.and_then(Value::extract_error);
        self.0.answered(number, answer.as_ref().err());
        answer
    }

    /// Sends several commands in the same way.
    pub(crate) async fn send_all(&self, commands: &Pipeline, offset: usize, count: usize) -> RedisResult<Vec<Value>> {
        let (number, mut connection) = self.wait().await?;
        self.0.asked(number);
        let answer = connection.send_packed_commands(commands, offset, count).await;
        self.0.answered(number, answer.as_ref().err());
        answer
    }

    pub(crate) fn database(&self) -> i64 {
        self.0.client.get_connection_info().redis_settings().db()
    }

    /// Waits until there is a connection, however long that takes; the fleet limits how long it waits for an operation.
    async fn wait(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        // The task that connects may have ended with its runtime; then it is started in this one.
        for _ in 0..2 {
            let (number, mut made) = self.0.look();
            if let Ok(made) = made.wait_for(Option::is_some).await {
                if let Some(connection) = &*made {
                    return Ok((number, connection.clone()));
                }
            }
        }
        Err(RedisError::from((ErrorKind::Io, "no task can make a connection here")))
    }
}

impl Parts {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection to ask on: a new one, if the current one has been silent for too long, or no task makes it
    /// any more.
    fn look(self: &Arc<Self>) -> (u64, Made) {
        let current = self.current();
        let is_made_by_nobody = current.made.has_changed().is_err() && current.made.borrow().is_none();
        if is_made_by_nobody || self.is_silent(&current) {
            return self.begin(current);
        }
        (current.number, current.made.clone())
    }

    /// Returns this connection, if it is there and has not been replaced.
    fn made(&self, number: u64) -> Option<MultiplexedConnection> {
        let current = self.current();
        if current.number == number { current.made.borrow().clone() } else { None }
    }

    /// Returns whether nothing has been answered for as long as one answer may take.
    fn is_silent(&self, current: &Current) -> bool {
        current.unanswered.is_some_and(|since| since.elapsed() >= self.response_timeout)
    }

    fn asked(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.unanswered.get_or_insert_with(Instant::now);
        }
    }

    /// Gives the connection up if the answer that came on it shows that it is of no use.
    fn answered(self: &Arc<Self>, number: u64, error: Option<&RedisError>) {
        let mut current = self.current();
        if current.number != number {
            return;
        }
        let gives_up = match error {
            Some(error) if error.is_timeout() => self.is_silent(&current),
            Some(error) if error.is_unrecoverable_error() => true,
            _ => {
                current.unanswered = None;
                error.is_some_and(leads_no_more) && current.began.elapsed() >= YOUNG
            }
        };
        if gives_up {
            self.begin(current);
        }
    }

    /// Notes that a connection was closed.
    fn lost(self: &Arc<Self>, number: u64) {
        let current = self.current();
        if current.number == number {
            self.begin(current);
        }
    }

    /// Begins another connection in place of the current one, and returns it. The current one is dropped without the lock;
    /// it is closed when nobody waits for its answers any more.
    fn begin(self: &Arc<Self>, mut current: MutexGuard<'_, Current>) -> (u64, Made) {
        let (sender, made) = watch::channel(None);
        let number = current.number + 1;
        let next = Current { number, made: made.clone(), began: Instant::now(), unanswered: None };
        let before = mem::replace(&mut *current, next);
        drop(current);
        drop(before);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(make(Arc::downgrade(self), number, sender));
        }
        (number, made)
    }

    async fn connect(self: &Arc<Self>, number: u64) -> RedisResult<MultiplexedConnection> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.response_timeout));
        if self.client.get_connection_info().redis_settings().protocol().supports_resp3() {
            config = config.set_push_sender(Pushes { parts: Arc::downgrade(self), number, inbox: self.inbox.clone() });
        }
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn subscribe(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        match &self.inbox {
            Some(inbox) => connection.subscribe(inbox.channel()).await,
            None => Ok(()),
        }
    }
}

/// Tries to connect until it succeeds, or until nobody would use this connection any more.
async fn make(unheld: Weak<Parts>, number: u64, made: watch::Sender<Option<MultiplexedConnection>>) {
    let (mut pause, longest) = PAUSES;
    loop {
        let Some(parts) = unheld.upgrade() else { return };
        if parts.current().number != number {
            return;
        }
        if let Ok(mut connection) = parts.connect(number).await {
            match parts.subscribe(&mut connection).await {
                Err(error) if error.code().is_none() => {}
                subscribed => {
                    made.send_replace(Some(connection));
                    drop(parts);
                    if subscribed.is_err() {
                        subscribe_later(unheld, number).await;
                    }
                    return;
                }
            }
        }
        drop(parts);
        sleep_for_about(pause).await;
        pause = (pause * 2).min(longest);
    }
}

/// Subscribes on a connection whose server has refused that, as while a right is missing or a script runs for too long:
/// tries until the server lets it, or until this connection is replaced. Meanwhile those who wait look.
async fn subscribe_later(parts: Weak<Parts>, number: u64) {
    loop {
        sleep_for_about(REFUSED).await;
        let Some(parts) = parts.upgrade() else { return };
        let Some(mut connection) = parts.made(number) else { return };
        if parts.subscribe(&mut connection).await.is_ok() {
            return;
        }
    }
}

/// Pauses for that long or less, so that not all processes of a fleet try at once.
pub(crate) async fn sleep_for_about(pause: Duration) {
    tokio::time::sleep(pause.mul_f32(0.5 + rand::random::<f32>() / 2.0)).await;
}

/// How a server refuses what another one may do: a replica, one that knows no leader, and a leader that its replicas have left.
const LEADS_NO_MORE: [&str; 3] = ["READONLY", "MASTERDOWN", "NOREPLICAS"];

/// Returns whether the server refused since it leads no more. In Redis 6 the error of a script has no code.
fn leads_no_more(error: &RedisError) -> bool {
    let says = |code| error.code() == Some(code) || error.detail().is_some_and(|detail| detail.contains(code));
    LEADS_NO_MORE.into_iter().any(says)
}

/// Takes what comes on one connection without being asked for.
struct Pushes {
    parts: Weak<Parts>,
    number: u64,
    inbox: Option<Inbox>,
}

impl AsyncPushSender for Pushes {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        if push.kind == PushKind::Disconnection {
            if let Some(parts) = self.parts.upgrade() {
                parts.lost(self.number);
            }
        }
        self.inbox.as_ref().map_or(Ok(()), |inbox| inbox.send(push))
    }
}
