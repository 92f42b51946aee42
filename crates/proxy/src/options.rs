//! What the proxy can be told.

use std::{
    ffi::OsString,
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{Parser, value_parser};
use http::{Uri, uri::Authority};

use crate::fleet::{Secret, Url};

/// What `--help` says below the options.
const UNSEEN: &str = "\
Which requests are equal is decided by what the client sent. The proxy does not look at the client's address, which it \
writes into X-Forwarded-For, nor at TLS client certificates, which end in front of it. If the upstream answers by the \
address (an allowed network, a country), start with --key-address, or an outsider may share the answer of an \
allowed client. If it answers by a certificate, let what ends TLS name the user in a field, or start with --no-coalesce.

TRACE goes upstream without credentials. OPTIONS and TRACE with Max-Forwards: 0 are answered here.

Examples:
  singleflight-proxy --upstream http://127.0.0.1:3000
      Listens on 127.0.0.1:8080, and prints a line for each request.
  singleflight-proxy --listen 0.0.0.0:80 --upstream http://app:3000 --quiet --cache-status edge
      For all networks, without the lines; Cache-Status says in each answer what became of its request.
  singleflight-proxy --upstream http://127.0.0.1:50051 --h2
      In front of an upstream that speaks HTTP/2 only.
  singleflight-proxy --upstream http://127.0.0.1:3000 --max-wait 500 --release-limit 8
      A client that has waited half a second has a request of its own, but no more than eight have so at a time.
  singleflight-proxy --upstream http://127.0.0.1:3000 --status 127.0.0.1:9000
      Shows what it does in a browser; as text: watch curl -s http://127.0.0.1:9000/plain
  singleflight-proxy --upstream http://app:3000 --redis redis://redis --secret-file /run/secret --fleet-name shop
      Proxies on several machines send equal requests upstream once.
  singleflight-proxy --upstream http://127.0.0.1:3000 --no-coalesce
      Every request goes upstream: to compare.";

/// A reverse proxy that sends equal requests upstream once, and streams the answer to all who wait.
//
// Its first line is what `--help` begins with.
#[derive(Clone, Debug, Parser)]
#[command(name = "singleflight-proxy", version, after_help = UNSEEN)]
pub struct Options {
    /// Where to listen: an IP address and a port.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where requests go: http://host[:port].
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Origin,
    /// Speak HTTP/2 upstream, by prior knowledge; the client's Host goes as X-Forwarded-Host.
    #[arg(long)]
    pub(crate) h2: bool,
    /// Send every request upstream, for comparison.
    #[arg(long)]
    pub(crate) no_coalesce: bool,
    /// Let requests with credentials or cookies share an answer with those that carry the same.
    #[arg(long)]
    pub(crate) per_credential: bool,
    /// Let only requests from the same address share an answer. Use it when the upstream looks at the address, which the proxy
    /// writes into X-Forwarded-For.
    #[arg(long)]
    pub(crate) key_address: bool,
    /// Add a field Cache-Status to each answer that says, under this name, what became of the request (RFC 9211).
    #[arg(long, value_name = "NAME", value_parser = cache_name)]
    pub(crate) cache_status: Option<String>,
    /// How long a client waits for the answer to another's equal request, as a follower, before its own request goes
    /// upstream, in ms. Default: as long as it takes.
    #[arg(long, value_name = "MS")]
    pub(crate) max_wait: Option<Millis>,
    /// How old a request under way may be for others to wait for its answer, in ms. Default: any age.
    #[arg(long, value_name = "MS")]
    pub(crate) join_window: Option<Millis>,
    /// What is kept between the fastest and the slowest reader of a body, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20, value_parser = value_parser!(u32).range(1..))]
    pub(crate) window: u32,
    /// How long the readers of a body may be held up by slower ones, in all, in ms.
    #[arg(long, value_name = "MS", default_value = "5000")]
    pub(crate) stall: Millis,
    /// How much of a body may go to temporary files when one client reads more slowly than others, in bytes; all bodies
    /// together may have four times that there. 0: nothing; the others wait, at most for --stall.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, value_parser = value_parser!(u64).range(..1 << 44))]
    pub(crate) spill: u64,
    /// Where temporary files go. Default: where the system has them.
    #[arg(long, value_name = "DIRECTORY", value_parser = directory)]
    pub(crate) spill_dir: Option<PathBuf>,
    /// How many followers that may not have the answer they waited for send their own requests upstream at a time.
    /// Default: all of them.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..))]
    pub(crate) release_limit: Option<u32>,
    /// How many clients are connected at a time; others wait. Default: half of the files that the system allows; the other
    /// half is for upstream connections.
    #[arg(long, value_name = "COUNT", value_parser = value_parser!(u32).range(1..))]
    pub(crate) clients: Option<u32>,
    /// How long connecting to the upstream may take, in ms.
    #[arg(long, value_name = "MS", default_value = "2000")]
    pub(crate) connect_timeout: Millis,
    /// How long the upstream may take for the head of its answer, in ms.
    #[arg(long, value_name = "MS", default_value = "30000")]
    pub(crate) timeout: Millis,
    /// How long a client may take to send the head of a request, in ms. Also how long nothing may move: where a client reads
    /// nothing of its answer, or sends nothing more of a request, answered or not, between two parts of an upstream's body, on a
    /// kept upstream connection without a request. Upgraded connections may be silent for longer; after this time the system
    /// probes whether the other side is there.
    #[arg(long, value_name = "MS", default_value = "60000")]
    pub(crate) idle: Millis,
    /// How long requests that have arrived, and upgraded connections, may take to end after a signal to stop, in ms.
    #[arg(long, value_name = "MS", default_value = "10000")]
    pub(crate) grace: Millis,
    /// Serve a live page at this address and port: calls by role, flights under way, waits. It has no login: loopback only,
    /// unless --status-public.
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with = "no_coalesce")]
    pub(crate) status: Option<SocketAddr>,
    /// Let --status be reached from other machines.
    #[arg(long, requires = "status")]
    pub(crate) status_public: bool,
    /// A host name under which the live page is reached, beside addresses and localhost; may be given more than once. Other
    /// names are refused, so that no web site can read the page by letting its own name point here.
    #[arg(long, requires = "status", value_name = "NAME")]
    pub(crate) status_host: Vec<String>,
    /// Share requests with other proxies through this Redis or Valkey: redis://[user:password@]host[:port]. It
    /// must be there when the proxy starts; while it is away later, each proxy works for itself.
    #[arg(long, value_name = "URL", requires_all = ["secret_file", "fleet_name"], conflicts_with = "no_coalesce")]
    pub(crate) redis: Option<Url>,
    /// A file with 32 random bytes, or 64 hexadecimal digits, which all of these proxies have: what they send each other is
    /// encrypted with it.
    #[arg(long, value_name = "FILE", requires = "redis")]
    pub(crate) secret_file: Option<Secret>,
    /// The name of the upstream within the fleet: only proxies with the same name share.
    #[arg(long, value_name = "NAME", requires = "redis", value_parser = named)]
    pub(crate) fleet_name: Option<String>,
    /// Print no line per request.
    #[arg(long)]
    pub(crate) quiet: bool,
}

