//! A million requests of many users, with cookies, credentials, gateways' and tracers' fields, `Vary`, `Set-Cookie`,
//! versions and breaking bodies at random. The origin writes into each body whom it is for. Counts bodies in the wrong
//! hands, and cut ones that look whole.

use std::{
    convert::Infallible,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use indicatif::{ProgressBar, ProgressStyle};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::{JoinSet, yield_now};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    HttpSingleflightLayer, Role,
    http::{Coalesced, HttpSingleflight},
};

use crate::{Fault, stats::target};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    requests: u64,
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

/// Callers at a time.
const TASKS: u64 = 64;

static CALLS: AtomicU64 = AtomicU64::new(0);

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let style = ProgressStyle::with_template("{bar:40} {percent}% {elapsed}")?;
    let bar = ProgressBar::new(options.requests).with_style(style);
    let plain = HttpSingleflightLayer::new().layer(service_fn(answer as fn(_) -> _));
    let keyed = HttpSingleflightLayer::new().per_credential().layer(service_fn(answer as fn(_) -> _));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (plain, keyed, bar) = (plain.clone(), keyed.clone(), bar.clone());
        let requests = options.requests / TASKS + u64::from(task < options.requests % TASKS);
        let mut random = StdRng::seed_from_u64(options.seed.wrapping_add(task));
        tasks.spawn(async move {
            let mut seen = Seen::default();
            for number in 0..requests {
                let user = random.random_range(0..options.users);
                let (request, asked) = draw(&mut random, user);
                let mut service: HttpSingleflight<_> = if random.random() { plain.clone() } else { keyed.clone() };
                let response = service.call(request).await?;
                let role = response.extensions().get::<Coalesced>().map(|coalesced| coalesced.role);
                seen.shared += u64::from(role == Some(Role::Follower));
                let cookie = response.headers().get("set-cookie").cloned();
                match (response.into_body().collect().await, asked.breaks) {
                    (Ok(_), true) => seen.cut += 1,
                    (Ok(body), false) => {
                        let foreign = cookie.is_some_and(|cookie| cookie.as_bytes() != asked.whose.as_bytes());
                        seen.wrong += u64::from(body.to_bytes() != asked.whose || foreign);
                    }
                    (Err(_), true) => {}
                    (Err(error), false) => return Err(error.into()),
                }
                if number % 1024 == 0 {
                    bar.inc(1024.min(requests - number));
                }
            }
            Ok::<_, Fault>(seen)
        });
    }
    let mut seen = Seen::default();
    while let Some(task) = tasks.join_next().await {
        let Seen { wrong, shared, cut } = task??;
        seen.wrong += wrong;
        seen.shared += shared;
        seen.cut += cut;
    }
    bar.finish_and_clear();
    let Seen { wrong, shared, cut } = seen;
    println!(
        "{} requests of {} users: {} calls, {shared} followers",
        options.requests,
        options.users,
        CALLS.load(Relaxed)
    );
    target(wrong == 0, &format!("{wrong} bodies in the wrong hands"));
    target(cut == 0, &format!("{cut} bodies that broke off and looked whole"));
    target(shared > options.requests / 100, &format!("{shared} answers were shared: there was something to get wrong"));
    Ok(())
}

/// What one task has seen.
#[derive(Default)]
struct Seen {
    wrong: u64,
    shared: u64,
    /// Bodies that broke off and looked whole.
    cut: u64,
}

/// What the answer to a request ought to be.
struct Asked {
    whose: String,
    breaks: bool,
}

/// Fields in which gateways name a user, each of another make.
const IDENTITIES: [&str; 8] = [
    "x-forwarded-user",
    "x-auth-request-email",
    "tailscale-user-login",
    "x-goog-authenticated-user-email",
    "x-amzn-oidc-identity",
    "cf-access-authenticated-user-email",
    "x-api-key",
    "remote-user",
];

/// Fields that tracers, meshes and gateways add to each call.
const NOISE: [&str; 8] = [
    "traceparent",
    "x-b3-traceid",
    "x-datadog-trace-id",
    "x-amzn-trace-id",
    "cf-ray",
    "x-envoy-attempt-count",
    "x-request-id",
    "x-forwarded-for",
];

/// Returns a request of a user, and what its answer ought to be.
fn draw(random: &mut StdRng, user: u32) -> (Request<Full<Bytes>>, Asked) {
    let name = format!("user-{user}");
    let path = random.random_range(0..4);
    // The kind of page: in which field its user is named, or that the page is everybody's.
    let kinds = ["public", "cookie", "authorization", "gateway", "vary", "set-cookie", "private", "stream"];
    let kind = kinds[random.random_range(0..kinds.len())];
    let breaks = random.random_range(0..8) == 0;
    let query = match (breaks, random.random()) {
        (true, _) => "?breaks",
        (false, true) => "?unknown",
        (false, false) => "",
    };
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
    let mut request = Request::get(format!("/{kind}/{path}{query}"))
        .version(versions[random.random_range(0..3)])
        .header("host", "soak")
        .header(NOISE[random.random_range(0..NOISE.len())], random.random::<u32>());
    request = match kind {
        "cookie" => request.header("cookie", &name),
        "authorization" => request.header("authorization", &name),
        "public" => request,
        "gateway" | "stream" => request.header(IDENTITIES[random.random_range(0..IDENTITIES.len())], &name),
        // `Referer` is not in the key: only the answer says that it is not for all.
        _ => request.header("referer", &name),
    };
    let whose = if kind == "public" { format!("{kind}/{path} for all") } else { format!("{kind}/{path} for {name}") };
    (request.body(Full::default()).unwrap_or_default(), Asked { whose, breaks })
}

/// A body of known length or of none, which may break off.
type Answered = UnsyncBoxBody<Bytes, Broken>;

/// The error with which a body breaks off.
#[derive(Clone, Copy, Debug)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for Broken {}

async fn answer(request: Request<Full<Bytes>>) -> Result<Response<Answered>, Infallible> {
    CALLS.fetch_add(1, Relaxed);
    for _ in 0..4 {
        yield_now().await;
    }
    let mut names = IDENTITIES.iter().chain(&["cookie", "authorization", "referer"]);
    let user = names.find_map(|name| request.headers().get(*name)?.to_str().ok());
    let whose = format!("{} for {}", request.uri().path().trim_start_matches('/'), user.unwrap_or("all"));
    let field = match request.uri().path().split('/').nth(1) {
        Some("vary") => Some(("vary", "referer".to_owned())),
        Some("set-cookie") => Some(("set-cookie", whose.clone())),
        Some("private") => Some(("cache-control", "private".to_owned())),
        Some("stream") => Some(("content-type", "text/event-stream".to_owned())),
        _ => None,
    };
    let (half, rest) = whose.split_at(whose.len() / 2);
    let first = Ok(Frame::data(Bytes::copy_from_slice(half.as_bytes())));
    let second = Ok(Frame::data(Bytes::copy_from_slice(rest.as_bytes())));
    let body = match request.uri().query() {
        Some("breaks") => StreamBody::new(stream::iter([first, Err(Broken)])).boxed_unsync(),
        Some(_) => StreamBody::new(stream::iter([first, second])).boxed_unsync(),
        None => Full::from(whose).map_err(|never| match never {}).boxed_unsync(),
    };
    let mut response = Response::new(body);
    if let Some((name, value)) = field {
        response.headers_mut().insert(name, value.parse().unwrap_or(http::HeaderValue::from_static("")));
    }
    Ok(response)
}
