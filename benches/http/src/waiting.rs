//! Clients that wait in the proxy: memory for each, connection included.

use std::{net::SocketAddr, time::Duration};

use tokio::time::sleep;

use crate::{
    Fault,
    client::Client,
    origin,
    process::{self, Process},
    stats::target,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    clients: u32,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let long = Duration::from_secs(600);
    let (server, address) = origin::start(long).await?;
    let floor = waiting(&server, address, options.clients).await?;
    drop(server);

    let (_origin, upstream) = origin::start(long).await?;
    let listen = process::free()?;
    let proxy = Process::start(process::proxy(listen, upstream)?, listen).await?;
    let each = waiting(&proxy, listen, options.clients).await?;
    let calls = origin::calls(upstream).await?;
    println!(
        "{} clients wait for {calls} call: {each:.1} KiB each; in a server that does nothing else, {floor:.1}",
        options.clients
    );
    target(each <= 10.9, &format!("{each:.1} KiB for each waiting client, at most 10.9"));
    Ok(())
}

/// Returns the memory of a client that waits, in KiB.
async fn waiting(server: &Process, address: SocketAddr, count: u32) -> Result<f64, Fault> {
    let mut clients = Vec::new();
    // The first clients pay for what all share.
    for _ in 0..100 {
        clients.push(ask(address).await?);
    }
    sleep(Duration::from_secs(1)).await;
    let before = server.resident()?;
    for _ in 0..count {
        clients.push(ask(address).await?);
    }
    sleep(Duration::from_secs(2)).await;
    Ok(server.resident()?.saturating_sub(before) as f64 / f64::from(count) / 1024.0)
}

async fn ask(address: SocketAddr) -> Result<Client, Fault> {
    let mut client = Client::connect(address).await?;
    client.send("/wait").await?;
    Ok(client)
}
