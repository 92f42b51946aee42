//! Eight handlers on a router, seven of which depend on something that is not in the key: each gets its colour, and what the
//! requests show is named.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use axum::{Extension, Router, body::Body, extract::ConnectInfo, http::HeaderMap, routing::get};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tower::ServiceExt;
use tower_singleflight::{
    HttpSingleflightLayer,
    http::dry_run::{Colour, DryRun, RouteReport},
};

/// Who asks, as an auth layer found out.
#[derive(Clone)]
struct User(&'static str);

/// How many requests come at the same time.
const AT_ONCE: usize = 15;

/// Holds each request until all are there, so that they are followers of one.
#[derive(Clone)]
struct Gate(Arc<Barrier>);

fn field<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn app(layer: HttpSingleflightLayer) -> Router {
    let gate = Gate(Arc::new(Barrier::new(AT_ONCE)));
    let (clock, writes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let number = move |Extension(gate): Extension<Gate>| async move {
        gate.0.wait().await;
        clock.fetch_add(1, Relaxed)
    };
    let tick = {
        let number = number.clone();
        move |gate| async move { format!("it is {}", number(gate).await) }
    };
    let nonce = move |gate| async move { format!("<script nonce={}>", number(gate).await) };
    Router::new()
        .route(
            "/tenant/{id}",
            get(|Extension(gate): Extension<Gate>, headers: HeaderMap| async move {
                gate.0.wait().await;
                format!("rows of {}", field(&headers, "x-tenant"))
            }),
        )
        .route(
            "/forwarded",
            get(|Extension(gate): Extension<Gate>, headers: HeaderMap| async move {
                gate.0.wait().await;
                format!("hello {}", field(&headers, "x-forwarded-for"))
            }),
        )
        .route(
            "/peer",
            get(|Extension(gate): Extension<Gate>, ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                gate.0.wait().await;
                peer.ip().to_string()
            }),
        )
        .route(
            "/extension",
            get(|Extension(gate): Extension<Gate>, Extension(User(user)): Extension<User>| async move {
                gate.0.wait().await;
                user
            }),
        )
        .route("/clock", get(tick))
        .route("/nonce", get(nonce))
        .route(
            "/written",
            get(move |Extension(gate): Extension<Gate>| async move {
                gate.0.wait().await;
                // Half of them read before the write.
                let reads = writes.fetch_add(1, Relaxed);
                if reads < AT_ONCE as u64 / 2 { "before" } else { "after" }
            }),
        )
        .route(
            "/none",
            get(|Extension(gate): Extension<Gate>| async move {
                gate.0.wait().await;
                "rows"
            }),
        )
        .layer(layer)
        .layer(Extension(gate))
}

/// Requests as they come from browsers through a gateway: each has a trace of its own, and some other field differs by
/// chance.
fn request(path: &str, number: usize) -> Request<Body> {
    let (tenant, user) = (["a", "b"][number % 2], ["ann", "bob", "eve"][number / 5]);
    let address = format!("192.0.2.{}", number % 3);
    let peer: IpAddr = [127, 0, 0, (number / 4) as u8 + 1].into();
    Request::get(path)
        .header("host", "example.com")
        .header("x-tenant", tenant)
        .header("x-forwarded-for", address)
        .header("user-agent", if number % 7 < 4 { "Firefox" } else { "Chrome" })
        .header("traceparent", format!("00-{number:032x}-{number:016x}-01"))
        .header("x-request-id", number.to_string())
        .extension(ConnectInfo(SocketAddr::new(peer, 1000)))
        .extension(User(user))
        .body(Body::empty())
        .unwrap()
}

async fn ask(app: &Router, path: &'static str, request: impl Fn(&str, usize) -> Request<Body>) {
    let calls = (0..AT_ONCE).map(|number| {
        let call = app.clone().oneshot(request(path, number));
        tokio::spawn(async move { call.await.unwrap().into_body().collect().await.unwrap() })
    });
    // All are under way before the first of them is polled.
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

fn causes(route: &RouteReport) -> Vec<String> {
    route.causes().iter().map(|cause| cause.input().name()).collect()
}

#[tokio::test]
async fn each_handler_has_its_colour_and_what_a_request_shows_is_named() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&told);
    let dry_run = DryRun::new().on_difference(move |difference| log.lock().unwrap().push(difference.to_string()));
    let layer = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]).dry_run(dry_run);
    let app = app(layer.clone());
    // The same requests but for what each handler depends on.
    let paths = ["/tenant/7", "/forwarded", "/peer", "/extension", "/clock", "/nonce", "/written", "/none"];
    for path in paths {
        ask(&app, path, request).await;
    }
    let report = layer.dry_run_report();
    let of = |path: &str| report.routes().iter().find(|route| route.route() == path).unwrap();
    let (text, json) = (report.to_string(), serde_json::from_str::<Value>(&report.to_json()).unwrap());
    let (tenant, forwarded) = ("key_header(\"x-tenant\")", "key_header(\"x-forwarded-for\")");
    for (path, colour, cause) in [
        ("/tenant/{id}", Colour::Red, Some(("x-tenant", tenant))),
        ("/forwarded", Colour::Red, Some(("x-forwarded-for", forwarded))),
        ("/peer", Colour::Yellow, None),
        ("/extension", Colour::Yellow, None),
        ("/clock", Colour::Yellow, None),
        ("/nonce", Colour::Yellow, None),
        ("/written", Colour::Yellow, None),
        ("/none", Colour::Green, None),
    ] {
        let route = of(path);
        let name = cause.map(|(name, _)| name.to_owned());
        assert_eq!((route.colour(), causes(route)), (colour, Vec::from_iter(name)), "{path}\n{report}");
        // What mends it is named wherever the finding is.
        let remedies = match colour {
            Colour::Red => vec![cause.unwrap().1, "coalesce_if(..)"],
            Colour::Yellow => vec!["identity(..)", "coalesce_if(..)"],
            _ => vec![],
        };
        assert_eq!(route.remedies(), remedies, "{path}");
        let in_json = json["routes"].as_array().unwrap().iter().find(|route| route["route"] == path).unwrap();
        assert_eq!(in_json["remedies"], json!(remedies));
        let notes = text.split_once(path).unwrap().1.lines().skip(1).take_while(|line| line.starts_with("        "));
        let notes: String = notes.collect();
        let [rule, ending] = match colour {
            Colour::Red => ["S27", &remedies.join(" or ")],
            Colour::Yellow => ["(S25)", &remedies.join(" or ")],
            _ => ["", ""],
        };
        assert!(notes.contains(rule) && notes.ends_with(ending), "{path}: {notes}");
        if let Some((name, remedy)) = cause {
            assert_eq!(
                (&in_json["causes"][0]["rule"], &in_json["causes"][0]["remedy"]),
                (&json!("S27"), &json!(remedy))
            );
            let told = told.lock().unwrap();
            let told = told.iter().find(|told| told.starts_with(path)).unwrap();
            assert!(told.contains(&format!("{name} (S27)")) && told.contains(remedy), "{told}");
        }
    }
    assert!(told.lock().unwrap().iter().all(|told| told.ends_with(" or coalesce_if(..)")));
    assert_eq!(report.saved(), 8 * 14);
    // The most dangerous first.
    assert!(report.routes().is_sorted_by_key(RouteReport::colour));
    println!("{report}");
}
