//! Who shares with whom on a router: over eight connections each, with exact counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{OriginalUri, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower_singleflight::HttpSingleflightLayer;

use crate::sockets::TOO_LONG;

const CLIENTS: usize = 8;

/// A handler that holds its callers until the gate opens, and says who asked for what.
#[derive(Clone)]
struct Gate {
    runs: Arc<AtomicUsize>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    fn new() -> Self {
        Self { runs: Arc::default(), open: Arc::new(watch::channel(false).0) }
    }

    async fn answer(self, request: Request) -> String {
        self.runs.fetch_add(1, SeqCst);
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        let uri = request.extensions().get::<OriginalUri>().map_or_else(|| request.uri().clone(), |uri| uri.0.clone());
        let user = request.extensions().get::<User>().map_or("nobody", |user| user.0);
        format!("{user} {}", uri.path())
    }

    fn handler(
        &self,
    ) -> impl Fn(Request) -> futures_util::future::BoxFuture<'static, String> + Clone + Send + Sync + 'static {
        let gate = self.clone();
        move |request| Box::pin(gate.clone().answer(request))
    }

    fn service(&self) -> Router {
        Router::new().fallback(self.handler())
    }
}

#[derive(Clone, Copy)]
struct User(&'static str);

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    address
}

/// Asks on a connection of its own.
async fn ask(address: SocketAddr, path: String, user: Option<&'static str>) -> String {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = http::Request::get(path).header("host", "a.example");
    if let Some(user) = user {
        request = request.header("authorization", user);
    }
    let response = client.send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap()).await.unwrap();
    let body = timeout(TOO_LONG, response.into_body().collect()).await.expect("an answer").unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// Waits until something is so.
async fn until(what: impl Fn() -> bool) {
    let so = async {
        while !what() {
            yield_now().await;
        }
    };
    timeout(TOO_LONG, so).await.expect("it is so in time");
}