impl Options {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    ///
    /// What is wrong with it; or the help or the version, if it asks for these.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let options = Self::try_parse_from(arguments)?;
        let public = options.status.filter(|status| !status.ip().to_canonical().is_loopback());
        let wrong = if options.upstream.is_at(options.listen) {
            "the upstream is the proxy itself"
        } else if public.is_some() && !options.status_public {
            "the live page has no login, and --status is no loopback address; --status-public allows it"
        } else {
            return Ok(options);
        };
        Err(clap::Error::raw(clap::error::ErrorKind::ValueValidation, wrong))
    }

    /// Returns what is wrong with a command line, in one line.
    #[must_use]
    pub fn complaint(error: &clap::Error) -> String {
        let text = error.to_string();
        let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
        lines.join(" ")
    }

    /// Returns where requests go, as a URL.
    #[must_use]
    pub fn upstream(&self) -> impl fmt::Display {
        &self.upstream
    }
}

/// The one place that requests go to.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) Authority);

impl Origin {
    /// Returns whether the upstream's name leads to the address that the proxy listens on, today: requests would go
    /// round until their heads are too large. A name that leads nowhere yet may lead here later.
    fn is_at(&self, listen: SocketAddr) -> bool {
        let port = self.0.port_u16().unwrap_or(80);
        if port != listen.port() || port == 0 {
            return false;
        }
        let host = self.0.host().trim_start_matches('[').trim_end_matches(']');
        let mut addresses = (host, port).to_socket_addrs().into_iter().flatten();
        addresses.any(|address| {
            let (ip, own) = (address.ip().to_canonical(), listen.ip().to_canonical());
            ip == own || ip.is_unspecified() || (own.is_unspecified() && ip.is_loopback())
        })
    }
}

/// Checks that there is something in a name.
fn named(name: &str) -> Result<String, String> {
    if name.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(name.to_owned()) }
}

/// Checks that temporary files can be made in a directory.
fn directory(path: &str) -> Result<PathBuf, String> {
    match tempfile::tempfile_in(path) {
        Ok(_) => Ok(path.into()),
        Err(error) => Err(format!("no temporary file can be made there ({error})")),
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL ({error})"))?;
        let bare = matches!((uri.scheme_str(), uri.path(), uri.query()), (Some("http"), "" | "/", None));
        let named = |authority: &&Authority| !authority.host().is_empty() && !authority.as_str().contains('@');
        let ported = |authority: &&Authority| {
            authority.as_str().len() == authority.host().len() || authority.port_u16().is_some_and(|port| port > 0)
        };
        match uri.authority().filter(named).filter(ported) {
            Some(authority) if bare => Ok(Self(authority.clone())),
            _ => Err("http://host[:port], without a path".to_owned()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// A time in whole milliseconds, at least one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Millis(u64);

impl FromStr for Millis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(millis @ 1..=86_400_000) => Ok(Self(millis)),
            _ => Err("a whole number of ms from 1 to 86400000".to_owned()),
        }
    }
}

impl From<Millis> for Duration {
    fn from(Millis(millis): Millis) -> Self {
        Self::from_millis(millis)
    }
}

fn cache_name(text: &str) -> Result<String, String> {
    let printable = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    printable.then(|| text.to_owned()).ok_or_else(|| "a name in printable ASCII".to_owned())
}
