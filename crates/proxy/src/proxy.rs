//! A proxy from its options to its end.

use std::{
    fmt,
    future::{Future, pending},
    io,
    net::SocketAddr,
};

use tokio::net::TcpListener;
use tower_singleflight::{HttpSingleflightLayer, fleet::Fleet, http::HttpSingleflight};

use crate::{coalesce, fleet, options::Options, server, status::Status, upstream::Upstream, worker::Workers};

/// A proxy that listens, with its threads started.
pub struct Proxy {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
    fleet: Option<Fleet>,
    /// `None` if no requests coalesce.
    service: Option<HttpSingleflight<Upstream>>,
    status: Option<Status>,
    workers: Workers,
}

impl Proxy {
    /// Listens where the options say, and starts this many threads, which serve once [`serve`](Self::serve) is polled.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime that has I/O and time.
    ///
    /// # Errors
    ///
    /// If the address cannot be listened on, if a thread cannot be started, or if `threads` is 0; the error says which.
    /// Options that name a fleet are an error too: they are for [`start_in_fleet`](Self::start_in_fleet).
    pub fn start(options: &Options, threads: usize) -> io::Result<Self> {
        if options.redis.is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "--redis is for start_in_fleet"));
        }
        Self::start_with(options, threads, None)
    }

    /// Joins the fleet of proxies that the options name, if they name one, and [starts](Self::start).
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime that has I/O and time.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and if the fleet's server cannot be used; the error says why in one line.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use singleflight_proxy::{Options, Proxy};
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// // As on the command line. Without `--redis` it is `start`.
    /// let arguments = "singleflight-proxy --upstream http://127.0.0.1:3000 \
    ///     --redis redis://127.0.0.1/ --secret-file /etc/fleet-secret";
    /// let options = Options::read(arguments.split_whitespace().map(Into::into))?;
    /// let proxy = Proxy::start_in_fleet(&options, 2).await?;
    /// proxy.serve(std::future::pending()).await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start_in_fleet(options: &Options, threads: usize) -> io::Result<Self> {
        let fleet = match options.redis.as_ref().zip(options.secret_file.as_ref()) {
            Some((url, secret)) => Some(fleet::join(url, secret).await?),
            None => None,
        };
        Self::start_with(options, threads, fleet)
    }

    fn start_with(options: &Options, threads: usize, fleet: Option<Fleet>) -> io::Result<Self> {
        if threads == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a proxy needs a thread at least"));
        }
        let said = |what: String| move |error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
        let listening = server::listen(options.listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listening.map_err(said(format!("cannot listen on {}", options.listen)))?;
        let (service, page) = coalesce::service(options, fleet.clone()).unzip();
        let shown = options.status.zip(page.flatten()).map(|(address, page)| {
            Status::start(address, options, page).map_err(said(format!("cannot show the live page on {address}")))
        });
        let status = shown.transpose()?;
        let started = Workers::start(options, service.as_ref(), fleet.clone(), threads);
        let workers = started.map_err(said("cannot start a worker".to_owned()))?;
        Ok(Self { listener, address, options: options.clone(), fleet, service, status, workers })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns where the live page is; `None` if the options ask for none.
    #[must_use]
    pub fn status(&self) -> Option<SocketAddr> {
        self.status.as_ref().map(|status| status.address)
    }

    /// Returns a layer with the settings and the group of the service that all requests go through; `None` if the
    /// options switch coalescing off.
    ///
    /// Each call makes a new layer, and the proxy keeps none: while a layer exists that could make another service of
    /// the group, each request is marked for that service to see.
    #[must_use]
    pub fn layer(&self) -> Option<HttpSingleflightLayer> {
        let group = self.service.as_ref()?.group().clone();
        coalesce::layer(&self.options, group, self.fleet.clone())
    }

    /// Serves clients until `stop` is ready. Then requests that have arrived, and upgraded connections, get the grace
    /// time of the options to end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the proxy: it takes no more clients, and does not wait for the ones it has.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Self { listener, status, workers, .. } = self;
        let page = async {
            match status {
                Some(status) => status.serve().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = workers.serve(listener, stop) => {}
            () = page => {}
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("address", &self.address).finish_non_exhaustive()
    }
}
