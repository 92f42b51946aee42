//! Unique keys through the proxy and a plain nginx: CPU per request.

use std::time::Duration;

use crate::{
    Fault, herd,
    load::Load,
    origin,
    process::{self, Process},
    stats::{median, table, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4_000))]
    connections: u32,
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=101))]
    rounds: u32,
    /// How long one measurement takes, in s.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    time: u64,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let (_origin, upstream) = origin::start(Duration::ZERO).await?;
    let dir = tempfile::tempdir()?;
    let mut sides = Vec::new();
    let listen = process::free()?;
    sides.push(("proxy", Process::start(process::proxy(listen, upstream)?, listen).await?, listen));
    let listen = process::free()?;
    let mut plain = process::proxy(listen, upstream)?;
    plain.arg("--no-coalesce");
    sides.push(("proxy, --no-coalesce", Process::start(plain, listen).await?, listen));
    if process::installed("nginx", "nginx") {
        let listen = process::free()?;
        let nginx = herd::nginx(dir.path(), listen, upstream, false)?;
        sides.push(("nginx", Process::start(nginx, listen).await?, listen));
    }
    let load = Load::new(options.connections, options.time)?;
    let mut figures: Vec<_> = sides.iter().map(|_| (Vec::new(), Vec::new())).collect();
    for _ in 0..options.rounds {
        for ((_, process, listen), (rates, cpus)) in sides.iter().zip(&mut figures) {
            let before = process.cpu()?;
            let (requests, rate) = load.run(*listen).await?;
            rates.push(rate);
            cpus.push((process.cpu()? - before).as_secs_f64() * 1e6 / requests as f64);
        }
    }
    let mut table = table(["", "requests/s", "CPU of the proxy, us per request"]);
    for ((name, ..), (rates, cpus)) in sides.iter().zip(&figures) {
        table.add_row([(*name).to_owned(), format!("{:.0}", median(rates)), format!("{:.1}", median(cpus))]);
    }
    println!("{table}");
    if let [(_, ours), _, (_, nginx)] = &figures[..] {
        let ratio = median(ours) / median(nginx);
        target(ratio <= 1.5, &format!("CPU per request: {ratio:.2} times nginx's, at most 1.5"));
    }
    Ok(())
}
