//! The layer round a tonic client, whose channel takes tonic's own body and nothing else, and whose calls are spawned.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::Request;
use reports_proto::{
    GetRequest, Report,
    reports_client::ReportsClient,
    reports_server::{Reports, ReportsServer},
};
use tokio::task::JoinSet;
use tonic::{Response, Status, body::Body};
use tower::{
    BoxError, ServiceBuilder, ServiceExt,
    util::{BoxCloneSyncService, BoxCloneSyncServiceLayer, MapErrLayer},
};
use tower_singleflight::{HttpSingleflightLayer, SharedError};

const GET: &str = "/reports.Reports/Get";

#[derive(Clone, Default)]
struct Database(Arc<AtomicUsize>);

#[tonic::async_trait]
impl Reports for Database {
    async fn get(&self, request: tonic::Request<GetRequest>) -> Result<Response<Report>, Status> {
        let run = self.0.fetch_add(1, SeqCst) as u64 + 1;
        tokio::task::yield_now().await;
        Ok(Response::new(Report { region: request.into_inner().region, run }))
    }
}

/// What stands for a channel: it takes one body type, and its error is boxed.
fn channel() -> BoxCloneSyncService<Request<Body>, http::Response<Body>, BoxError> {
    let server = ReportsServer::new(Database::default());
    BoxCloneSyncService::new(ServiceExt::<Request<Body>>::map_err(server, BoxError::from))
}

/// Spawns ten equal calls; returns which runs they got.
macro_rules! runs_of_ten_calls {
    ($service:expr) => {{
        let client = ReportsClient::new($service);
        let mut calls = JoinSet::new();
        for _ in 0..10 {
            let mut client = client.clone();
            calls.spawn(async move { client.get(GetRequest { region: 7 }).await.unwrap().into_inner().run });
        }
        calls.join_all().await
    }};
}

#[tokio::test]
async fn the_content_goes_to_a_channel_as_its_own_body() {
    // No boxed error stands in the type of this one.
    let server = ReportsServer::new(Database::default());
    let channel: BoxCloneSyncService<Request<Body>, http::Response<Body>, Infallible> =
        BoxCloneSyncService::new(server);
    let service = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new().grpc([GET]))
        .map_request(|request: Request<_>| request.map(Body::new))
        .service(channel);
    assert_eq!(runs_of_ten_calls!(service), [1; 10]);
}

#[tokio::test]
async fn a_stack_over_a_boxed_error_is_boxed_as_a_whole() {
    let service = ServiceBuilder::new()
        .boxed_clone()
        .layer(HttpSingleflightLayer::new().grpc([GET]))
        .map_request(|request: Request<_>| request.map(Body::new))
        .map_err(SharedError::new)
        .timeout(Duration::from_secs(60))
        .service(channel());
    assert_eq!(runs_of_ten_calls!(service), [1; 10]);
}

#[tokio::test]
async fn or_what_is_below_the_layer_is_boxed_with_a_shared_error() {
    let service = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new().grpc([GET]))
        .map_request(|request: Request<_>| request.map(Body::new))
        .layer(BoxCloneSyncServiceLayer::new(MapErrLayer::new(SharedError::new)))
        .service(channel());
    assert_eq!(runs_of_ten_calls!(service), [1; 10]);
}
