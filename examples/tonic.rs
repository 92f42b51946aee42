//! gRPC, at both ends: a unary service over HTTP/2 with trailers, the layer on its server and on its client.
//!
//! `cargo run --example tonic`

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use reports_proto::{
    GetRequest, Report,
    reports_client::ReportsClient,
    reports_server::{Reports, ReportsServer},
};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tonic::{
    Request, Response, Status,
    body::Body,
    transport::{Channel, Server, server::TcpIncoming},
};
use tower::ServiceBuilder;
use tower_singleflight::{HttpSingleflightLayer, SharedError};

/// The unary method that has no side effects.
const GET: &str = "/reports.Reports/Get";

/// Runs a heavy query for every call that reaches it.
#[derive(Clone, Default)]
struct Database(Arc<AtomicU64>);

#[tonic::async_trait]
impl Reports for Database {
    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Report>, Status> {
        let run = self.0.fetch_add(1, Relaxed) + 1;
        sleep(Duration::from_millis(300)).await;
        match request.into_inner().region {
            0 => Err(Status::not_found("there is no region 0")),
            region => Ok(Response::new(Report { region, run })),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // On the server: callers from anywhere share a run.
    let database = Database::default();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let server = Server::builder()
        .layer(HttpSingleflightLayer::new().grpc([GET]))
        .add_service(ReportsServer::new(database.clone()))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(server);

    let channel = Channel::from_shared(address)?.connect().await?;
    let client = ReportsClient::new(channel.clone());
    println!("50 calls, layer on the server: {}", calls(client, &database).await?);

    // On the client: callers of one process share a request, and fewer go over the wire.
    let service = ServiceBuilder::new()
        .layer(HttpSingleflightLayer::new().grpc([GET]))
        .map_request(|request: http::Request<_>| request.map(Body::new))
        .map_err(SharedError::new)
        .service(channel);
    println!("50 calls, layer on both sides: {}", calls(ReportsClient::new(service), &database).await?);
    Ok(())
}

/// Makes 50 calls at once, over four regions and one that does not exist.
async fn calls<S>(client: ReportsClient<S>, database: &Database) -> Result<String, Box<dyn Error>>
where
    S: tonic::client::GrpcService<Body> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<tonic::codegen::StdError>,
    S::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <S::ResponseBody as tonic::codegen::Body>::Error: Into<tonic::codegen::StdError> + Send,
{
    let before = database.0.load(Relaxed);
    let mut callers = JoinSet::new();
    for caller in 0..50 {
        let mut client = client.clone();
        callers.spawn(async move { client.get(GetRequest { region: caller % 5 }).await.map(Response::into_inner) });
    }
    let mut answers = BTreeMap::new();
    while let Some(answer) = callers.join_next().await {
        let answer =
            answer?.map_or_else(|status| status.message().to_owned(), |report| format!("region {}", report.region));
        *answers.entry(answer).or_insert(0) += 1;
    }
    let queries = database.0.load(Relaxed) - before;
    assert_eq!((queries, answers.len()), (5, 5), "{answers:?}");
    assert!(answers.values().all(|callers| *callers == 10), "{answers:?}");
    Ok(format!("{queries} queries, {answers:?}"))
}
