//! Fields that end at the proxy, and the request that it makes of a client's.

use http::Uri;

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
    let answer = proxy.raw("GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

#[tokio::test]
async fn each_form_of_a_target_is_sent_as_it_has_to_be() {
    let origin = echo().await;
    for (options, version, server) in [(&[][..], "1.1", ""), (&["--h2"], "2.0", &format!("http://{origin}")[..])] {
        let proxy = Proxy::start(origin, options);
        for (asked, sent) in [
            ("OPTIONS *", "OPTIONS *"),
            ("OPTIONS http://a", "OPTIONS *"),
            ("OPTIONS http://a:80", "OPTIONS *"),
            ("OPTIONS http://a/", "OPTIONS /"),
            ("OPTIONS http://a?b", "OPTIONS /?b"),
            ("OPTIONS /", "OPTIONS /"),
            ("GET http://a", "GET /"),
            ("GET http://a?b", "GET /?b"),
            ("POST http://a", "POST /"),
            ("GET /*", "GET /*"),
        ] {
            // A large head is passed on as it was read, and others are copied.
            let large = format!("X-Large: {}\r\n", "x".repeat(9 << 10));
            let head = |more: &str| format!("{asked} HTTP/1.1\r\nHost: a\r\n{more}Connection: close\r\n\r\n");
            let answers = [proxy.raw(&head("")).await, proxy.raw(&head(&large)).await];
            let seen = format!("seen: HTTP/{version} {}", sent.replace(' ', &format!(" {server}")));
            assert!(answers.iter().all(|answer| answer.contains(&format!("{seen}\r\n"))), "{asked}: {answers:?}");
        }
        // Over HTTP/2 a path is never left out.
        for (path, sent) in [("*", "*"), ("/", "/"), ("/a?b", "/a?b")] {
            let server = proxy.address.to_string();
            let target = Uri::builder().scheme("http").authority(server.as_str()).path_and_query(path).build().unwrap();
            let answer = ask(true, Request::options(target), "").await;
            let seen = answer.headers()["seen"].to_str().unwrap();
            assert!(seen.starts_with(&format!("HTTP/{version} OPTIONS ")) && seen.ends_with(sent), "{path}: {seen}");
        }
    }
}

#[tokio::test]
async fn a_target_that_is_none_of_its_methods_is_refused() {
    let proxy = Proxy::start(echo().await, &[]);
    for (asked, status) in [
        ("GET *", 400),
        ("HEAD *", 400),
        ("TRACE *", 400),
        ("GET a:80", 400),
        ("OPTIONS a:80", 400),
        ("POST a", 400),
        ("GET ftp://a/", 400),
        ("OPTIONS ftp://a", 400),
        ("GET ws://a/", 400),
        ("GET HTTP://a/", 200),
        ("GET https://a/", 200),
        ("CONNECT a:80", 501),
        ("CONNECT /", 501),
    ] {
        let answer = proxy.raw(&format!("{asked} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {answer}");
    }
    let server = proxy.address.to_string();
    let target = Uri::builder().scheme("http").authority(server.as_str()).path_and_query("*").build().unwrap();
    assert_eq!(ask(true, Request::get(target), "").await.status(), StatusCode::BAD_REQUEST);
    let answer = ask(true, Request::connect(server), "").await;
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
    assert!(text(answer).await.contains("no tunnels"));
}
