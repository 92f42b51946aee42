//! A coalescing reverse proxy: `cargo run --release --example proxy -- --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000`.
//!
//! ```text
//! server ─► log ─► HttpSingleflightLayer ─► Upstream ─► hyper's client
//! ```

mod fields;
mod options;
mod server;
mod upgrade;
mod upstream;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use tokio::{net::TcpListener, runtime::Builder, signal};
use tower::Layer;

use crate::{
    options::Options,
    server::{Server, layer},
    upstream::Upstream,
};

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", error.to_string().lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
        Err(help) => {
            print!("{help}");
            return ExitCode::SUCCESS;
        }
    };
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start a runtime: {error}")),
    };
    runtime.block_on(run(options))
}

async fn run(options: Options) -> ExitCode {
    let listener = match TcpListener::bind(options.listen).await {
        Ok(listener) => listener,
        Err(error) => return fail(format_args!("cannot listen on {}: {error}", options.listen)),
    };
    match listener.local_addr() {
        Ok(address) => println!("http://{address} => {}", options.upstream),
        Err(error) => return fail(format_args!("cannot listen on {}: {error}", options.listen)),
    }
    let service = layer(&options).layer(Upstream::new(&options));
    let server = Server { quiet: options.quiet, grace: options.grace.into(), idle: options.idle.into() };
    Arc::new(server).serve(listener, service, stop()).await;
    ExitCode::SUCCESS
}

/// Waits for the signal to stop.
async fn stop() {
    #[cfg(unix)]
    {
        let terminated = async {
            match signal::unix::signal(signal::unix::SignalKind::terminate()) {
                Ok(mut terminate) => drop(terminate.recv().await),
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = signal::ctrl_c() => {}
            () = terminated => {}
        }
    }
    #[cfg(not(unix))]
    let _ = signal::ctrl_c().await;
}

fn fail(message: std::fmt::Arguments<'_>) -> ExitCode {
    eprintln!("proxy: {message}");
    ExitCode::FAILURE
}
