//! (d) A large body with many readers: how much memory it takes.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::task::{JoinSet, coop::consume_budget};
use tower_singleflight::http::BodySource;

use crate::{Fault, process::resident, stats::target};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    readers: u32,
    /// The size of the body, in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    size: u32,
}

const CHUNK: usize = 64 << 10;
const WINDOW: usize = 1 << 20;

/// Makes chunks one by one, as a socket would.
pub(crate) struct Chunks(pub(crate) u32);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![7; CHUNK])))))
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let chunks = options.size * ((1 << 20) / CHUNK as u32);
    let source = BodySource::new(Chunks(chunks)).window(WINDOW);
    let claims: Vec<_> = (1..options.readers).map(|_| source.clone()).collect();
    let before = resident("self")?;
    let mut readers = JoinSet::new();
    for claim in claims.into_iter().chain([source]) {
        let mut body = claim.into_reader();
        readers.spawn(async move {
            let (mut bytes, mut peak) = (0, 0);
            while let Some(frame) = body.frame().await {
                bytes += frame?.data_ref().map_or(0, Bytes::len);
                if bytes % (64 * CHUNK) == 0 {
                    peak = peak.max(resident("self")?);
                }
                consume_budget().await;
            }
            Ok::<_, Fault>((bytes, peak))
        });
    }
    let mut peak = 0;
    while let Some(reader) = readers.join_next().await {
        let (bytes, seen) = reader??;
        if bytes != chunks as usize * CHUNK {
            return Err("a reader did not get all".into());
        }
        peak = peak.max(seen);
    }
    let (grown, allowed) = (peak.saturating_sub(before), WINDOW as u64 + u64::from(options.readers) * (64 << 10));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("{} MiB, {} readers: memory grows by {:.1} MiB", options.size, options.readers, mib(grown));
    target(
        grown <= allowed,
        &format!("{:.1} MiB, at most {:.1}: the window and 64 KiB for each reader", mib(grown), mib(allowed)),
    );
    Ok(())
}
