//! A site with the layer, its live page, and a gate that keeps answers back.

use std::{io, net::SocketAddr};

use axum::{Router, body::Body, extract::Request, routing::get};
use http::header;
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;
use tower_singleflight::{
    HttpSingleflightLayer, Stats,
    http::{HttpGroup, StatusPage},
};

/// A site that is served until it is dropped.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    app: Router,
    group: HttpGroup,
    gate: watch::Sender<bool>,
    /// `Some` until it is dropped, and its connections with it.
    server: Option<Runtime>,
}

impl Site {
    /// Serves reports, with the page at `/status`, at an address; port 0 stands for any.
    ///
    /// # Errors
    ///
    /// If it cannot listen there.
    pub fn start(address: SocketAddr, page: StatusPage) -> io::Result<Self> {
        let (gate, opened) = watch::channel(false);
        let report = move || {
            let mut opened = opened.clone();
            async move {
                // Closed with the site.
                let _ = opened.wait_for(|opened| *opened).await;
                "rows"
            }
        };
        let layer = HttpSingleflightLayer::new().observe(page.clone());
        let group = layer.get_group().clone();
        let stats = group.clone();
        let app = Router::new()
            .route("/reports/{id}", get(report.clone()))
            .route("/pages/{id}", get(report))
            .layer(layer)
            .nest_service("/status", page.group("site", move || stats.stats()));
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let server = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let served = app.clone();
        server.spawn(async move { axum::serve(TcpListener::from_std(listener)?, served).await });
        Ok(Self { address, app, group, gate, server: Some(server) })
    }

    /// Returns where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns what the layer's group has counted.
    pub fn stats(&self) -> Stats {
        self.group.stats()
    }

    /// Sends requests for a path, each from its own task, past the socket; with a cookie or without.
    pub fn send(&self, calls: &mut JoinSet<()>, path: &str, count: usize, cookie: bool) {
        for _ in 0..count {
            let mut request = Request::get(path).header(header::HOST, "site");
            if cookie {
                request = request.header(header::COOKIE, "session=7");
            }
            let (app, request) = (self.app.clone(), request.body(Body::empty()));
            calls.spawn(async move {
                if let Ok(request) = request {
                    let _ = app.oneshot(request).await;
                }
            });
        }
    }

    /// Lets answers through, or keeps them back.
    pub fn open(&self, open: bool) {
        self.gate.send_replace(open);
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.shutdown_background();
        }
    }
}
