//! One steady slow client among nine fast ones, over sockets: what it costs them, and whether all get all.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, routing::get, serve::ListenerExt};
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::stream;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower_singleflight::{
    HttpSingleflightLayer,
    http::{HttpGroup, LargeBodies},
};

use crate::{
    Fault,
    stats::{median, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Pairs of runs, with the slow client and without.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=101))]
    pairs: u32,
    /// How long readers may be held up in sum, in ms.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    stall: u64,
    /// The large body, in MiB.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1_024))]
    size: u32,
    /// Which version of HTTP the clients speak.
    #[arg(long, value_enum, default_value = "http1")]
    version: Version,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Version {
    Http1,
    Http2,
}

/// Clients that read as fast as they can.
const FAST: usize = 9;
const CHUNK: usize = 16 << 10;

/// How the slow client reads: so many bytes, then a pause.
#[derive(Clone, Copy)]
struct Pace {
    name: &'static str,
    bytes: usize,
    pause: Duration,
}

const PACES: [Pace; 3] = [
    Pace { name: "a frame every 4 s", bytes: CHUNK, pause: Duration::from_secs(4) },
    Pace { name: "160 KiB/s", bytes: 8 << 10, pause: Duration::from_millis(50) },
    Pace { name: "1.6 MiB/s", bytes: 80 << 10, pause: Duration::from_millis(50) },
];

/// What is asked of the layer.
#[derive(Clone, Copy)]
struct Case {
    mode: &'static str,
    large: LargeBodies,
    bytes: usize,
    announced: bool,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let spill = LargeBodies::Spill { per_body: 1 << 30, total: 4 << 30 };
    for (mode, large) in [("alone", LargeBodies::Alone), ("spill", spill), ("stream", LargeBodies::Stream)] {
        for bytes in [900 << 10, options.size as usize * (1 << 20)] {
            for announced in [true, false] {
                let case = Case { mode, large, bytes, announced };
                for pace in PACES {
                    pair(&options, case, pace).await?;
                }
            }
        }
    }
    Ok(())
}

/// Runs a case with the slow client and without, in turn.
async fn pair(options: &Options, case: Case, pace: Pace) -> Result<(), Fault> {
    let (mut with, mut without, mut whole, mut cut) = (Vec::new(), Vec::new(), true, 0);
    for _ in 0..options.pairs {
        for (pace, times) in [(None, &mut without), (Some(pace), &mut with)] {
            let read = read(options, case, pace).await?;
            times.push(read.took);
            whole &= read.slow_whole;
            cut += read.fast_cut;
        }
    }
    let (with, without, stall) = (median(&with), median(&without), options.stall as f64);
    let Case { mode, bytes, announced, .. } = case;
    let large = bytes > 1 << 20;
    // Only a body that is shared through the window alone can be held up.
    let may_stall = large && (mode == "stream" || (mode == "alone" && !announced));
    let size = if announced { "announced" } else { "unknown" };
    let text = format!(
        "{mode}, {} KiB {size}, {}: the fast {with:.1} ms, {without:.1} without it, {cut} of them cut; the slow one {}",
        bytes >> 10,
        pace.name,
        if whole { "whole" } else { "cut" },
    );
    let bound = if may_stall { without * 1.15 + stall } else { without * 1.15 };
    target(with <= bound && cut == 0 && (whole || may_stall), &text);
    Ok(())
}

/// How the readers of one body fared.
struct Read {
    /// How long the fast ones took, in ms.
    took: f64,
    /// How many of the fast ones did not get all.
    fast_cut: usize,
    /// Whether the slow one got all.
    slow_whole: bool,
}

