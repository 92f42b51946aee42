//! Fields that end at the proxy, and the request that it makes of a client's.

use super::*;

#[tokio::test]
async fn no_client_is_handed_an_h2c_connection() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    let request = proxy.request("/").header(header::UPGRADE, "websocket, h2c").header(header::CONNECTION, "upgrade");
    let response = ask(false, request, "").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(seen(&response, "upgrade").is_empty() && seen(&response, "connection").is_empty());
}

#[tokio::test]
async fn what_belongs_to_one_hop_ends_there() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    let request = proxy
        .request("/")
        .header(header::CONNECTION, "keep-alive, X-One")
        .header(header::CONNECTION, "x-two")
        .header("x-one", "1")
        .header("x-two", "2")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header(header::TE, "gzip;q=0.5, trailers")
        .header(header::UPGRADE, "not-asked-for")
        .header(header::HOST, "shop.example")
        .header("x-forwarded-for", "192.0.2.1")
        .header(header::FORWARDED, "for=192.0.2.1")
        .header("x-end-to-end", "stays");
    let response = ask(false, request, "").await;
    for gone in ["x-one", "x-two", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(seen(&response, gone).is_empty(), "{gone}");
    }
    assert_eq!(seen(&response, "te"), ["trailers"]);
    assert_eq!(seen(&response, "connection"), ["te"]);
    assert_eq!(seen(&response, "host"), ["shop.example"]);
    assert_eq!(seen(&response, "x-end-to-end"), ["stays"]);
    assert_eq!(seen(&response, "x-forwarded-for"), ["192.0.2.1", "127.0.0.1"]);
    assert_eq!(seen(&response, "forwarded"), ["for=192.0.2.1", "for=127.0.0.1;proto=http"]);
    assert_eq!(seen(&response, "x-forwarded-host"), ["shop.example"]);
    assert_eq!(seen(&response, "x-forwarded-proto"), ["http"]);
}

#[tokio::test]
async fn an_answers_own_hop_ends_too() {
    let origin = origin(|_| async {
        let response = Response::builder().header(header::CONNECTION, "x-mine").header("x-mine", "1");
        response.header("keep-alive", "timeout=5").header("x-end-to-end", "stays").body(full("body")).unwrap()
    })
    .await;
    for h2 in [false, true] {
        let response = ask(h2, Proxy::start(origin, &[]).request("/"), "").await;
        assert_eq!(response.headers()["x-end-to-end"], "stays");
        for gone in ["connection", "keep-alive", "x-mine"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
    }
}

#[tokio::test]
async fn a_host_that_two_servers_could_read_two_ways_is_refused() {
    let origin = echo().await;
    let proxy = Proxy::start(origin, &[]);
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host: a@b\r\n", "Host: a b\r\n"] {
        let answer = proxy.raw(&format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts}: {answer}");
    }
    let answer = proxy.raw("GET http://real/x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("seen-host: real\r\n"), "{answer}");
    let answer = proxy.raw("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("seen: HTTP/1.1 OPTIONS *\r\n"), "{answer}");
    let answer = proxy.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}
