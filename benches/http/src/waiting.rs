//! Clients that wait in the proxy example: memory for each, connection included.

use std::time::Duration;

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
    let (_origin, upstream) = origin::start(Duration::from_secs(600)).await?;
    let listen = process::free()?;
    let proxy = Process::start(process::proxy(listen, upstream)?, listen).await?;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(Client::connect(listen).await?);
        clients.last_mut().ok_or("no client")?.send("/wait").await?;
    }
    sleep(Duration::from_secs(1)).await;
    let before = proxy.resident()?;
    for _ in 0..options.clients {
        let mut client = Client::connect(listen).await?;
        client.send("/wait").await?;
        clients.push(client);
    }
    sleep(Duration::from_secs(2)).await;
    let each = (proxy.resident()?.saturating_sub(before)) as f64 / f64::from(options.clients) / 1024.0;
    let calls = origin::calls(upstream).await?;
    println!("{} clients wait for {calls} call: {each:.1} KiB each", options.clients);
    target(each <= 12.0, &format!("{each:.1} KiB for each waiting client, at most 12"));
    Ok(())
}
