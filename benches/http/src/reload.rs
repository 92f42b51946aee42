//! Herds that reload: how many calls the origin sees, and how long clients wait (S13, S21).

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use comfy_table::Table;
use futures_util::future::join_all;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, Service, service_fn, util::BoxCloneSyncService};
use tower_singleflight::{HttpSingleflightLayer, SharedBody};

use crate::{
    Fault,
    stats::{percentile, table, target},
};

const MS: Duration = Duration::from_millis(1);

/// In one process, without sockets, which would add the same to each line.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How long the sustained lines take, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: u32,
}

type Client = BoxCloneSyncService<Request<Empty<Bytes>>, Response<SharedBody<Full<Bytes>>>, Infallible>;

/// An origin that answers with the number of writes made before it was called.
#[derive(Clone)]
struct Origin {
    calls: Arc<AtomicUsize>,
    written: Arc<AtomicU64>,
    takes: Duration,
    private: bool,
    /// When the origin is well; until then every call hangs.
    well: Option<Instant>,
}

impl Origin {
    fn new(takes: Duration) -> Self {
        Self { calls: Arc::default(), written: Arc::default(), takes, private: false, well: None }
    }

    async fn answer(self, request: Request<Empty<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        let said = if request.method() == Method::POST {
            self.written.fetch_add(1, SeqCst) + 1
        } else {
            self.calls.fetch_add(1, SeqCst);
            let read = self.written.load(SeqCst);
            match self.well.filter(|well| Instant::now() < *well) {
                Some(_) => pending().await,
                None => sleep(self.takes).await,
            }
            read
        };
        let mut response = Response::new(Full::from(said.to_string()));
        if self.private {
            response.headers_mut().insert("cache-control", http::HeaderValue::from_static("private"));
        }
        Ok(response)
    }

    fn client(&self) -> Client {
        let origin = self.clone();
        let service = service_fn(move |request| origin.clone().answer(request));
        BoxCloneSyncService::new(HttpSingleflightLayer::new().layer(service))
    }
}

/// Sends a request when it is time; returns what it got, and after how long.
async fn ask(mut client: Client, at: Instant, method: Method) -> Result<(u64, Duration), Fault> {
    sleep_until(at).await;
    let mut request = Request::builder().method(method.clone()).uri("http://a.example/x");
    if method == Method::GET {
        request = request.header("cache-control", "no-cache");
    }
    let called = Instant::now();
    let response = client.call(request.body(Empty::new())?).await?;
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
    Ok((std::str::from_utf8(&body)?.parse()?, called.elapsed()))
}

/// Sends reloads at this pace; returns the waits, in order.
async fn reloads(client: &Client, count: u32, pace: Duration) -> Result<Vec<Duration>, Fault> {
    let start = Instant::now();
    let asked = (0..count).map(|number| tokio::spawn(ask(client.clone(), start + pace * number, Method::GET)));
    let mut waits = Vec::new();
    for got in join_all(asked).await {
        waits.push(got?.map_err(|error| error.to_string())?.1);
    }
    waits.sort_unstable();
    Ok(waits)
}

/// The wait that this share of those who were answered did not exceed, as the table shows it.
fn shown(waits: &[Duration], share: f64) -> String {
    if waits.is_empty() { "-".to_owned() } else { format!("{:.1} ms", percentile(waits, share).as_secs_f64() * 1e3) }
}

/// What was measured, and what was aimed for, with figures for a quiet machine.
struct Findings {
    table: Table,
    targets: Vec<(bool, &'static str)>,
}

impl Findings {
    fn line(&mut self, what: &str, waits: &[Duration], calls: String) {
        let waited = [0.5, 0.99, 1.0].map(|share| shown(waits, share));
        self.table.add_row([what.to_owned(), waits.len().to_string(), calls].into_iter().chain(waited));
    }

