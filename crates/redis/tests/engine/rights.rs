//! The rights that the documentation names are enough, and each is needed.

use redis_servers::{Kind, Server};
use tower_singleflight_redis::{ConnectError, RedisEngine};

const RIGHTS: &str = include_str!("../../src/rights.acl");

async fn connect(server: &Server, rights: &str) -> Result<RedisEngine, ConnectError> {
    server.run::<()>("ACL DELUSER fleet");
    server.run::<()>(&format!("ACL SETUSER fleet on >secret {rights}"));
    RedisEngine::connect(&server.url_of("fleet", "secret")).await
}

#[tokio::test]
async fn the_rights_that_are_named_are_enough_and_none_can_be_left_out() {
    for kind in Kind::ALL {
        let Some(server) = Server::start(kind) else { continue };
        server.run::<()>("ACL SETUSER fleet");
        connect(&server, RIGHTS).await.expect("these are enough");
        let words: Vec<_> = RIGHTS.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            if !word.starts_with(['+', '~', '&']) {
                continue;
            }
            let fewer = [&words[..at], &words[at + 1..]].concat().join(" ");
            let error = connect(&server, &fewer).await.expect_err(word);
            assert!(matches!(error, ConnectError::NotAllowed(_)), "{word}: {error}");
        }
    }
}
