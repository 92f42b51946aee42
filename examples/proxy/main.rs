//! A coalescing reverse proxy: `cargo run --release --example proxy -- --listen 127.0.0.1:8080 --upstream http://127.0.0.1:3000`.
//!
//! ```text
//! server ─► log ─► HttpSingleflightLayer ─► Upstream ─► hyper's client
//! ```

mod answer;
mod body;
mod coalesce;
mod compact;
mod connection;
mod fields;
mod log;
mod options;
mod server;
mod stop;
mod target;
mod upgrade;
mod upstream;

use std::{
    fmt,
    io::{self, Write},
    process::ExitCode,
};

use tokio::runtime::Builder;
use tower::Layer;

use crate::{options::Options, server::Server, stop::Stop, upstream::Upstream};

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
    // Each client takes a file; what the hard limit does not allow, accepting waits for.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(format_args!("cannot start a runtime: {error}")),
    };
    let code = runtime.block_on(run(&options));
    // Not even a name that is still being looked up holds the end up.
    runtime.shutdown_background();
    code
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
    // Whoever started it may not be reading.
    let _ = writeln!(io::stdout(), "http://{address} => {}", options.upstream);

    let (server, upstream) = (Server::new(options), Upstream::new(options));
    let served = async {
        match coalesce::layer(options) {
            Some(layer) => server.serve(listener, layer.layer(upstream), stop.signal()).await,
            None => server.serve(listener, upstream, stop.signal()).await,
        }
    };
    tokio::select! {
        () = served => {}
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
