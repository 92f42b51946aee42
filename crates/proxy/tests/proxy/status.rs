//! The live page, on a port of its own.

use super::*;

/// Starts a proxy with a page; returns it and where the page is.
fn start(upstream: SocketAddr, options: &[&str]) -> (Proxy, SocketAddr) {
    let options: Vec<_> = ["--status", "127.0.0.1:0"].iter().chain(options).copied().collect();
    let proxy = Proxy::start(upstream, &options);
    let status = proxy.status.unwrap();
    (proxy, status)
}

/// Returns the status and the text of an answer to a request for this host.
async fn look(page: SocketAddr, path: &str, host: &str) -> (StatusCode, String) {
    let request = Request::get(format!("http://{page}{path}")).header(header::HOST, host);
    let response = ask(false, request, "").await;
    (response.status(), text(response).await)
}

#[tokio::test]
async fn it_says_what_the_proxy_does_to_who_asks_for_it_by_its_name() {
    let (proxy, page) = start(echo().await, &["--status-host", "status.internal"]);
    text(ask(false, proxy.request("/a"), "").await).await;
    text(ask(false, proxy.request("/b").header(header::COOKIE, "a=b"), "").await).await;
    let (status, plain) = look(page, "/plain", &page.to_string()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(plain.contains("\ncalls 2 led 1 followed 0 alone 1\n") && plain.contains("S6Cookie 1"), "{plain}");
    let (status, html) = look(page, "/", "status.internal").await;
    assert!(status == StatusCode::OK && html.starts_with("<!DOCTYPE html>"));
    // DNS rebinding.
    assert_eq!(look(page, "/events", "evil.example").await.0, StatusCode::MISDIRECTED_REQUEST);
    // The page is not where the proxy listens.
    let response = ask(false, proxy.request("/plain"), "").await;
    assert!(response.headers().contains_key("seen"), "it went upstream");
    proxy.stop.send(()).unwrap();
    proxy.done.await.unwrap();
}

#[tokio::test]
async fn who_looks_holds_up_no_stop() {
    let (proxy, page) = start(echo().await, &["--grace", "600000"]);
    let request = Request::get(format!("http://{page}/events"));
    let mut events = ask(false, request, "").await.into_body();
    assert!(timeout(LONG, events.frame()).await.unwrap().is_some());
    // This one reads nothing.
    let mut silent = TcpStream::connect(page).await.unwrap();
    silent.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    proxy.stop.send(()).unwrap();
    timeout(LONG, proxy.done).await.unwrap().unwrap();
    while let Some(Ok(_)) = timeout(LONG, events.frame()).await.unwrap() {}
}

/// So many may look, and as many more are connected: whoever is turned away makes room for the next.
#[tokio::test]
async fn who_is_turned_away_is_not_connected_any_more() {
    let (_proxy, page) = start(echo().await, &[]);
    let mut inside = Vec::new();
    for _ in 0..64 {
        let mut client = TcpStream::connect(page).await.unwrap();
        client.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        client.read_exact(&mut [0; 12]).await.unwrap();
        inside.push(client);
    }
    let response = ask(false, Request::get(format!("http://{page}/events")), "").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONNECTION], "close");
}

#[test]
fn an_address_in_use_is_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_singleflight-proxy"))
        .args(["--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9", "--status", &taken])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with(&format!("error: cannot show the live page on {taken}: ")), "{said}");
}
