//! A million requests of many users, with cookies, credentials, `Vary` and `Set-Cookie` at random, against an origin
//! that writes into each body whom it is for: bodies in the wrong hands.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use indicatif::{ProgressBar, ProgressStyle};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::task::{JoinSet, yield_now};
use tower::{Layer, Service, service_fn};
use tower_singleflight::{HttpSingleflight, HttpSingleflightLayer, Role};

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
            let (mut wrong, mut shared) = (0_u64, 0_u64);
            for number in 0..requests {
                let user = random.random_range(0..options.users);
                let (request, whose) = draw(&mut random, user);
                let mut service: HttpSingleflight<_> = if random.random() { plain.clone() } else { keyed.clone() };
                let response = service.call(request).await?;
                shared += u64::from(response.extensions().get() == Some(&Role::Follower));
                let cookie = response.headers().get("set-cookie").cloned();
                let body = response.into_body().collect().await?.to_bytes();
                wrong += u64::from(body != whose || cookie.is_some_and(|cookie| cookie.as_bytes() != whose.as_bytes()));
                if number % 1024 == 0 {
                    bar.inc(1024.min(requests - number));
                }
            }
            Ok::<_, Fault>((wrong, shared))
        });
    }
    let (mut wrong, mut shared) = (0, 0);
    while let Some(task) = tasks.join_next().await {
        let (of_task, followed) = task??;
        wrong += of_task;
        shared += followed;
    }
    bar.finish_and_clear();
    println!(
        "{} requests of {} users: {} calls, {shared} followers",
        options.requests,
        options.users,
        CALLS.load(Relaxed)
    );
    target(wrong == 0, &format!("{wrong} bodies in the wrong hands"));
    target(shared > options.requests / 100, &format!("{shared} answers were shared: there was something to get wrong"));
    Ok(())
}

/// Returns a request of a user, and what the body says that is meant for it.
fn draw(random: &mut StdRng, user: u32) -> (Request<Full<Bytes>>, String) {
    let name = format!("user-{user}");
    let path = random.random_range(0..4);
    // Which kind of page: whose it is shows in one field or another, or it is everybody's.
    let kind = ["public", "cookie", "authorization", "vary", "set-cookie", "private"][random.random_range(0..6)];
    let mut request = Request::get(format!("/{kind}/{path}")).header("host", "soak");
    request = match kind {
        "cookie" => request.header("cookie", &name),
        "authorization" => request.header("authorization", &name),
        "public" => request,
        // Neither is in the key: the answer alone says that it is not for all.
        _ => request.header("x-user", &name),
    };
    let whose = if kind == "public" { format!("{kind}/{path} for all") } else { format!("{kind}/{path} for {name}") };
    (request.body(Full::default()).unwrap_or_default(), whose)
}

async fn answer(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    CALLS.fetch_add(1, Relaxed);
    for _ in 0..4 {
        yield_now().await;
    }
    let user =
        ["cookie", "authorization", "x-user"].iter().find_map(|name| request.headers().get(*name)?.to_str().ok());
    let whose = format!("{} for {}", request.uri().path().trim_start_matches('/'), user.unwrap_or("all"));
    let field = match request.uri().path().split('/').nth(1) {
        Some("vary") => Some(("vary", "x-user".to_owned())),
        Some("set-cookie") => Some(("set-cookie", whose.clone())),
        Some("private") => Some(("cache-control", "private".to_owned())),
        _ => None,
    };
    let mut response = Response::new(Full::from(whose));
    if let Some((name, value)) = field {
        response.headers_mut().insert(name, value.parse().unwrap_or(http::HeaderValue::from_static("")));
    }
    Ok(response)
}
