//! The origin: answers after a time, and counts.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, http::header, routing::get};
use tokio::{net::TcpListener, time::sleep};

use crate::{Fault, client::Client, process::Process};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    listen: SocketAddr,
    /// How long each answer takes, in ms.
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

#[derive(Clone)]
struct Origin {
    delay: Duration,
    calls: Arc<AtomicU64>,
}

/// What every answer has.
pub(crate) const BODY: &str = "the origin's answer, the same to all who ask for it\n";

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let origin = Origin { delay: Duration::from_millis(options.delay), calls: Arc::default() };
    let app = Router::new()
        .route("/calls", get(|State(origin): State<Origin>| async move { origin.calls.load(Relaxed).to_string() }))
        .fallback(get(answer))
        .with_state(origin);
    let listener = TcpListener::bind(options.listen).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn answer(State(origin): State<Origin>) -> ([(header::HeaderName, &'static str); 1], &'static str) {
    origin.calls.fetch_add(1, Relaxed);
    if !origin.delay.is_zero() {
        sleep(origin.delay).await;
    }
    ([(header::CACHE_CONTROL, "max-age=1")], BODY)
}

/// Starts an origin.
pub(crate) async fn start(delay: Duration) -> Result<(Process, SocketAddr), Fault> {
    let address = crate::process::free()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["origin", "--listen", &address.to_string(), "--delay", &delay.as_millis().to_string()]);
    Ok((Process::start(command, address).await?, address))
}

/// Asks an origin how often it was called.
pub(crate) async fn calls(address: SocketAddr) -> Result<u64, Fault> {
    let answer = Client::connect(address).await?.get("/calls").await?;
    Ok(String::from_utf8_lossy(&answer.body).parse()?)
}
