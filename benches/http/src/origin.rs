//! The origin: answers after a time, and counts.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{Uri, header},
    routing::get,
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep_until},
};

use crate::{Fault, client::Client, process::Process};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// How long each answer takes, in ms.
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Answer all who ask for one path when the first of them gets its answer.
    #[arg(long)]
    together: bool,
}

#[derive(Clone)]
struct Origin {
    delay: Duration,
    calls: Arc<AtomicU64>,
    /// The newest path, and when it is answered; `Some` if all who ask for a path are answered together.
    newest: Option<Arc<Mutex<(String, Instant)>>>,
}

/// The content of every answer.
pub(crate) const BODY: &str = "the origin's answer, the same to all who ask for it\n";

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let newest = options.together.then(|| Arc::new(Mutex::new((String::new(), Instant::now()))));
    let origin = Origin { delay: Duration::from_millis(options.delay), calls: Arc::default(), newest };
    let app = Router::new()
        .route("/calls", get(|State(origin): State<Origin>| async move { origin.calls.load(Relaxed).to_string() }))
        .fallback(get(answer))
        .with_state(origin);
    let listener = TcpListener::bind(options.listen).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn answer(State(origin): State<Origin>, uri: Uri) -> ([(header::HeaderName, &'static str); 1], &'static str) {
    origin.calls.fetch_add(1, Relaxed);
    if !origin.delay.is_zero() {
        sleep_until(origin.due(uri.path())).await;
    }
    ([(header::CACHE_CONTROL, "max-age=1")], BODY)
}

impl Origin {
    /// Returns when a request that arrives now is answered.
    fn due(&self, path: &str) -> Instant {
        let due = Instant::now() + self.delay;
        let Some(newest) = &self.newest else { return due };
        let mut newest = newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.0 != path {
            *newest = (path.to_owned(), due);
        }
        newest.1
    }
}

/// Starts an origin.
pub(crate) async fn start(delay: Duration) -> Result<(Process, SocketAddr), Fault> {
    let address = crate::process::free()?;
    Ok((Process::start(command(address, delay)?, address).await?, address))
}

/// Returns the command of an origin.
pub(crate) fn command(listen: SocketAddr, delay: Duration) -> Result<Command, Fault> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["origin", "--listen", &listen.to_string(), "--delay", &delay.as_millis().to_string()]);
    Ok(command)
}

/// Asks an origin how often it was called.
pub(crate) async fn calls(address: SocketAddr) -> Result<u64, Fault> {
    let answer = Client::connect(address).await?.get("/calls").await?;
    Ok(String::from_utf8_lossy(&answer.body).parse()?)
}
