//! How an engine is made, and what is asked of the server before anything depends on it.

#[cfg(feature = "cluster")]
use std::sync::Arc;
use std::time::Duration;

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, aio::ConnectionManager, io::tcp::TcpSettings,
};
#[cfg(feature = "cluster")]
use tokio::sync::Notify;

#[cfg(feature = "cluster")]
use crate::cluster::{Cluster, Pushes};
use crate::{ConnectError, Inbox, RedisEngine, connection::Connection, link::Link, trial};

/// How an engine reaches its server, where the settings of [`RedisEngine::connect`] do not suit.
///
/// # Examples
///
/// ```no_run
/// # async fn run() -> Result<(), tower_singleflight_redis::ConnectError> {
/// use std::time::Duration;
/// use tower_singleflight_redis::Settings;
///
/// let engine = Settings::new()
///     .connect_timeout(Duration::from_millis(300))
///     .response_timeout(Duration::from_secs(2)) // the lease of this fleet
///     .polling() // a proxy before the server takes no pushes
///     .connect("redis://127.0.0.1/")
///     .await?;
/// # drop(engine);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    connect_timeout: Duration,
    response_timeout: Duration,
    polling: bool,
}

impl Settings {
    /// Returns the defaults: a second to connect, five for an answer, and pushes where the server has them.
    pub fn new() -> Self {
        Self { connect_timeout: Duration::from_secs(1), response_timeout: Duration::from_secs(5), polling: false }
    }

    /// Sets how long one attempt to connect may take.
    #[must_use]
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { connect_timeout: timeout, ..self }
    }

    /// Sets how long an answer may take before the operation counts as failed; the fleet's lease is the right length.
    /// No caller waits so long, since a fleet's budget is shorter. A late answer within this time still frees what it
    /// is about; after that it is lost.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self { response_timeout: timeout, ..self }
    }

    /// Asks for no pushes, so the fleet polls. A fleet polls also if the server, or a proxy before it, does not speak
    /// RESP3, and with `?protocol=resp2` in the URL.
    #[must_use]
    pub fn polling(self) -> Self {
        Self { polling: true, ..self }
    }

    /// Connects to one server.
    ///
    /// # Errors
    ///
    /// As [`RedisEngine::connect`].
    pub async fn connect(self, url: &str) -> Result<RedisEngine, ConnectError> {
        has_tls([url])?;
        let info = url.into_connection_info().map_err(ConnectError::Url)?;
        let told = !self.polling && !url.contains("protocol=");
        let protocol = if told { ProtocolVersion::RESP3 } else { info.redis_settings().protocol() };
        match self.connect_by(&info, protocol).await {
            Err(ConnectError::NoResp3) => self.connect_by(&info, ProtocolVersion::RESP2).await,
            other => other,
        }
    }

    async fn connect_by(&self, info: &ConnectionInfo, protocol: ProtocolVersion) -> Result<RedisEngine, ConnectError> {
        let redis = info.redis_settings().clone().set_protocol(protocol);
        let info = info.clone().set_redis_settings(redis).set_tcp_settings(self.tcp());
        let client = Client::open(info).map_err(ConnectError::Url)?;
        let inbox = (protocol != ProtocolVersion::RESP2 && !self.polling).then(Inbox::new);
        let timeouts = [self.connect_timeout, self.response_timeout];
        let connection = Connection::new(client, timeouts, inbox.clone()).await.map_err(ConnectError::of)?;
        let mut link = Link::Own(connection);
        trial::is_one_server(&mut link).await?;
        self.engine(link, inbox).await
    }

    /// Connects to a cluster of which these are nodes.
    ///
    /// # Errors
    ///
    /// As [`RedisEngine::connect`].
    #[cfg(feature = "cluster")]
    pub async fn cluster<U: AsRef<str>>(self, urls: impl IntoIterator<Item = U>) -> Result<RedisEngine, ConnectError> {
        let nodes: Vec<_> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        has_tls(nodes.iter().map(String::as_str))?;
        let told = !self.polling && !nodes.iter().any(|url| url.contains("protocol="));
        let mut builder = redis::cluster::ClusterClientBuilder::new(nodes)
            .connection_timeout(self.connect_timeout)
            .response_timeout(self.response_timeout)
            .tcp_settings(self.tcp());
        let (inbox, lost) = (told.then(Inbox::new), Arc::<Notify>::default());
        if let Some(inbox) = &inbox {
            let pushes = Pushes { inbox: inbox.clone(), lost: Arc::clone(&lost) };
            builder = builder.use_protocol(ProtocolVersion::RESP3).push_sender(pushes);
        }
        let client = builder.build().map_err(ConnectError::Url)?;
        let connection = client.get_async_connection().await.map_err(ConnectError::of)?;
        self.engine(Link::Cluster(Cluster::new(connection, lost)), inbox).await
    }

    /// Makes an engine of a connection, after a trial of it.
    async fn engine(&self, mut link: Link, inbox: Option<Inbox>) -> Result<RedisEngine, ConnectError> {
        if let Some(inbox) = &inbox {
            link.subscribe(&inbox.channel()).await.map_err(ConnectError::of)?;
        }
        let engine = RedisEngine::new(link, inbox);
        trial::run(&engine).await?;
        Ok(engine)
    }

    fn tcp(&self) -> TcpSettings {
        // Commands are small, and each is waited for.
        let settings = TcpSettings::default().set_nodelay(true);
        // A server whose machine is gone sends no reset; without this, the kernel would retransmit for a quarter of an
        // hour.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(self.response_timeout);
        settings
    }
}

