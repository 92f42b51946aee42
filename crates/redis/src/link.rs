//! The connection to the server, or to the servers of a cluster.

use redis::{Cmd, Pipeline, RedisFuture, Value, aio::ConnectionLike};

use crate::connection::Connection;

/// One connection for all operations of a process; a clone is the same connection.
#[derive(Clone)]
pub(crate) enum Link {
    Own(Connection),
    /// A connection of the user's.
    One(redis::aio::ConnectionManager),
    #[cfg(feature = "cluster")]
    Cluster(crate::cluster::Cluster),
}

impl Link {
    /// Subscribes to a channel, now and after each reconnection.
    pub(crate) async fn subscribe(&mut self, channel: &str) -> redis::RedisResult<()> {
        match self {
            // It has done so.
            Self::Own(_) => Ok(()),
            Self::One(one) => one.subscribe(channel).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.subscribe(channel).await,
        }
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Own(own) => Box::pin(own.send(cmd)),
            Self::One(one) => one.req_packed_command(cmd),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Own(own) => Box::pin(own.send_all(cmd, offset, count)),
            Self::One(one) => one.req_packed_commands(cmd, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Own(own) => own.database(),
            Self::One(one) => one.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.connection.get_db(),
        }
    }
}
