//! A coalescing reverse proxy:
//! `cargo run --release --example proxy -- --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000`.
//!
//! ```text
//! server ─► log ─► HttpSingleflightLayer ─► Upstream ─► hyper's client
//! ```

mod answer;
mod body;
mod coalesce;
mod compact;
mod connection;
mod failure;
mod fields;
mod forwards;
mod lines;
mod link;
mod log;
mod options;
mod pace;
mod sender;
mod server;
mod socket;
mod stop;
mod target;
mod upgrade;
mod upstream;
mod wire;
mod worker;

use std::{
    fmt,
    io::{self, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread,
};

use crate::{options::Options, stop::Stop, worker::Workers};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args_os()) {
        Ok(options) => options,
        Err(error) if error.use_stderr() => {
            complain(format_args!("{}", Options::complaint(&error)));
            return ExitCode::from(2);
        }
        Err(help) => {
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
    };
    match worker::runtime() {
        Ok(runtime) => runtime.block_on(run(&options)),
        Err(error) => fail(format_args!("cannot start a runtime: {error}")),
    }
}

async fn run(options: &Options) -> ExitCode {
    let (mut stop, mut again) = match Stop::new().and_then(|stop| Ok((stop, Stop::new()?))) {
        Ok(stops) => stops,
        Err(error) => return fail(format_args!("cannot wait for signals: {error}")),
    };
    let listening = server::listen(options.listen).and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match listening {
        Ok(listening) => listening,
        Err(error) => return fail(format_args!("cannot listen on {}: {error}", options.listen)),
    };
    let (layer, cores) = (coalesce::layer(options), thread::available_parallelism().map_or(1, NonZeroUsize::get));
    let workers = match Workers::start(options, layer.as_ref(), cores) {
        Ok(workers) => workers,
        Err(error) => return fail(format_args!("cannot start a worker: {error}")),
    };
    // Whoever started it may not be reading.
    let _ = writeln!(io::stdout(), "http://{address} => {}", options.upstream);

    tokio::select! {
        () = workers.serve(listener, stop.signal()) => {}
        // The second signal: now.
        () = async { again.signal().await; again.signal().await } => {}
    }
    ExitCode::SUCCESS
}

fn fail(message: fmt::Arguments<'_>) -> ExitCode {
    complain(format_args!("error: {message}"));
    ExitCode::FAILURE
}

fn complain(message: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{message}");
}