/// Eight clients ask for each path at once; returns how many runs of the handler that took. With feature `axum` they
/// share over connections, and without it they do not, and nobody gets another path's answer either way.
async fn runs(app: Router, gate: &Gate, layer: &HttpSingleflightLayer, paths: &[&'static str]) -> usize {
    let address = serve(app).await;
    let mut clients = JoinSet::new();
    for path in paths.iter().copied() {
        for _ in 0..CLIENTS {
            clients.spawn(async move { (path, ask(address, path.to_owned(), None).await) });
        }
    }
    let flights = if cfg!(feature = "axum") { paths.len() } else { paths.len() * CLIENTS };
    until(|| gate.runs.load(SeqCst) == flights).await;
    #[cfg(feature = "axum")]
    for path in paths {
        aboard(layer, path, CLIENTS).await;
    }
    gate.open.send_replace(true);
    while let Some(answer) = clients.join_next().await {
        let (path, text) = answer.unwrap();
        assert_eq!(text, format!("nobody {path}"));
    }
    assert!(layer.get_group().is_empty());
    gate.runs.load(SeqCst)
}

/// Waits until so many are on flights of the layer value, however their routes are nested.
#[cfg(feature = "axum")]
async fn aboard(layer: &HttpSingleflightLayer, path: &str, callers: usize) {
    let stripped = [path, &path[path.rfind('/').unwrap_or(0)..], "/"];
    let callers_of = |uri: &str| {
        let mut request = http::Request::get(uri).header("host", "a.example").body(()).unwrap();
        request.extensions_mut().insert(OriginalUri(path.parse().unwrap()));
        layer.key(&request.into_parts().0).map_or(0, |key| layer.get_group().callers(&key))
    };
    until(|| stripped.iter().any(|uri| callers_of(uri) == callers)).await;
}

#[cfg(feature = "axum")]
const SHARED: usize = 1;
#[cfg(not(feature = "axum"))]
const SHARED: usize = CLIENTS;

/// The kind: every way to put the layer on a router.
#[tokio::test]
async fn s02_one_line_shares_over_connections_in_every_placement() {
    // There `layer` is called once, for all connections: without feature `axum` that service's own group holds them.
    let called_once = 5;
    for placement in (0..7).filter(|placement| cfg!(feature = "axum") || *placement != called_once) {
        let (gate, layer) = (Gate::new(), HttpSingleflightLayer::new());
        let app = match placement {
            0 => Router::new().route("/x", get(gate.handler())).layer(layer.clone()),
            1 => {
                let boxed = tower::util::BoxCloneSyncServiceLayer::new(tower::layer::util::Identity::new());
                Router::new()
                    .route("/x", get(gate.handler()))
                    .layer::<tower::util::BoxCloneSyncServiceLayer<
                        axum::routing::Route,
                        Request,
                        Response,
                        std::convert::Infallible,
                    >>(boxed)
                    .layer(layer.clone())
            }
            2 => Router::new().route("/x", get(gate.handler()).layer(layer.clone())),
            3 => Router::new().route("/x", get(gate.handler())).route_layer(layer.clone()),
            4 => Router::new().fallback(gate.handler()).layer(layer.clone()),
            5 => Router::new().route_service("/x", tower::Layer::layer(&layer, gate.service())),
            _ => Router::new()
                .merge(Router::new().route("/x", get(gate.handler())).layer(layer.clone()))
                .merge(Router::new().route("/y", get(gate.handler()))),
        };
        assert_eq!(runs(app, &gate, &layer, &["/x"]).await, SHARED, "placement {placement}");
    }
}

#[tokio::test]
async fn s02_nested_routes_with_clones_of_one_layer_are_told_apart() {
    for by_service in [false, true] {
        let (gate, layer) = (Gate::new(), HttpSingleflightLayer::new());
        let api = || Router::new().route("/x", get(gate.handler())).layer(layer.clone());
        let app = if by_service {
            Router::new().nest_service("/a", api()).nest_service("/b", api())
        } else {
            Router::new().nest("/a", api()).nest("/b", api())
        };
        assert_eq!(runs(app, &gate, &layer, &["/a/x", "/b/x"]).await, 2 * SHARED, "as a service: {by_service}");
    }
}

#[tokio::test]
async fn s02_two_applications_with_a_value_each_do_not_meet() {
    let apps = ["one", "two"].map(|_| (Gate::new(), HttpSingleflightLayer::new()));
    let mut clients = JoinSet::new();
    for (gate, layer) in &apps {
        let app = Router::new().route("/x", get(gate.handler())).layer(layer.clone());
        let address = serve(app).await;
        (0..CLIENTS).for_each(|_| drop(clients.spawn(ask(address, "/x".to_owned(), None))));
    }
    for (gate, layer) in &apps {
        until(|| gate.runs.load(SeqCst) == SHARED).await;
        #[cfg(feature = "axum")]
        aboard(layer, "/x", CLIENTS).await;
        gate.open.send_replace(true);
        let _ = layer;
    }
    while let Some(answer) = clients.join_next().await {
        assert_eq!(answer.unwrap(), "nobody /x");
    }
    assert!(apps.iter().all(|(gate, layer)| gate.runs.load(SeqCst) == SHARED && layer.get_group().is_empty()));
}

/// Takes the credentials off, and notes whose they were.
async fn auth(mut request: Request<Body>, next: Next) -> Response {
    let user = match request.headers_mut().remove("authorization") {
        Some(name) if name == "ann" => User("ann"),
        Some(name) if name == "bob" => User("bob"),
        _ => User("guest"),
    };
    request.extensions_mut().insert(user);
    next.run(request).await
}

/// One value above and below a layer that strips `Authorization`.
#[tokio::test]
async fn s02_nobody_meets_a_user_whose_credentials_a_layer_between_has_taken_off() {
    let (gate, layer) = (Gate::new(), HttpSingleflightLayer::new());
    let app =
        Router::new().route("/x", get(gate.handler())).layer(layer.clone()).layer(from_fn(auth)).layer(layer.clone());
    let address = serve(app).await;
    let mut clients = JoinSet::new();
    let mut expected = 0;
    for user in [Some("ann"), Some("bob"), None] {
        for _ in 0..CLIENTS {
            clients.spawn(async move { (user, ask(address, "/x".to_owned(), user).await) });
        }
        expected += if user.is_some() { CLIENTS } else { SHARED };
        until(|| gate.runs.load(SeqCst) == expected).await;
    }
    // Ann's and Bob's requests go alone, and guests share a flight of their own.
    #[cfg(feature = "axum")]
    aboard(&layer, "/x", CLIENTS).await;
    gate.open.send_replace(true);
    while let Some(answer) = clients.join_next().await {
        let (user, text) = answer.unwrap();
        assert_eq!(text, format!("{} /x", user.unwrap_or("guest")));
    }
    assert_eq!(gate.runs.load(SeqCst), expected);
    assert!(layer.get_group().is_empty());
}
