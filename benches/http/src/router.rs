//! (a) Unique keys through axum: nobody shares, so whatever the layer costs is pure loss.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, response::Response, routing::get};
use cpu_time::ProcessTime;
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tower::util::MapResponseLayer;
use tower_singleflight::{HttpSingleflightLayer, SharedBody};

use crate::{
    Fault,
    client::Client,
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
    /// How long one measurement takes, in ms.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    time: u64,
}

#[derive(Clone, Copy)]
enum Side {
    Without,
    /// A layer that does nothing but give the response another body type, as ours has to.
    Idle,
    /// Our layer, asked to coalesce nothing: no key and no flight, but a call of its own and a role for each request.
    Off,
    With,
}

async fn serve(side: Side) -> Result<SocketAddr, Fault> {
    let app = Router::new().route("/items/{id}", get(|| async { "an item" }));
    let app = match side {
        Side::Without => app,
        Side::Idle => app.layer(MapResponseLayer::new(|response: Response| response.map(SharedBody::lone))),
        Side::Off => app.layer(HttpSingleflightLayer::new().coalesce_if(|_| false)),
        Side::With => app.layer(HttpSingleflightLayer::new()),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(address)
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let sides =
        [serve(Side::Without).await?, serve(Side::Idle).await?, serve(Side::Off).await?, serve(Side::With).await?];
    let mut rates: [Vec<f64>; 4] = Default::default();
    let mut cpus = rates.clone();
    let mut ratios = rates.clone();
    for round in 0..options.rounds {
        let mut rate = [0.0; 4];
        // Who is first changes, so that nobody has the better of it.
        for side in (0..4).map(|turn| (turn + round as usize) % 4) {
            let cpu = ProcessTime::now();
            let (requests, elapsed) =
                load(sides[side], options.connections, Duration::from_millis(options.time)).await?;
            rate[side] = requests as f64 / elapsed.as_secs_f64();
            cpus[side].push(cpu.elapsed().as_secs_f64() * 1e6 / requests as f64);
            rates[side].push(rate[side]);
        }
        for (ratios, other) in ratios.iter_mut().zip(rate) {
            ratios.push(100.0 * other / rate[0]);
        }
    }
    let mut table = table(["", "requests/s", "of that without, %", "CPU, us per request, client included"]);
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

/// Asks for keys that nobody asked for before, on all connections at once.
pub(crate) async fn load(address: SocketAddr, connections: u32, time: Duration) -> Result<(u64, Duration), Fault> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        clients.push(Client::connect(address).await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, mut client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut requests = 0_u64;
            while start.elapsed() < time {
                let answer = client.get(&format!("/items/{number}-{requests}")).await?;
                if answer.status != 200 {
                    return Err(Fault::from(format!("status {}", answer.status)));
                }
                requests += 1;
            }
            Ok(requests)
        });
    }
    let mut requests = 0;
    while let Some(task) = tasks.join_next().await {
        requests += task??;
    }
    Ok((requests, start.elapsed()))
}
