//! What the layer does over HTTP, measured: `cargo run --release -p http-bench -- --help`.

mod client;
mod fault;
mod heads;
mod herd;
mod load;
mod memory;
mod origin;
mod pace;
mod process;
mod proxied;
mod reload;
mod router;
mod slow;
mod soak;
mod stats;
mod stream;
mod unshareable;
mod waiting;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::fault::Fault;

/// Measures the layer over HTTP, beside what others do in the same run.
#[derive(Parser)]
#[command(version)]
struct Options {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// (a) Unique keys through axum on loopback, with the layer and without
    Router(router::Options),
    /// (b) A herd on one key, through the proxy, nginx and Varnish
    Herd(herd::Options),
    /// (c) A streamed body: how far each chunk is behind the origin
    Stream(stream::Options),
    /// (d) A large body with many readers: how much memory it takes
    Memory(memory::Options),
    /// (e) One slow reader among many: what it costs the others
    Slow(slow::Options),
    /// One steady slow client among nine fast ones, over sockets: what it costs them
    Pace(pace::Options),
    /// Unique keys through the proxy and nginx: CPU per request
    Proxy(proxied::Options),
    /// Clients that wait in the proxy: memory for each
    Waiting(waiting::Options),
    /// Answers that may not be shared: how many rounds of the origin's time they take
    Unshareable(unshareable::Options),
    /// Herds that reload, and a storm of writes: calls of the origin, and how long clients wait
    Reload(reload::Options),
    /// A herd with the heads of real clients: calls of the origin, with `User-Agent` in the key and without
    Heads(heads::Options),
    /// A million requests of many users: bodies in the wrong hands
    Soak(soak::Options),
    /// The origin of the other benches, as a process of its own
    #[command(hide = true)]
    Origin(origin::Options),
    /// One of the servers that `router` compares
    #[command(hide = true)]
    Server(router::Server),
}

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            eprintln!("{}", error.to_string().lines().next().unwrap_or("error: bad options"));
            return ExitCode::from(2);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match run(options.bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(bench: Bench) -> Result<(), Fault> {
    // The herd needs many files. If the limit stays too low, a connection fails, and that is told.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    match bench {
        Bench::Origin(options) => return origin::run(options).await,
        Bench::Server(server) => return router::serve(server).await,
        _ => println!("{} threads, {}", std::thread::available_parallelism()?, std::env::consts::ARCH),
    }
    match bench {
        Bench::Router(options) => router::run(options).await,
        Bench::Herd(options) => herd::run(options).await,
        Bench::Stream(options) => stream::run(options).await,
        Bench::Memory(options) => memory::run(options).await,
        Bench::Slow(options) => slow::run(options).await,
        Bench::Pace(options) => pace::run(options).await,
        Bench::Proxy(options) => proxied::run(options).await,
        Bench::Waiting(options) => waiting::run(options).await,
        Bench::Unshareable(options) => unshareable::run(options).await,
        Bench::Reload(options) => reload::run(options).await,
        Bench::Heads(options) => heads::run(options).await,
        Bench::Soak(options) => soak::run(options).await,
        Bench::Origin(_) | Bench::Server(_) => Ok(()),
    }
}
