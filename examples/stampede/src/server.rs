//! The application: an axum server whose reports are heavy queries, with the layer on its route or without.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    extract::{self, State},
    http::StatusCode,
    routing::get,
};
use rusqlite::Connection;
use tokio::{net::TcpListener, sync::Semaphore, task::spawn_blocking};
use tower_singleflight::{HttpSingleflightLayer, fleet::Fleet};

use crate::database;

/// How many queries the application lets run at a time.
const POOL: usize = 4;

/// A pool of connections, and how often it was asked.
#[derive(Clone)]
pub(crate) struct Reports {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    queries: Arc<AtomicU64>,
}

impl Reports {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connections: Result<Vec<_>, _> = (0..POOL).map(|_| database::open(path)).collect();
        let idle = Arc::new(Mutex::new(connections?));
        Ok(Self { idle, permits: Arc::new(Semaphore::new(POOL)), queries: Arc::default() })
    }

    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Relaxed)
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the query on the blocking pool, as an application would.
    async fn query(self, region: u32) -> Option<String> {
        let _permit = self.permits.clone().acquire_owned().await.ok()?;
        self.queries.fetch_add(1, Relaxed);
        let query = move || {
            let connection = self.pool().pop()?;
            let report = database::report(&connection, region);
            self.pool().push(connection);
            report.ok()
        };
        let report = spawn_blocking(query).await.ok()??;
        Some(format!("region {region}: {} orders, {} cents\n", report.orders, report.revenue))
    }
}

async fn report(
    State(reports): State<Reports>,
    extract::Path(region): extract::Path<u32>,
) -> Result<String, StatusCode> {
    reports.query(region).await.ok_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns the layer.
pub(crate) fn layer() -> HttpSingleflightLayer {
    // The clients tell roles apart by the field that this adds.
    HttpSingleflightLayer::new().cache_status("stampede")
}

/// Returns the layer in a fleet.
pub(crate) fn layer_of(fleet: Fleet) -> HttpSingleflightLayer {
    layer().fleet(fleet, "reports")
}

/// Serves the reports until it is dropped.
pub(crate) async fn serve(
    listener: TcpListener,
    reports: Reports,
    layer: Option<HttpSingleflightLayer>,
) -> io::Result<()> {
    let mut app = Router::new().route("/reports/{region}", get(report));
    if let Some(layer) = layer {
        app = app.layer(layer);
    }
    axum::serve(listener, app.with_state(reports)).await
}
