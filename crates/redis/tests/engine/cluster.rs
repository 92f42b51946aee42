//! On clusters of six nodes.

use redis_servers::{Cluster, Kind, Server};
use tower_singleflight::fleet::{Closed, Engine, Join, Peek};
use tower_singleflight_redis::{RedisEngine, Settings};

use crate::common::{LEASE, close, follow, lead, name, peek, token, until};

#[tokio::test]
async fn flights_run_on_all_nodes_and_are_told_across_them() {
    for kind in Kind::ALL {
        let Some(cluster) = Cluster::start(kind) else { continue };
        let leading = RedisEngine::cluster(cluster.urls()).await.unwrap();
        let waiting = Settings::new().cluster(&cluster.urls()[..1]).await.unwrap();
        let polling = Settings::new().polling().cluster(cluster.urls()).await.unwrap();
        assert!(waiting.is_told() && !polling.is_told());
        for _ in 0..24 {
            let name = name();
            let flight = lead(&leading, name, LEASE).await;
            follow(&waiting, name, flight).await;
            follow(&polling, name, flight).await;
            assert!(leading.renew(name, flight, LEASE).await.unwrap());
            assert_eq!(close(&leading, name, flight).await, Closed::Followed);
            leading.land(name, flight, "message".into(), LEASE).await.unwrap();
            assert_eq!(peek(&polling, name, flight).await, Peek::Landed("message".into()));
            leading.fence(name.scope(), LEASE).await.unwrap();
        }
        // Flights lie on each of the three that lead.
        for node in &cluster.nodes[..3] {
            assert!(node.run::<i64>("DBSIZE") > 0);
        }
    }
}

#[tokio::test]
async fn a_node_that_is_killed_is_replaced_by_its_replica() {
    for kind in Kind::ALL {
        let Some(mut cluster) = Cluster::start(kind) else { continue };
        let engine = RedisEngine::cluster(cluster.urls()).await.unwrap();
        // A name whose keys the first node has.
        let name = loop {
            let name = name();
            let flight = lead(&engine, name, LEASE).await;
            if cluster.nodes[0].keys().iter().any(|key| key.contains(&name.scope().to_string())) {
                close(&engine, name, flight).await;
                break name;
            }
        };
        cluster.nodes[0].kill();
        until("its replica", || async { engine.join(Join::new(name, token(), LEASE)).await.is_ok() }).await;
    }
}

/// Though nothing is asked of the node that had the subscription, and though the next one refuses it for a while.
#[tokio::test]
async fn a_subscription_that_is_lost_with_its_node_or_refused_is_made_again() {
    for kind in Kind::ALL {
        let Some(cluster) = Cluster::start(kind) else { continue };
        let on_all = |command: &str| cluster.nodes.iter().for_each(|node| node.run(command));
        on_all("ACL SETUSER fleet on >password ~* &* +@all");
        let urls: Vec<_> = cluster.nodes.iter().map(|node| node.url_of("fleet", "password")).collect();
        let engine = RedisEngine::cluster(urls).await.unwrap();
        let subscribed = || {
            let channels = |node: &Server| node.run::<Vec<String>>("PUBSUB CHANNELS tsf:i:*").len();
            cluster.nodes.iter().any(|node| channels(node) == 1)
        };
        assert!(subscribed());
        on_all("CLIENT KILL TYPE pubsub");
        until("the subscription", || async { subscribed() }).await;
        // The servers cut off who may not be subscribed any more.
        on_all("ACL SETUSER fleet resetchannels");
        until("the end of the subscription", || async { !subscribed() }).await;
        until("an answer", || async { engine.join(Join::new(name(), token(), LEASE)).await.is_ok() }).await;
        on_all("ACL SETUSER fleet &*");
        until("the subscription", || async { subscribed() }).await;
    }
}

/// The task that subscribes holds the connection, too.
#[tokio::test]
async fn an_engine_that_is_dropped_leaves_no_connection() {
    for kind in Kind::ALL {
        let Some(cluster) = Cluster::start(kind) else { continue };
        let connected = || {
            let clients = |node: &Server| node.run::<String>("CLIENT LIST TYPE pubsub").lines().count();
            cluster.nodes.iter().map(clients).sum::<usize>()
        };
        let engine = RedisEngine::cluster(cluster.urls()).await.unwrap();
        assert_eq!(connected(), 1);
        drop(engine);
        until("the end of the connection", || async { connected() == 0 }).await;
    }
}
