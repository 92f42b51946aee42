//! Proxies on several machines.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;
use redis_servers::{Kind, Server};

fn secret(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, bytes).unwrap();
    file
}

fn read(options: &[&str]) -> Result<Options, String> {
    let fixed = ["proxy", "--quiet", "--listen", "127.0.0.1:0", "--upstream", "http://127.0.0.1:9"];
    let read = Options::read(fixed.iter().chain(options).map(|option| option.into()));
    read.map_err(|error| Options::complaint(&error))
}

#[tokio::test]
async fn two_proxies_in_a_fleet_send_equal_requests_upstream_once() {
    let Some(server) = Server::start(Kind::Redis) else { return };
    let (calls, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let counted = (Arc::clone(&calls), Arc::clone(&gate));
    let origin = origin(move |_| {
        let (calls, gate) = counted.clone();
        async move {
            calls.fetch_add(1, Relaxed);
            drop(gate.acquire().await);
            Response::new(full("rows"))
        }
    })
    .await;
    let file = secret("0f".repeat(32).as_bytes());
    let options = [
        "--cache-status",
        "edge",
        "--redis",
        &server.url(),
        "--secret-file",
        file.path().to_str().unwrap(),
        "--fleet-name",
        "rows",
    ];
    let proxies = [Proxy::start_in_fleet(origin, &options).await, Proxy::start_in_fleet(origin, &options).await];
    let asked: Vec<_> = proxies
        .iter()
        .flat_map(|proxy| [proxy.request("/"), proxy.request("/")])
        // As a balancer passes it on, and not the address of one of them.
        .map(|request| request.header(header::HOST, "shop"))
        .map(|request| tokio::spawn(ask(false, request, "")))
        .collect();
    // All four are inside, and one of the proxies waits for the other.
    for proxy in &proxies {
        let (parts, ()) = Request::get("http://shop/").body(()).unwrap().into_parts();
        let key = proxy.layer.as_ref().unwrap().key(&parts).unwrap();
        wait_until(|| proxy.group.callers(&key) == 2).await;
    }
    wait_until(|| followers(&server) == 1).await;
    gate.add_permits(1);
    let mut from_elsewhere = 0;
    for response in asked {
        let response = response.await.unwrap();
        from_elsewhere += usize::from(response.headers()["cache-status"].to_str().unwrap().ends_with("detail=fleet"));
        assert_eq!(text(response).await, "rows");
    }
    assert_eq!((calls.load(Relaxed), from_elsewhere), (1, 2));
}

/// How many processes wait in some flight.
fn followers(server: &Server) -> usize {
    let flights = server.keys().into_iter().filter(|key| key.contains(":l:"));
    let noted =
        |key| server.run::<Vec<String>>(&format!("HVALS {key}")).iter().filter(|value| value.len() == 17).count();
    flights.map(noted).sum()
}

#[test]
fn what_makes_no_fleet_is_one_line() {
    let (good, short) = (secret(&[7; 32]), secret(&[7; 31]));
    let (digits, wrong) =
        (secret(b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF\n"), secret(&[b'g'; 64]));
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let full = |url: &str, name: &str, file: &str| {
        read(&["--redis", url, "--fleet-name", name, "--secret-file", file]).map(drop)
    };
    let (url, file) = ("redis://127.0.0.1/", path(&good));
    for file in [&file, &path(&digits)] {
        full(url, "a", file).unwrap();
    }
    let bad = [
        read(&["--redis", url, "--fleet-name", "a"]).map(drop),
        read(&["--redis", url, "--secret-file", &file]).map(drop),
        read(&["--fleet-name", "a", "--secret-file", &file]).map(drop),
        read(&["--redis", url, "--fleet-name", "a", "--secret-file", &file, "--no-coalesce"]).map(drop),
        full(url, " ", &file),
        full(url, "a", &path(&short)),
        full(url, "a", &path(&wrong)),
        full(url, "a", "/no/such/file"),
        // It has no end; where there is no such device, it is no file.
        full(url, "a", "/dev/urandom"),
        full("127.0.0.1:6379", "a", &file),
    ];
    for (at, read) in bad.into_iter().enumerate() {
        let complaint = read.expect_err(&at.to_string());
        assert!(complaint.starts_with("error: ") && !complaint.contains('\n'), "{at}: {complaint}");
    }
}

#[tokio::test]
async fn a_fleet_whose_server_is_not_there_does_not_start() {
    let file = secret(&[7; 32]);
    let path = file.path().to_str().unwrap();
    let options = ["--redis", "redis://:hunter2@127.0.0.1:1/", "--secret-file", path, "--fleet-name", "a"];
    let options = read(&options).unwrap();
    assert!(!format!("{options:?}").contains("hunter2"));
    let error = singleflight_proxy::Proxy::start_in_fleet(&options, 1).await.unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && !error.contains("hunter2"), "{error}");
    // The password is not needed to say so, and neither is the server.
    assert!(singleflight_proxy::Proxy::start(&options, 1).is_err());
}
