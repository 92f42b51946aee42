//! The herd: clients with a connection each, over a skewed set of keys, arriving within milliseconds.

use std::{collections::HashSet, error::Error, net::SocketAddr, path::Path, time::Duration};

use bytes::Bytes;
use cpu_time::ProcessTime;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use indicatif::ProgressBar;
use rand::{RngExt, SeedableRng, distr::Distribution, rngs::StdRng};
use rand_distr::Zipf;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, interval, sleep_until},
};
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    fleet::Process,
    options::{Options, Serve},
    server::{self, Reports},
};

/// Within what time the herd arrives.
const ARRIVAL: Duration = Duration::from_millis(5);

type Fault = Box<dyn Error + Send + Sync>;

/// The role of a client, as it can see it; without the layer it has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Leader,
    Follower,
    /// Its answer was made by another process.
    Elsewhere,
    Alone,
}

/// One client, from its arrival to the end of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    /// What it asked for.
    pub(crate) region: u32,
    pub(crate) arrived: Duration,
    pub(crate) answered: Duration,
    pub(crate) role: Option<Role>,
}

/// What a herd went through.
pub(crate) struct Run {
    pub(crate) lines: Vec<Line>,
    pub(crate) queries: u64,
    pub(crate) cpu: Duration,
}

impl Run {
    /// Returns whether half of the herd or more asked for what others did: then something can be saved.
    pub(crate) fn has_equals(&self) -> bool {
        let regions: HashSet<_> = self.lines.iter().map(|line| line.region).collect();
        2 * regions.len() <= self.lines.len()
    }
}

/// How often the herd's progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Sends the herd at a server of this process on the database, with the layer or not. If it reloads, as a browser does it,
/// no answer may be from before its request.
pub(crate) async fn run(
    options: &Options,
    path: &Path,
    layer: Option<&HttpSingleflightLayer>,
    reloads: bool,
    bar: &ProgressBar,
) -> Result<Run, Fault> {
    let reports = Reports::open(path)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(server::serve(listener, reports.clone(), layer.cloned()));
    let (lines, cpu) = send(options, &[address], layer, reloads, bar).await?;
    server.abort();
    Ok(Run { lines, queries: reports.queries(), cpu })
}

/// Sends the herd at several processes in turn, as a balancer does.
pub(crate) async fn run_at(options: &Options, serve: &Serve, reloads: bool, bar: &ProgressBar) -> Result<Run, Fault> {
    let mut processes = Vec::new();
    for _ in 0..options.processes {
        processes.push(Process::start(serve).await?);
    }
    let addresses: Vec<_> = processes.iter().map(|process| process.address).collect();
    let (lines, cpu) = send(options, &addresses, None, reloads, bar).await?;
    let mut run = Run { lines, queries: 0, cpu };
    for process in &mut processes {
        let (queries, cpu) = process.spent().await?;
        run.queries += queries;
        run.cpu += cpu;
    }
    Ok(run)
}

async fn send(
    options: &Options,
    addresses: &[SocketAddr],
    layer: Option<&HttpSingleflightLayer>,
    reloads: bool,
    bar: &ProgressBar,
) -> Result<(Vec<Line>, Duration), Fault> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let keys = Zipf::new(f64::from(options.keys), options.skew)?;
    let mut clients = Vec::with_capacity(options.herd);
    for at in 0..options.herd {
        let region = keys.sample(&mut random) as u32 - 1;
        let address = addresses[at % addresses.len()];
        clients.push((connect(address).await?, region, ARRIVAL.mul_f64(random.random())));
    }
    let cpu = ProcessTime::now();
    // Far enough ahead for all tasks to be there when the first arrives.
    let start = Instant::now() + Duration::from_millis(50);
    let mut herd = JoinSet::new();
    for (client, region, arrival) in clients {
        herd.spawn(ask(client, region, reloads, start, arrival));
    }
    let mut lines = Vec::with_capacity(options.herd);
    let mut looks = interval(LOOK);
    loop {
        tokio::select! {
            line = herd.join_next() => match line {
                Some(line) => lines.push(line??),
                None => break,
            },
            _ = looks.tick() => show(bar, lines.len(), layer),
        }
    }
    show(bar, lines.len(), layer);
    lines.sort_by_key(|line| line.arrived);
    Ok((lines, cpu.elapsed()))
}

/// Shows how many have their answer; with the layer, what is under way in it too.
fn show(bar: &ProgressBar, answered: usize, layer: Option<&HttpSingleflightLayer>) {
    if let Some(layer) = layer {
        let stats = layer.get_group().stats();
        bar.set_message(format!("{} flights, {} callers, {} saved", stats.in_flight, stats.callers, stats.saved()));
    }
    bar.set_position(answered as u64);
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Empty<Bytes>>, Fault> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn ask(
    mut client: SendRequest<Empty<Bytes>>,
    region: u32,
    reloads: bool,
    start: Instant,
    arrival: Duration,
) -> Result<Line, Fault> {
    sleep_until(start + arrival).await;
    let arrived = start.elapsed();
    let mut request = Request::get(format!("/reports/{region}")).header(header::HOST, "reports");
    if reloads {
        request = request.header(header::CACHE_CONTROL, "no-cache").header(header::PRAGMA, "no-cache");
    }
    let response = client.send_request(request.body(Empty::new())?).await?;
    let role = response.headers().get("cache-status").map(|status| match status.as_bytes() {
        status if status.ends_with(b"; detail=fleet") => Role::Elsewhere,
        status if status.ends_with(b"; collapsed") => Role::Follower,
        status if status.ends_with(b"fwd=uri-miss") => Role::Leader,
        _ => Role::Alone,
    });
    let status = response.status();
    response.into_body().collect().await?;
    if status != StatusCode::OK {
        return Err(format!("the server answers {status}").into());
    }
    Ok(Line { region, arrived, answered: start.elapsed(), role })
}