    fn target(&mut self, met: bool, text: &'static str) {
        self.targets.push((met, text));
    }
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let table = table(["", "requests", "calls of the origin", "median wait", "p99", "longest"]);
    let mut findings = Findings { table, targets: Vec::new() };
    herd(&mut findings).await?;
    private_page(&mut findings).await?;
    sustained(options.seconds, &mut findings).await?;
    hanging(&mut findings).await?;
    storm(options.seconds, &mut findings).await?;
    println!("{}\n", findings.table);
    for (met, text) in findings.targets {
        target(met, text);
    }
    Ok(())
}

async fn herd(findings: &mut Findings) -> Result<(), Fault> {
    let origin = Origin::new(200 * MS);
    let waits = reloads(&origin.client(), 100, MS / 2).await?;
    let calls = origin.calls.load(SeqCst);
    findings.line("100 clients within 50 ms, origin of 200 ms", &waits, calls.to_string());
    findings.target(calls <= 2, "a herd is at most 2 calls");
    findings.target(percentile(&waits, 0.99) <= 405 * MS, "and waits for at most 405 ms (p99)");
    Ok(())
}

async fn private_page(findings: &mut Findings) -> Result<(), Fault> {
    let origin = Origin { private: true, ..Origin::new(200 * MS) };
    let client = origin.client();
    for what in ["the same, a private page", "the next burst"] {
        let before = origin.calls.load(SeqCst);
        let waits = reloads(&client, 100, MS / 2).await?;
        findings.line(what, &waits, (origin.calls.load(SeqCst) - before).to_string());
        let met = percentile(&waits, 0.99) <= 410 * MS;
        findings.target(met, "one that gets a private page waits for at most 410 ms (p99)");
    }
    Ok(())
}

async fn sustained(seconds: u32, findings: &mut Findings) -> Result<(), Fault> {
    let origin = Origin::new(20 * MS);
    let waits = reloads(&origin.client(), 1_000 * seconds, MS).await?;
    let rate = origin.calls.load(SeqCst) as f64 / f64::from(seconds);
    findings.line("1,000 a second, origin of 20 ms", &waits, format!("{rate:.1} a second"));
    findings.target(rate <= 51.0, "1,000 reloads a second are at most 51 runs a second");
    findings.target(percentile(&waits, 1.0) <= 50 * MS, "of whom nobody waits for more than 50 ms");
    Ok(())
}

/// Requests that came while it hung are on calls that hang: these are left alone, the others are counted.
async fn hanging(findings: &mut Findings) -> Result<(), Fault> {
    let origin = Origin { well: Some(Instant::now() + 3_000 * MS), ..Origin::new(200 * MS) };
    let (client, start) = (origin.client(), Instant::now());
    let tasks: Vec<_> =
        (0..100).map(|number| tokio::spawn(ask(client.clone(), start + 50 * MS * number, Method::GET))).collect();
    sleep_until(start + 6_500 * MS).await;
    let mut waits = Vec::new();
    for task in tasks {
        if task.is_finished() {
            waits.push(task.await?.map_err(|error| error.to_string())?.1);
        } else {
            task.abort();
        }
    }
    waits.sort_unstable();
    let calls = format!("{} in 6.5 s", origin.calls.load(SeqCst));
    findings.line("100 in 5 s, an origin that hangs for 3 s: those answered", &waits, calls);
    findings.target(!waits.is_empty(), "reloads of a page that hung are answered when it is well again");
    Ok(())
}

/// Reads of a page that is written to faster than it is read.
async fn storm(seconds: u32, findings: &mut Findings) -> Result<(), Fault> {
    let origin = Origin::new(200 * MS);
    let (client, start) = (origin.client(), Instant::now());
    let second = Duration::from_secs(1);
    let answered = Arc::new(AtomicU64::new(0));
    let writes = (0..600 * seconds).map(|number| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        tokio::spawn(async move {
            let (written, _) = ask(client, start + second * number / 600, Method::POST).await.unwrap_or_default();
            answered.fetch_max(written, SeqCst);
        })
    });
    let reads = (0..100 * seconds).map(|number| {
        let (client, answered) = (client.clone(), Arc::clone(&answered));
        tokio::spawn(read(client, start + second * number / 100, answered))
    });
    let (_, reads) = tokio::join!(join_all(writes), join_all(reads));
    let (mut waits, mut stale) = (Vec::new(), 0);
    for read in reads {
        match read? {
            Some(wait) => waits.push(wait),
            None => stale += 1,
        }
    }
    waits.sort_unstable();
    let rate = origin.calls.load(SeqCst) as f64 / f64::from(seconds);
    let calls = format!("{rate:.1} a second, {stale} reads stale");
    findings.line("100 reads a second beside 600 writes, origin of 200 ms", &waits, calls);
    findings.target(rate <= 12.0, "100 reads a second beside 600 writes are at most 12 calls a second");
    findings.target(stale == 0, "and none is stale");
    Ok(())
}

/// Reads when it is time; returns how long that took, unless what it got is older than what had been answered before.
async fn read(mut client: Client, at: Instant, answered: Arc<AtomicU64>) -> Option<Duration> {
    sleep_until(at).await;
    let (before, called) = (answered.load(SeqCst), Instant::now());
    let request = Request::get("http://a.example/x").body(Empty::new()).ok()?;
    let Ok(response) = client.call(request).await;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    let read: u64 = std::str::from_utf8(&body).ok()?.parse().ok()?;
    (read >= before).then(|| called.elapsed())
}
