//! What cannot be an engine says so where it is made, in one line.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use redis_servers::{Kind, Server};
use tower_singleflight_redis::{ConnectError, RedisEngine, Settings};

use crate::common::servers;

async fn fails(url: &str) -> ConnectError {
    let error = Settings::new()
        .connect_timeout(Duration::from_millis(500))
        .response_timeout(Duration::from_millis(500))
        .connect(url)
        .await
        .expect_err(url);
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 300 && !line.contains("hunter2"), "{line}");
    error
}

/// Takes connections, and answers each line with that.
fn somebody_else(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().take(20).flatten() {
            thread::spawn(move || {
                let mut write = stream.try_clone().unwrap();
                for _ in BufReader::new(stream).lines().map_while(Result::ok) {
                    if write.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_url_that_does_not_parse_is_refused() {
    for url in
        ["", "127.0.0.1:6379", "http://127.0.0.1/", "redis://", "redis://:hunter2@[/", "redis://127.0.0.1:99999/"]
    {
        let error = fails(url).await;
        assert!(matches!(error, ConnectError::Url(_)), "{url}: {error}");
    }
}

#[cfg(not(any(feature = "tls-rustls", feature = "tls-native-tls")))]
#[tokio::test]
async fn tls_without_a_feature_for_it_is_refused() {
    assert!(matches!(fails("rediss://127.0.0.1/").await, ConnectError::Url(_)));
}

/// rustls itself would panic.
#[cfg(feature = "tls-rustls")]
#[tokio::test]
async fn tls_without_a_crypto_provider_is_refused() {
    for url in ["rediss://127.0.0.1/", "valkeys://127.0.0.1/", " REDISS://127.0.0.1/"] {
        let error = fails(url).await;
        assert!(matches!(&error, ConnectError::Unfit(why) if why.contains("crypto provider")), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(fails(&format!("redis://:hunter2@{free}/")).await, ConnectError::Unreachable(_)));
}

#[tokio::test]
async fn a_server_that_never_answers_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    assert!(matches!(fails(&url).await, ConnectError::Unreachable(_)));
}

#[tokio::test]
async fn a_server_that_is_no_redis_is_refused() {
    let http = somebody_else("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    assert!(matches!(fails(&http).await, ConnectError::NotRedis(_)));
    let error = fails(&format!("{http}?protocol=resp2")).await;
    assert!(matches!(error, ConnectError::NotRedis(_)), "{error}");
}

/// It speaks the protocol, and knows neither `HELLO` nor scripts.
#[tokio::test]
async fn a_server_that_lacks_what_is_needed_is_refused() {
    let error = fails(&somebody_else("-ERR unknown command\r\n")).await;
    assert!(matches!(&error, ConnectError::Unfit(why) if why.contains("unknown command")), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    for kind in Kind::ALL {
        let Some(server) = Server::start_with(kind, &[]) else { continue };
        server.run::<()>("ACL SETUSER somebody on >hunter3 ~* &* +@all");
        for url in
            [server.url_of("somebody", "hunter2"), format!("{}?protocol=resp2", server.url_of("nobody", "hunter2"))]
        {
            let error = fails(&url).await;
            assert!(matches!(error, ConnectError::NotAllowed(_)), "{error}");
        }
        server.run::<()>("CONFIG SET requirepass hunter3");
        let error = fails(&server.url()).await;
        assert!(matches!(error, ConnectError::NotAllowed(_)), "{error}");
    }
}

#[tokio::test]
async fn a_replica_that_cannot_be_written_to_is_refused() {
    for server in servers() {
        server.run::<()>("REPLICAOF 127.0.0.1 1");
        let error = fails(&server.url()).await;
        assert!(matches!(&error, ConnectError::Unfit(why) if why.contains("read only")), "{error}");
    }
}

#[tokio::test]
async fn a_server_of_a_cluster_is_no_single_server() {
    for kind in Kind::ALL {
        let Some(server) = Server::start_with(kind, &["--cluster-enabled", "yes"]) else { continue };
        let error = fails(&server.url()).await;
        assert!(matches!(&error, ConnectError::Unfit(why) if why.contains("RedisEngine::cluster")), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_full_is_refused() {
    for kind in Kind::ALL {
        let Some(server) = Server::start_with(kind, &["--maxmemory", "1", "--maxmemory-policy", "noeviction"]) else {
            continue;
        };
        let error = fails(&server.url()).await;
        assert!(matches!(&error, ConnectError::Unfit(why) if why.contains("OOM")), "{error}");
    }
}

/// A connection of one's own, with and without an inbox.
#[tokio::test]
async fn an_engine_is_made_of_a_connection_that_is_there() {
    for server in servers() {
        let inbox = tower_singleflight_redis::Inbox::new();
        let config =
            redis::aio::ConnectionManagerConfig::new().set_push_sender(inbox.clone()).set_automatic_resubscription();
        let client = redis::Client::open(format!("{}?protocol=resp3", server.url())).unwrap();
        let manager = client.get_connection_manager_with_config(config).await.unwrap();
        let told = RedisEngine::from_manager_with_inbox(manager.clone(), inbox).await.unwrap();
        assert!(told.is_told());
        assert!(!RedisEngine::from_manager(manager).await.unwrap().is_told());
    }
}