/// Refuses TLS for which rustls has no crypto provider: it would panic.
#[cfg(feature = "tls-rustls")]
fn has_tls<'a>(urls: impl IntoIterator<Item = &'a str>) -> Result<(), ConnectError> {
    let is_tls = |url: &str| {
        let scheme = url.split(':').next().unwrap_or_default().trim_start();
        scheme.eq_ignore_ascii_case("rediss") || scheme.eq_ignore_ascii_case("valkeys")
    };
    if urls.into_iter().any(is_tls) && rustls::crypto::CryptoProvider::get_default().is_none() {
        let why = "TLS needs a crypto provider, and none is installed: rustls::crypto::CryptoProvider::install_default";
        return Err(ConnectError::Unfit(why.to_owned()));
    }
    Ok(())
}

/// Without rustls there is nothing to check: the client itself says what is missing.
#[cfg(not(feature = "tls-rustls"))]
fn has_tls<'a>(_: impl IntoIterator<Item = &'a str>) -> Result<(), ConnectError> {
    Ok(())
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl RedisEngine {
    /// Connects to a Redis or Valkey server: `redis://[user:password@]host:port[/db]`, or `rediss://` with one of the
    /// features for TLS. The server must allow what [the crate's documentation](crate#rights) lists; this is tried
    /// before the engine is returned.
    ///
    /// # Errors
    ///
    /// A URL that does not parse; a server that does not answer, is no Redis, refuses the password, belongs to a
    /// cluster, or lacks what is needed. What goes wrong later costs callers nothing but the sharing.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Settings::new().connect(url).await
    }

    /// Connects to a cluster of which these are nodes.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[cfg(feature = "cluster")]
    pub async fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, ConnectError> {
        Settings::new().cluster(urls).await
    }

    /// Returns an engine on a connection of yours. The server tells it nothing, so the fleet polls. The manager decides when
    /// to connect anew: it keeps a connection on which nothing is answered any more, and one to a server that has become
    /// a replica.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn from_manager(mut manager: ConnectionManager) -> Result<Self, ConnectError> {
        trial::is_one_server(&mut manager).await?;
        Settings::new().engine(Link::One(manager), None).await
    }

    /// Returns an engine on a connection of yours whose push sender is this inbox. The connection must speak RESP3, and
    /// subscribe again by itself:
    ///
    /// ```no_run
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use redis::aio::ConnectionManagerConfig;
    /// use tower_singleflight_redis::{Inbox, RedisEngine};
    ///
    /// let inbox = Inbox::new();
    /// let config = ConnectionManagerConfig::new().set_push_sender(inbox.clone()).set_automatic_resubscription();
    /// let client = redis::Client::open("redis://127.0.0.1/?protocol=resp3")?;
    /// let manager = client.get_connection_manager_with_config(config).await?;
    /// let engine = RedisEngine::from_manager_with_inbox(manager, inbox).await?;
    /// # drop(engine);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn from_manager_with_inbox(mut manager: ConnectionManager, inbox: Inbox) -> Result<Self, ConnectError> {
        trial::is_one_server(&mut manager).await?;
        Settings::new().engine(Link::One(manager), Some(inbox)).await
    }
}
