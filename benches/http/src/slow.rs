//! (e) One slow reader among many: what it costs the others, and what it gets.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::{
    task::{JoinSet, coop::consume_budget},
    time::{Instant, sleep},
};
use tower_singleflight::{BodySource, SharedBody};

use crate::{
    Fault,
    memory::Chunks,
    stats::{millis, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    readers: u32,
    /// The size of the body, in MiB.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=65_536))]
    size: u32,
    /// How long a reader may hold the others up, in ms.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    stall: u64,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let (without, _) = read(&options, false).await?;
    let (with, lagged) = read(&options, true).await?;
    let stall = Duration::from_millis(options.stall);
    let rest = with.saturating_sub(stall);
    println!(
        "{} MiB, {} readers: {} ms; with one of 1 KiB/s among them the others take {} ms, {} of them until it is cut",
        options.size,
        options.readers,
        millis(without),
        millis(with),
        options.stall,
    );
    target(
        rest <= without.mul_f64(1.25) + Duration::from_millis(50),
        &format!("once it is cut, {} ms against {} without it", millis(rest), millis(without)),
    );
    target(lagged, "the slow one's body ends in an error that says that it lagged");
    Ok(())
}

/// Returns how long the readers take that are not slow, and whether the slow one was told that it lagged.
async fn read(options: &Options, slow: bool) -> Result<(Duration, bool), Fault> {
    let source = BodySource::new(Chunks(options.size * 16)).stall(Duration::from_millis(options.stall));
    let mut others = JoinSet::new();
    let start = Instant::now();
    let crawling = slow.then(|| tokio::spawn(crawl(source.clone().into_reader())));
    for _ in 1..options.readers {
        others.spawn(all(source.clone().into_reader()));
    }
    drop(source);
    while let Some(reader) = others.join_next().await {
        if reader?? != options.size as usize * (1 << 20) {
            return Err("a reader did not get all".into());
        }
    }
    let elapsed = start.elapsed();
    Ok((
        elapsed,
        match crawling {
            Some(crawling) => crawling.await?,
            None => false,
        },
    ))
}

async fn all(mut body: SharedBody<Chunks>) -> Result<usize, Fault> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame?.data_ref().map_or(0, Bytes::len);
        consume_budget().await;
    }
    Ok(bytes)
}

/// Takes a minute for each chunk of 64 KiB, unless it is cut meanwhile.
async fn crawl(mut body: SharedBody<Chunks>) -> bool {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(_) => sleep(Duration::from_secs(3)).await,
            Err(error) => return error.is_lagged(),
        }
    }
    false
}
