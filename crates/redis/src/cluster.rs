//! The connection to a cluster, and its subscription.

use std::{sync::Arc, time::Duration};

use redis::{
    PushInfo, PushKind, RedisResult,
    aio::{AsyncPushSender, SendError},
    cluster_async::ClusterConnection,
};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};

use crate::{
    Inbox,
    connection::{REFUSED, sleep_for_about},
};

/// How long after it has subscribed it does so again. Where it still is subscribed, that changes nothing.
const AGAIN: Duration = Duration::from_secs(5);

/// A connection to the nodes of a cluster; a clone is the same one.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) connection: ClusterConnection,
    /// Notified when the connection to a node is lost.
    lost: Arc<Notify>,
    /// `Some` once it has subscribed.
    task: Option<Arc<Task>>,
}

impl Cluster {
    pub(crate) fn new(connection: ClusterConnection, lost: Arc<Notify>) -> Self {
        Self { connection, lost, task: None }
    }

    /// Subscribes to a channel, now, each time that the connection to a node is lost, and now and then.
    ///
    /// The client subscribes anew only when it has asked something of the node that is lost, and only once: if that node has
    /// the subscription and none of the keys that are asked for, or if the server refuses, nothing would be told any more.
    /// And connections that the client itself replaces are not reported as lost.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        self.connection.subscribe(channel).await?;
        let (mut connection, channel, lost) = (self.connection.clone(), channel.to_owned(), Arc::clone(&self.lost));
        let task = tokio::spawn(async move {
            loop {
                let _ = timeout(AGAIN, lost.notified()).await;
                while connection.subscribe(&channel).await.is_err() {
                    sleep_for_about(REFUSED).await;
                }
            }
        });
        self.task = Some(Arc::new(Task(task.abort_handle())));
        Ok(())
    }
}

/// A task that holds the connection, and so has to end with its last clone elsewhere.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes what comes on the connections to the nodes without being asked for.
pub(crate) struct Pushes {
    pub(crate) inbox: Inbox,
    pub(crate) lost: Arc<Notify>,
}

impl AsyncPushSender for Pushes {
    fn send(&self, push: PushInfo) -> Result<(), SendError> {
        if push.kind == PushKind::Disconnection {
            self.lost.notify_one();
        }
        self.inbox.send(push)
    }
}
