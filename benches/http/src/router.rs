//! (a) Unique keys through axum: nobody shares, so whatever the layer costs is pure loss.

use std::{net::SocketAddr, process::Command};

use axum::{Router, response::Response, routing::get};
use clap::ValueEnum;
use tokio::net::TcpListener;
use tower::util::MapResponseLayer;
use tower_singleflight::{HttpSingleflightLayer, SharedBody};

use crate::{
    Fault,
    load::Load,
    process::{self, Process},
    stats::{median, table, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Connections that are kept alive.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// How often each side is measured; the sides take turns.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1_001))]
    rounds: u32,
    /// How long one measurement takes, in s.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=600))]
    time: u64,
}

/// One of the servers that are compared.
#[derive(clap::Args)]
pub(crate) struct Server {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    side: Side,
}

#[derive(Clone, Copy, ValueEnum)]
enum Side {
    Without,
    /// A layer that does nothing but give the response another body type, as ours has to.
    Idle,
    /// Our layer, asked to coalesce nothing: no key and no flight, but a call of its own and a role for each request.
    Off,
    With,
}

pub(crate) async fn serve(server: Server) -> Result<(), Fault> {
    let app = Router::new().route("/items/{id}", get(|| async { "an item" }));
    let app = match server.side {
        Side::Without => app,
        Side::Idle => app.layer(MapResponseLayer::new(|response: Response| response.map(SharedBody::lone))),
        Side::Off => app.layer(HttpSingleflightLayer::new().coalesce_if(|_| false)),
        Side::With => app.layer(HttpSingleflightLayer::new()),
    };
    Ok(axum::serve(TcpListener::bind(server.listen).await?, app).await?)
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let mut sides = Vec::new();
    for side in Side::value_variants() {
        let listen = process::free()?;
        let mut command = Command::new(std::env::current_exe()?);
        let name = side.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        command.args(["server", "--listen", &listen.to_string(), "--side", &name]);
        sides.push((Process::start(command, listen).await?, listen));
    }
    let load = Load::new(options.connections, options.time)?;
    let mut rates: [Vec<f64>; 4] = Default::default();
    let mut cpus = rates.clone();
    let mut ratios = rates.clone();
    for round in 0..options.rounds {
        let mut rate = [0.0; 4];
        // The side that comes first changes, so that none has an advantage.
        for side in (0..4).map(|turn| (turn + round as usize) % 4) {
            let (process, listen) = &sides[side];
            let cpu = process.cpu()?;
            let requests;
            (requests, rate[side]) = load.run(*listen).await?;
            cpus[side].push((process.cpu()? - cpu).as_secs_f64() * 1e6 / requests as f64);
            rates[side].push(rate[side]);
        }
        for (ratios, other) in ratios.iter_mut().zip(rate) {
            ratios.push(100.0 * other / rate[0]);
        }
    }
    let mut table = table(["", "requests/s", "of that without, %", "CPU of the server, us per request"]);
    let names =
        ["without the layer", "with a layer that does nothing", "with the layer, switched off", "with the layer"];
    for (side, name) in names.into_iter().enumerate() {
        let (rate, ratio, cpu) = (median(&rates[side]), median(&ratios[side]), median(&cpus[side]));
        table.add_row([name.to_owned(), format!("{rate:.0}"), format!("{ratio:.1}"), format!("{cpu:.2}")]);
    }
    println!("{table}");
    let ratio = median(&ratios[3]);
    target(ratio >= 97.0, &format!("throughput with the layer: {ratio:.1} % of that without, at least 97"));
    Ok(())
}
