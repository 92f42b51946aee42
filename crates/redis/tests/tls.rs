//! A server that speaks TLS, with a certificate made for the test. Those that are built without it are skipped, with a line.

use std::{
    env, fs,
    net::{Ipv4Addr, TcpListener},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use redis_servers::{Kind, Server, say};
use tower_singleflight::fleet::{Closed, Engine, Join, Joined, Name, Peek, Token};
use tower_singleflight_redis::RedisEngine;

const LEASE: Duration = Duration::from_secs(5);
/// Where the server is, for the process that connects to it.
const URL: &str = "TEST_TLS_URL";
/// Whether that trusts the server's certificate.
const TRUSTS: &str = "TEST_TLS_TRUSTS";

/// Which certificates are trusted is read from the environment of a process: so each way is a process of its own. With those
/// of Mozilla, the system's are trusted no more.
#[test]
fn a_fleet_meets_over_tls_where_the_certificate_is_trusted_and_is_refused_where_it_is_not() {
    if let Ok(url) = env::var(URL) {
        let asks_the_system = cfg!(not(feature = "tls-rustls-webpki-roots"));
        return connects(&url, asks_the_system && env::var_os(TRUSTS).is_some());
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| directory.path().join(name));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    fs::write(&certificate, made.cert.pem()).expect("a file");
    fs::write(&key, made.signing_key.serialize_pem()).expect("a file");
    let paths = [&certificate, &key].map(|path| path.to_str().expect("a path in UTF-8"));
    for kind in Kind::ALL.into_iter().filter(|kind| kind.find_or_say().is_some()) {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port().to_string();
        let [cert_file, key_file] = ["--tls-cert-file", "--tls-key-file"];
        let options = [
            ["--tls-port", &port],
            [cert_file, paths[0]],
            [key_file, paths[1]],
            ["--tls-ca-cert-file", paths[0]],
            ["--tls-auth-clients", "no"],
        ];
        let Some(server) = Server::start_with(kind, options.as_flattened()) else {
            say(format_args!("skipped: {kind:?} is built without TLS"));
            continue;
        };
        for trusts in [true, false] {
            let mut process = Command::new(env::current_exe().expect("this program"));
            process.env(URL, format!("rediss://127.0.0.1:{port}/"));
            if trusts {
                process.env("SSL_CERT_FILE", &certificate).env(TRUSTS, "yes");
            }
            assert!(process.status().expect("a process").success(), "{kind:?}, trusts: {trusts}");
        }
        drop(server);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn connects(url: &str, trusts: bool) {
    rustls::crypto::ring::default_provider().install_default().expect("none is installed");
    if !trusts {
        let error = RedisEngine::connect(url).await.expect_err("nobody that is trusted has signed the certificate");
        assert!(format!("{error:?}").contains("UnknownIssuer"), "{error:?}");
        return;
    }
    let engines =
        [RedisEngine::connect(url).await, RedisEngine::connect(url).await].map(|made| made.expect("an engine"));
    assert!(engines.iter().all(RedisEngine::is_told));
    let name = Name::from(std::array::from_fn(|_| rand::random()));
    let [leads, asks] = [(); 2].map(|()| Token::from(std::array::from_fn(|_| rand::random())));
    let join = |engine: &RedisEngine, token| engine.join(Join::new(name, token, LEASE));
    assert_eq!(join(&engines[0], leads).await.expect("an answer"), Joined::Lead);
    let joined = join(&engines[1], asks).await.expect("an answer");
    assert!(matches!(joined, Joined::Follow { token, .. } if token == leads), "{joined:?}");
    assert_eq!(engines[0].close(name, leads, LEASE, LEASE).await.expect("an answer"), Closed::Followed);
    engines[0].land(name, leads, Bytes::from_static(b"rows"), LEASE).await.expect("an answer");
    let landed = engines[1].peek(name, leads).await.expect("an answer");
    assert_eq!(landed, Peek::Landed(Bytes::from_static(b"rows")));
}
