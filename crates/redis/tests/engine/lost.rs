//! Connections that are no good any more, though nobody has closed them.

use std::time::Duration;

use redis_servers::{Kind, Server};
use tower_singleflight::fleet::{Engine, Join, Joined};
use tower_singleflight_redis::{RedisEngine, Settings};

use crate::{
    common::{LEASE, SHORT, name, servers, token, until},
    wire::Wire,
};

/// How engines are made, by whether they are told or poll; answers are waited for that long.
fn settings(timeout: Duration) -> [Settings; 2] {
    let settings = Settings::new().response_timeout(timeout);
    [settings.clone(), settings.polling()]
}

async fn behind(wire: &Wire, settings: Settings) -> RedisEngine {
    settings.connect(&wire.url()).await.expect("an engine")
}

/// Whether it leads a flight of a new name, in a time as short as a fleet's budget.
async fn leads(engine: &RedisEngine) -> bool {
    let join = engine.join(Join::new(name(), token(), LEASE));
    matches!(tokio::time::timeout(SHORT, join).await, Ok(Ok(Joined::Lead)))
}

/// As behind a load balancer that has lost the server, and keeps its clients.
#[tokio::test]
async fn a_connection_that_answers_no_more_is_made_anew() {
    for server in servers() {
        let wire = Wire::to(&server).await;
        for settings in settings(SHORT) {
            let engine = behind(&wire, settings).await;
            assert!(leads(&engine).await);
            wire.silence();
            assert!(!leads(&engine).await);
            until("a new connection", || leads(&engine)).await;
        }
    }
}

/// As where a name, or an address that floats, leads to the server that has taken over, and the old one keeps its clients:
/// it is a replica by now, has not found its new leader yet, or has not heard of it.
#[tokio::test]
async fn a_server_that_leads_no_more_is_left_for_the_one_that_the_url_leads_to() {
    for kind in Kind::ALL {
        for ends in [
            &["REPLICAOF 127.0.0.1 1"][..],
            &["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"],
            &["CONFIG SET min-replicas-to-write 1"],
        ] {
            let (Some(old), Some(new)) = (Server::start(kind), Server::start(kind)) else { continue };
            let wire = Wire::to(&old).await;
            let mut engines = Vec::new();
            for settings in settings(LEASE) {
                engines.push(behind(&wire, settings).await);
            }
            ends.iter().for_each(|command| old.run(command));
            wire.lead_to(&new);
            for engine in engines {
                until("the new server", || leads(&engine)).await;
            }
            assert!(new.keys().iter().any(|key| key.contains(":l:")));
        }
    }
}

/// As while the server has too many clients, or loads what it has on disk: each attempt is answered, and refused.
#[tokio::test]
async fn a_server_that_refuses_connections_for_a_while_is_used_again() {
    for server in servers() {
        let wire = Wire::to(&server).await;
        for settings in settings(LEASE) {
            let engine = behind(&wire, settings).await;
            wire.refuse(true);
            let before = wire.connections();
            server.run::<i64>("CLIENT KILL TYPE normal");
            server.run::<i64>("CLIENT KILL TYPE pubsub");
            until("attempts", || async { !leads(&engine).await && wire.connections() > before + 5 }).await;
            wire.refuse(false);
            until("its return", || leads(&engine)).await;
        }
    }
}

/// As when a right was taken away and is given again, or while a script of somebody else's runs for too long.
#[tokio::test]
async fn a_subscription_that_was_refused_is_asked_for_until_the_server_allows_it() {
    for server in servers() {
        server.run::<()>("ACL SETUSER fleet on >password ~* &* +@all");
        let engine = RedisEngine::connect(&server.url_of("fleet", "password")).await.expect("an engine");
        let subscribed = || server.run::<Vec<String>>("PUBSUB CHANNELS tsf:i:*").len() == 1;
        assert!(subscribed());
        // The server cuts off who may not be subscribed any more.
        server.run::<()>("ACL SETUSER fleet resetchannels");
        until("a connection without the subscription", || async { !subscribed() && leads(&engine).await }).await;
        server.run::<()>("ACL SETUSER fleet &*");
        until("the subscription", || async { subscribed() }).await;
        assert!(leads(&engine).await, "it is the same connection, or as good");
    }
}
