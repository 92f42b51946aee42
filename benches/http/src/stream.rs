//! (c) A streamed body: how far behind the origin each chunk reaches each reader.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep},
};
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    Fault,
    stats::{millis, percentile, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    readers: u32,
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    chunks: u32,
    /// Between two chunks, in ms.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    every: u64,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let (chunks, every, epoch) = (options.chunks, Duration::from_millis(options.every), Instant::now());
    static STREAMS: AtomicU32 = AtomicU32::new(0);
    let body = move || async move {
        STREAMS.fetch_add(1, Relaxed);
        // By the time the head comes, all readers have joined.
        sleep(Duration::from_millis(500)).await;
        Body::from_stream(stream::unfold(0, move |chunk| async move {
            sleep(every).await;
            let line = format!("{:>20}\n", epoch.elapsed().as_nanos());
            (chunk < chunks).then_some((Ok::<_, std::convert::Infallible>(Bytes::from(line)), chunk + 1))
        }))
    };
    let app = Router::new().route("/stream", get(body)).layer(HttpSingleflightLayer::new());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async { axum::serve(listener, app).await });

    let mut readers = JoinSet::new();
    for _ in 0..options.readers {
        readers.spawn(read(address, epoch, chunks));
    }
    let mut delays = Vec::new();
    while let Some(reader) = readers.join_next().await {
        delays.extend(reader??);
    }
    let late = percentile(&delays, 0.99);
    println!(
        "{} readers, {chunks} chunks every {} ms: behind the origin by p50 {} ms, p99 {} ms, at worst {} ms",
        options.readers,
        options.every,
        millis(percentile(&delays, 0.5)),
        millis(late),
        millis(percentile(&delays, 1.0)),
    );
    target(STREAMS.load(Relaxed) == 1, &format!("{} stream of the origin for all", STREAMS.load(Relaxed)));
    target(delays.len() as u32 == options.readers * chunks, "every reader has every chunk");
    target(late <= Duration::from_millis(10), &format!("p99 delay of a chunk: {} ms, at most 10", millis(late)));
    Ok(())
}

/// Reads the stream; returns how late each chunk was, by the time that is written in it.
async fn read(address: SocketAddr, epoch: Instant, chunks: u32) -> Result<Vec<Duration>, Fault> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"GET /stream HTTP/1.1\r\nhost: bench\r\n\r\n").await?;
    let (mut text, mut delays) = (Vec::new(), Vec::new());
    while delays.len() < chunks as usize {
        if stream.read_buf(&mut text).await? == 0 {
            return Err("the stream ends early".into());
        }
        let now = epoch.elapsed();
        let lines = String::from_utf8_lossy(&text);
        let stamps = lines.lines().filter(|line| line.len() == 20).filter_map(|line| line.trim().parse::<u64>().ok());
        let seen = delays.len();
        delays.extend(stamps.skip(seen).map(|stamp| now.saturating_sub(Duration::from_nanos(stamp))));
    }
    Ok(delays)
}
