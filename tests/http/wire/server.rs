//! A server whose connections are served sooner or later.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::watch};
use tower::Service;
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    http::{Heads, HttpSingleflight},
};

use crate::origin::{Bench, Fault, Origin, OriginBody, bench};

pub(super) const CLIENTS: usize = 3;

/// One connection's service: it hands its answers on only once so many steps of the body were sent.
#[derive(Clone)]
struct Late {
    inner: HttpSingleflight<Origin<Incoming>>,
    sent: watch::Receiver<usize>,
    after: usize,
}

impl Service<Request<Incoming>> for Late {
    type Response = Response<SharedBody<OriginBody>>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let response = self.inner.call(request);
        let (mut sent, after) = (self.sent.clone(), self.after);
        Box::pin(async move {
            let response = response.await;
            let _ = sent.wait_for(|sent| *sent >= after).await;
            response
        })
    }
}

pub(super) struct Server {
    pub(super) bench: Bench<Heads, Incoming>,
    pub(super) address: SocketAddr,
    pub(super) sent: watch::Sender<usize>,
}

impl Server {
    /// The nth connection is served late by as many steps as `late` says.
    pub(super) async fn start(late: [usize; CLIENTS]) -> Self {
        let bench: Bench<Heads, Incoming> = bench(HttpSingleflightLayer::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, receiver) = watch::channel(0);
        let inner = bench.service.clone();
        tokio::spawn(async move {
            for after in late {
                let Ok((stream, _)) = listener.accept().await else { break };
                let service = Late { inner: inner.clone(), sent: receiver.clone(), after };
                tokio::spawn(async move {
                    let service = TowerToHyperService::new(service);
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { bench, address, sent }
    }
}
