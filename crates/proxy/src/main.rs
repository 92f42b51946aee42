//! The program; what it does is in the library.

mod stop;

use std::{
    fmt,
    io::{self, Write},
    num::NonZeroUsize,
    process::ExitCode,
    thread,
};

use singleflight_proxy::{Options, Proxy};
use tokio::runtime::Builder;

use crate::stop::Stop;

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
    // For signals and new clients; the workers have runtimes of their own.
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(&options)),
        Err(error) => fail(format_args!("cannot start a runtime: {error}")),
    }
}

async fn run(options: &Options) -> ExitCode {
    let (mut stop, mut again) = match Stop::new().and_then(|stop| Ok((stop, Stop::new()?))) {
        Ok(stops) => stops,
        Err(error) => return fail(format_args!("cannot wait for signals: {error}")),
    };
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let proxy = match Proxy::start_in_fleet(options, cores).await {
        Ok(proxy) => proxy,
        Err(error) => return fail(format_args!("{error}")),
    };
    // The reader of standard output may have left.
    let _ = writeln!(io::stdout(), "http://{} => {}", proxy.address(), options.upstream());
    if let Some(address) = proxy.status() {
        let _ = writeln!(io::stdout(), "live page: http://{address}/");
    }

    tokio::select! {
        () = proxy.serve(stop.signal()) => {}
        // A second signal ends the program at once.
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
