//! The herd: callers over a skewed set of keys, arriving within milliseconds.

use std::{
    cell::Cell,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use cpu_time::ProcessTime;
use indicatif::ProgressBar;
use rand::{RngExt, SeedableRng, distr::Distribution, rngs::StdRng};
use rand_distr::Zipf;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_singleflight::{Role, SharedError, SingleflightLayer};

use crate::{
    Options,
    database::{self, Report},
};

/// How many queries the application lets run at a time.
const POOL: usize = 4;

/// Within what time the herd arrives.
const ARRIVAL: Duration = Duration::from_millis(5);

tokio::task_local! {
    /// The role of the caller whose task this is; the layer tells it where its call ends.
    static ROLE: Cell<Option<Role>>;
}

/// One caller, from its arrival to its answer; without the layer it has no role.
#[derive(Clone, Copy)]
pub(crate) struct Line {
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

/// Sends the herd against the database, through the layer or not.
pub(crate) async fn run(options: &Options, path: &Path, coalesce: bool, bar: &ProgressBar) -> Result<Run, SharedError> {
    let queries = Arc::new(AtomicU64::new(0));
    let connections: Result<Vec<_>, _> = (0..POOL).map(|_| database::open(path)).collect();
    let idle = Arc::new(Mutex::new(connections.map_err(SharedError::new)?));
    let (permits, counted) = (Arc::new(Semaphore::new(POOL)), Arc::clone(&queries));
    let service = service_fn(move |region: u32| {
        let (permits, idle, counted) = (Arc::clone(&permits), Arc::clone(&idle), Arc::clone(&counted));
        async move {
            let _permit = permits.acquire_owned().await.map_err(SharedError::new)?;
            counted.fetch_add(1, Relaxed);
            let query = move || {
                let pool = || idle.lock().unwrap_or_else(PoisonError::into_inner);
                let connection = pool().pop().ok_or_else(|| SharedError::new("no connection is idle"))?;
                let report = database::report(&connection, region).map_err(SharedError::new);
                pool().push(connection);
                report
            };
            tokio::task::spawn_blocking(query).await.map_err(SharedError::new)?
        }
    });
    let cpu = ProcessTime::now();
    let lines = if coalesce {
        let layer = SingleflightLayer::new(|region: &u32| Some(*region))
            .inspect(|role, _| ROLE.with(|own| own.set(Some(role))));
        send(options, layer.layer(service), bar).await?
    } else {
        send(options, service, bar).await?
    };
    Ok(Run { lines, queries: queries.load(Relaxed), cpu: cpu.elapsed() })
}

/// Sends the callers, each a task of its own; their keys and arrivals follow from the seed.
async fn send<S>(options: &Options, service: S, bar: &ProgressBar) -> Result<Vec<Line>, SharedError>
where
    S: Service<u32, Response = Report, Error = SharedError> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut random = StdRng::seed_from_u64(options.seed);
    let keys = Zipf::new(f64::from(options.keys), options.skew).map_err(SharedError::new)?;
    // Far enough ahead for all tasks to be there when the first arrives.
    let start = Instant::now() + Duration::from_millis(50);
    let mut callers = JoinSet::new();
    for _ in 0..options.herd {
        let region = keys.sample(&mut random) as u32 - 1;
        let arrived = ARRIVAL.mul_f64(random.random());
        let service = service.clone();
        let call = async move {
            sleep_until(start + arrived).await;
            let arrived = start.elapsed();
            service.oneshot(region).await?;
            Ok(Line { arrived, answered: start.elapsed(), role: ROLE.with(Cell::get) })
        };
        callers.spawn(ROLE.scope(Cell::new(None), call));
    }
    let mut lines = Vec::with_capacity(options.herd);
    while let Some(line) = callers.join_next().await {
        lines.push(line.map_err(SharedError::new)??);
        bar.inc(1);
    }
    lines.sort_by_key(|line| line.arrived);
    Ok(lines)
}
