//! (e) One slow reader among many: what it costs the others, and what it gets.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::{
    sync::oneshot,
    task::{JoinSet, coop::consume_budget},
    time::{Instant, Sleep, sleep},
};
use tower_singleflight::{SharedBody, http::BodySource};

use crate::{
    Fault,
    memory::Chunks,
    stats::{median, target},
};

/// The window of a body, in chunks of 64 KiB.
const WINDOW: u32 = 16;

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
    /// How often each case is measured; they take turns.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=101))]
    rounds: u32,
}

/// What holds the readers up.
#[derive(Clone, Copy, PartialEq)]
enum Case {
    Nothing,
    /// An origin that pauses for as long as the slow reader may stall: what any pause costs.
    Pause,
    SlowReader,
}

/// What the readers that are not slow saw, in ms.
struct Seen {
    /// Until each had the whole body.
    total: f64,
    /// The longest wait of one of them for a frame: until the origin goes on, or the slow reader is cut.
    held_up: f64,
    /// Whether the slow one was told that it lagged.
    lagged: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let mut rests: [Vec<f64>; 3] = Default::default();
    let (mut held_up, mut lagged) = (Vec::new(), true);
    for _ in 0..options.rounds {
        for (case, rests) in [Case::Nothing, Case::Pause, Case::SlowReader].into_iter().zip(&mut rests) {
            let seen = read(&options, case).await?;
            rests.push(seen.total - seen.held_up);
            if case == Case::SlowReader {
                held_up.push(seen.held_up);
                lagged &= seen.lagged;
            }
        }
    }
    let [nothing, pause, slow] = rests.map(|rests| median(&rests));
    let (Options { size, readers, rounds, .. }, held_up) = (options, median(&held_up));
    println!("{size} MiB, {readers} readers, medians of {rounds} rounds: {nothing:.1} ms if nothing holds them up");
    println!("one of 1 KiB/s holds the others up for {held_up:.1} ms, and is cut");
    target(
        slow <= 1.25 * pause,
        &format!(
            "the others take {slow:.1} ms beside that; {pause:.1} if the origin pauses as long; at most 25 % more"
        ),
    );
    target(lagged, "the slow one's body ends in an error that says that it lagged");
    Ok(())
}

/// Reads one body to its end.
async fn read(options: &Options, case: Case) -> Result<Seen, Fault> {
    let stall = Duration::from_millis(options.stall);
    let pause = (case == Case::Pause).then(|| Box::pin(sleep(stall)));
    let source = BodySource::new(Origin { chunks: Chunks(options.size * 16), pause, first: WINDOW }).stall(stall);
    let (done, others_done) = oneshot::channel();
    let mut others = JoinSet::new();
    let start = Instant::now();
    let crawling = (case == Case::SlowReader).then(|| tokio::spawn(crawl(source.clone().into_reader(), others_done)));
    for _ in 1..options.readers {
        others.spawn(all(source.clone().into_reader()));
    }
    drop(source);
    let mut held_up = Duration::ZERO;
    while let Some(reader) = others.join_next().await {
        let (bytes, longest) = reader??;
        if bytes != options.size as usize * (1 << 20) {
            return Err("a reader did not get all".into());
        }
        held_up = held_up.max(longest);
    }
    let total = start.elapsed();
    drop(done);
    let lagged = match crawling {
        Some(crawling) => crawling.await?,
        None => false,
    };
    Ok(Seen { total: ms(total), held_up: ms(held_up), lagged })
}

/// Chunks, with a pause where a slow reader would stall them.
struct Origin {
    chunks: Chunks,
    pause: Option<Pin<Box<Sleep>>>,
    /// How many chunks come before the pause.
    first: u32,
}

impl Body for Origin {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.first > 0 {
            self.first -= 1;
        } else if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        Pin::new(&mut self.chunks).poll_frame(cx)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Returns how many bytes came, and the longest wait for a frame.
async fn all(mut body: SharedBody<Origin>) -> Result<(usize, Duration), Fault> {
    let (mut bytes, mut longest, mut last) = (0, Duration::ZERO, Instant::now());
    while let Some(frame) = body.frame().await {
        let now = Instant::now();
        longest = longest.max(now - last);
        last = now;
        bytes += frame?.data_ref().map_or(0, Bytes::len);
        consume_budget().await;
    }
    Ok((bytes, longest))
}

/// Takes 64 s for each chunk of 64 KiB, but does not sleep on when the others are done; returns whether it was cut.
async fn crawl(mut body: SharedBody<Origin>, mut others_done: oneshot::Receiver<()>) -> bool {
    let mut alone = false;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(_) if alone => {}
            Ok(_) => tokio::select! {
                () = sleep(Duration::from_secs(64)) => {}
                _ = &mut others_done => alone = true,
            },
            Err(error) => return error.is_lagged(),
        }
    }
    false
}
