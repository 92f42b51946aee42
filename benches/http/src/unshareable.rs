//! Answers that may not be shared: how many rounds of the origin's time a burst takes.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Layer, Service, service_fn};
use tower_singleflight::HttpSingleflightLayer;

use crate::{
    Fault,
    stats::{millis, table, target},
};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    clients: u32,
    /// How long the origin takes, in ms.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    delay: u64,
}

#[derive(Default)]
struct Origin {
    calls: AtomicUsize,
    running: AtomicUsize,
    most: AtomicUsize,
}

pub(crate) async fn run(options: Options) -> Result<(), Fault> {
    let mut table = table(["", "burst, ms", "in the origin's time", "calls", "at most at a time", "next burst"]);
    let mut lines = Vec::new();
    for (name, limit) in [("by default", None), ("release_limit(8)", Some(8))] {
        let origin = Arc::new(Origin::default());
        let mut layer = HttpSingleflightLayer::new();
        if let Some(limit) = limit {
            layer = layer.release_limit(limit);
        }
        let (delay, state) = (Duration::from_millis(options.delay), Arc::clone(&origin));
        let service = layer.layer(service_fn(move |_: Request<Full<Bytes>>| answer(Arc::clone(&state), delay)));
        let first = burst(&service, options.clients).await?;
        let (calls, most) = (origin.calls.load(SeqCst), origin.most.load(SeqCst));
        let second = burst(&service, options.clients).await?;
        let rounds = |time: Duration| time.as_secs_f64() / delay.as_secs_f64();
        table.add_row([
            name.to_owned(),
            millis(first),
            format!("{:.1}", rounds(first)),
            calls.to_string(),
            most.to_string(),
            format!("{:.1}", rounds(second)),
        ]);
        let expected = limit.map_or(2.0, |limit| 1.0 + (f64::from(options.clients) - 1.0) / limit as f64);
        let allowed = limit.unwrap_or(usize::MAX);
        lines.push((
            rounds(first) <= 1.3 * expected,
            format!("{name}: {:.1} rounds, about {expected:.0}", rounds(first)),
        ));
        lines.push((most <= allowed, format!("{name}: {most} calls at a time")));
        lines.push((
            rounds(second) <= 2.0,
            format!("{name}: the next burst takes {:.1} rounds, about one", rounds(second)),
        ));
    }
    println!("{} clients, private answers of {} ms\n{table}", options.clients, options.delay);
    lines.into_iter().for_each(|(met, line)| target(met, &line));
    Ok(())
}

async fn answer(origin: Arc<Origin>, delay: Duration) -> Result<Response<Full<Bytes>>, Infallible> {
    origin.calls.fetch_add(1, SeqCst);
    origin.most.fetch_max(origin.running.fetch_add(1, SeqCst) + 1, SeqCst);
    sleep(delay).await;
    origin.running.fetch_sub(1, SeqCst);
    let mut response = Response::new(Full::from("yours"));
    response.headers_mut().insert("cache-control", http::HeaderValue::from_static("private"));
    Ok(response)
}

async fn burst<S>(service: &S, clients: u32) -> Result<Duration, Fault>
where
    S: Service<Request<Full<Bytes>>, Error = Infallible> + Clone,
    S::Future: Send + 'static,
    S::Response: Send + 'static,
{
    let start = Instant::now();
    let mut burst = JoinSet::new();
    for _ in 0..clients {
        burst.spawn(service.clone().call(Request::new(Full::default())));
    }
    while let Some(answer) = burst.join_next().await {
        answer??;
    }
    Ok(start.elapsed())
}