/// Lets the fast clients read one body, and with `pace` the slow one too.
async fn read(options: &Options, case: Case, pace: Option<Pace>) -> Result<Read, Fault> {
    let count = FAST + usize::from(pace.is_some());
    let group = HttpGroup::new();
    let (open, gate) = watch::channel(false);
    let layer = HttpSingleflightLayer::new()
        .group(group.clone())
        .stall(Duration::from_millis(options.stall))
        .large_bodies(case.large);
    let handler = move || {
        let mut gate = gate.clone();
        async move {
            let _ = gate.wait_for(|open| *open).await;
            answer(case)
        }
    };
    let app = Router::new().route("/body", get(handler)).layer(layer.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (done, others_done) = watch::channel(false);
    let mut fast = JoinSet::new();
    for _ in 0..FAST {
        fast.spawn(client(address, options.version, None, others_done.clone()));
    }
    let slow = pace.map(|pace| tokio::spawn(client(address, options.version, Some(pace), others_done)));
    let key = layer.key(&request(address)?.into_parts().0).ok_or("the request has a key")?;
    let aboard = async {
        while group.callers(&key) < count {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), aboard).await.map_err(|_| "the clients did not meet")?;
    let start = Instant::now();
    open.send_replace(true);
    let mut fast_cut = 0;
    while let Some(read) = fast.join_next().await {
        fast_cut += usize::from(!read?.is_ok_and(|bytes| bytes == case.bytes));
    }
    let took = start.elapsed().as_secs_f64() * 1e3;
    done.send_replace(true);
    let slow_whole = match slow {
        Some(slow) => slow.await?.is_ok_and(|bytes| bytes == case.bytes),
        None => true,
    };
    server.abort();
    Ok(Read { took, fast_cut, slow_whole })
}

/// Returns a body in chunks.
fn answer(case: Case) -> Response<Body> {
    let chunks = case.bytes / CHUNK;
    let rest = case.bytes % CHUNK;
    let sizes = std::iter::repeat_n(CHUNK, chunks).chain((rest > 0).then_some(rest));
    let frames = sizes.map(|size| Ok::<_, Infallible>(Bytes::from_static(&[7; CHUNK]).slice(..size)));
    let mut response = Response::new(Body::from_stream(stream::iter(frames)));
    if case.announced {
        response.headers_mut().insert(header::CONTENT_LENGTH, case.bytes.into());
    }
    response
}

fn request(address: SocketAddr) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get("/body").header(header::HOST, address.to_string()).body(Empty::new())
}

/// Reads a body to its end, at this pace until the others are done; returns how many bytes came.
async fn client(
    address: SocketAddr,
    version: Version,
    pace: Option<Pace>,
    mut others_done: watch::Receiver<bool>,
) -> Result<usize, Fault> {
    let socket = TcpSocket::new_v4()?;
    if pace.is_some() && version == Version::Http1 {
        // Otherwise the socket takes in what the client does not read; HTTP/2 has windows of its own.
        socket.set_recv_buffer_size(16 << 10)?;
    }
    let stream = socket.connect(address).await?;
    // As clients do: otherwise each update of a window waits until the last one is acknowledged.
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(stream);
    let answer = match version {
        Version::Http1 => {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request(address)?).await?
        }
        Version::Http2 => {
            let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            // A client that reads slowly mostly keeps the window that it begins with (RFC 9113, section 6.9.2).
            let window = if pace.is_some() { 65_535 } else { 1 << 20 };
            builder.initial_stream_window_size(window).initial_connection_window_size(window);
            let (mut sender, connection) = builder.handshake::<_, Empty<Bytes>>(stream).await?;
            tokio::spawn(connection);
            let uri = format!("http://{address}/body");
            sender.send_request(Request::get(uri).body(Empty::new())?).await?
        }
    };
    let (mut body, mut bytes, mut since) = (answer.into_body(), 0, 0);
    while let Some(frame) = body.frame().await {
        let length = frame?.data_ref().map_or(0, Bytes::len);
        bytes += length;
        since += length;
        let Some(pace) = pace.filter(|pace| since >= pace.bytes && !*others_done.borrow()) else { continue };
        since = 0;
        tokio::select! {
            () = sleep(pace.pause) => {}
            _ = others_done.changed() => {}
        }
    }
    Ok(bytes)
}
