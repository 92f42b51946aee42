//! A herd with the heads that clients really send: how many calls of the origin it takes, with `User-Agent` in the key and
//! without.

use std::{
    collections::HashSet,
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::Full;
use tokio::sync::Semaphore;
use tower::{Layer, Service, service_fn};
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    Fault,
    stats::{table, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many clients there are; the kinds keep their shares.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
}

/// A kind of client: its head, and how many of a thousand send it.
type Kind = (&'static str, &'static str, usize);

macro_rules! kinds {
    ($($name:literal $share:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../heads/", $name, ".txt")), $share)),+]
    };
}

/// What the herd is made of: a page that is opened, and asked for by scripts and programs.
const KINDS: [Kind; 20] = kinds! {
    "chromium-typed" 120, "chromium-link" 200, "chromium-cross-link" 120, "chromium-reload" 10, "chromium-fetch" 100,
    "chromium-cross-fetch" 50, "firefox-typed" 30, "firefox-link" 60, "firefox-fetch" 30, "inapp-android" 100,
    "inapp-ios" 60, "curl-plain" 20, "curl-compressed" 10, "wget" 10, "python-requests" 30, "python-urllib" 5,
    "node-fetch" 15, "java-httpclient" 5, "reqwest" 15, "hyper" 10,
};

const FAMILIES: [(&str, &[&str]); 4] = [
    ("Chromium", &["chromium"]),
    ("Firefox", &["firefox"]),
    ("in-app browsers", &["inapp"]),
    ("programs", &["curl", "wget", "python", "node", "java", "reqwest", "hyper"]),
];

const VARIANTS: &str = include_str!("../heads/variants.txt");

/// How much the clients of one kind differ.
#[derive(Clone, Copy, PartialEq)]
enum Spread {
    /// All as they were taken.
    Taken,
    /// By version, platform and device.
    Versions,
    /// And by language.
    Languages,
}

type Fields = Vec<(HeaderName, HeaderValue)>;

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let everyone = |_: &str| true;
    let mut all = table(["", "clients", "user agents", "calls", "with `user-agent` in the key"]);
    let mut figures = Vec::new();
    for (name, spread) in [
        ("each kind of client as it was taken", Spread::Taken),
        ("in several versions, on several platforms", Spread::Versions),
        ("and in four languages", Spread::Languages),
    ] {
        figures.push(row(&mut all, name, &herd(options.clients, spread, everyone)?).await?);
    }
    let mut families = table(["by itself", "clients", "user agents", "calls", "with `user-agent` in the key"]);
    for (name, prefixes) in FAMILIES {
        let is_one = |kind: &str| prefixes.iter().any(|prefix| kind.starts_with(prefix));
        row(&mut families, name, &herd(options.clients, Spread::Versions, is_one)?).await?;
    }
    println!("{all}\n\n{families}");
    target(
        figures.iter().all(|(without, with)| without <= with),
        "`user-agent` in the key never takes fewer calls than without it",
    );
    Ok(())
}

async fn row(table: &mut comfy_table::Table, name: &str, herd: &[Fields]) -> Result<(usize, usize), Fault> {
    let agent =
        |fields: &Fields| fields.iter().find(|(name, _)| name == header::USER_AGENT).map(|(_, value)| value.clone());
    let agents: HashSet<_> = herd.iter().map(agent).collect();
    let without = calls(HttpSingleflightLayer::new(), herd).await?;
    let with = calls(HttpSingleflightLayer::new().key_header(header::USER_AGENT), herd).await?;
    let [clients, agents] = [herd.len(), agents.len()].map(|count| count.to_string());
    table.add_row([name.to_owned(), clients, agents, without.to_string(), with.to_string()]);
    Ok((without, with))
}

/// Sends the herd through the layer, to an origin that answers nobody until all are there; returns how many calls that
/// one gets.
async fn calls(layer: HttpSingleflightLayer, herd: &[Fields]) -> Result<usize, Fault> {
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let origin = (Arc::clone(&calls), Arc::clone(&gate));
    let mut service = layer.layer(service_fn(move |_: Request<Full<Bytes>>| {
        let (calls, gate) = origin.clone();
        async move {
            calls.fetch_add(1, SeqCst);
            // It is closed when all are there.
            let _ = gate.acquire().await;
            Ok::<_, Infallible>(Response::new(Full::from("rows")))
        }
    }));
    let mut answers = Vec::with_capacity(herd.len());
    for fields in herd {
        let mut request = Request::get("https://app.example/report").body(Full::default())?;
        request.headers_mut().extend(fields.iter().cloned().map(|(name, value)| (Some(name), value)));
        // A call has joined its flight when it returns.
        answers.push(service.call(request));
    }
    gate.close();
    join_all(answers).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(calls.load(SeqCst))
}

/// Returns the heads of a herd of those kinds, in no order.
fn herd(clients: u32, spread: Spread, wanted: impl Fn(&str) -> bool) -> Result<Vec<Fields>, Fault> {
    let mut herd = Vec::new();
    for (name, head, share) in KINDS {
        if wanted(name) {
            for client in 0..share * clients as usize / 1_000 {
                herd.push(fields(&varied(name, head, client, spread))?);
            }
        }
    }
    // A stride that has no divisor in common with the length takes each once.
    let length = herd.len();
    let stride = (length / 3 * 2..).find(|stride| gcd(*stride, length.max(1)) == 1).unwrap_or(1);
    Ok((0..length).map(|at| herd[at * stride % length].clone()).collect())
}

/// Returns a client's own head: what may differ takes each of its forms in turn.
fn varied(name: &str, head: &str, client: usize, spread: Spread) -> String {
    let (mut head, mut rest) = (head.to_owned(), client);
    for line in VARIANTS.lines().filter(|line| !line.starts_with('#')) {
        let Some((line, forms)) = line.split_once(" => ") else { continue };
        let Some((family, piece)) = line.split_once(": ") else { continue };
        let wanted = match family {
            "*" => spread == Spread::Languages,
            family => spread != Spread::Taken && name.starts_with(family),
        };
        if wanted && head.contains(piece) {
            let forms: Vec<_> = forms.split(" | ").collect();
            head = head.replace(piece, forms[rest % forms.len()]);
            rest /= forms.len();
        }
    }
    head.replace("HeadlessChrome", "Chrome")
}

/// Returns the fields of a head, without those that the target is made of.
fn fields(head: &str) -> Result<Fields, Fault> {
    let mut fields = Fields::new();
    for line in head.lines().skip(1).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").ok_or("a line of a head is no field")?;
        if !name.eq_ignore_ascii_case("host") {
            fields.push((HeaderName::try_from(name)?, HeaderValue::try_from(value)?));
        }
    }
    Ok(fields)
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
