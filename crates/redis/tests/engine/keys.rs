//! What lies in the store, and for how long.

use std::time::Duration;

use tower_singleflight::fleet::{Closed, Engine, Peek};

use crate::common::{LEASE, SHORT, close, engine, follow, lead, name, peek, servers, token, until};

const DYING: Duration = Duration::from_millis(5);

/// The trial that made the engine has left something too, for two seconds.
#[tokio::test]
async fn nothing_is_left_but_fences() {
    for server in servers() {
        let engine = engine(&server).await;
        for _ in 0..20 {
            let name = name();
            // One that is closed and landed, one that is closed alone, one whose leader dies, a late close, and a fence.
            let flight = lead(&engine, name, SHORT).await;
            follow(&engine, name, flight).await;
            engine.close(name, flight, SHORT, 2 * SHORT).await.unwrap();
            engine.land(name, flight, "gone soon".into(), SHORT).await.unwrap();
            let flight = lead(&engine, name, SHORT).await;
            engine.close(name, flight, SHORT, 2 * SHORT).await.unwrap();
            lead(&engine, name, SHORT).await;
            engine.close(name, token(), SHORT, 2 * SHORT).await.unwrap();
            engine.fence(name.scope(), LEASE * 12).await.unwrap();
        }
        until("fences only", || async {
            let keys = server.keys();
            keys.len() == 20 && keys.iter().all(|key| key.ends_with(":f"))
        })
        .await;
    }
}

#[tokio::test]
async fn every_key_has_an_end() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        follow(&engine, name, flight).await;
        engine.renew(name, flight, LEASE).await.unwrap();
        let check = |what: &str| {
            for key in server.keys() {
                let left: i64 = server.run(&format!("PTTL {key}"));
                assert!(left > 0 && left <= 2 * LEASE.as_millis() as i64, "{what}: {key} {left}");
            }
        };
        check("running");
        close(&engine, name, flight).await;
        check("closed");
        engine.hold(name, flight, LEASE).await.unwrap();
        check("held");
        engine.land(name, flight, "message".into(), LEASE).await.unwrap();
        engine.fence(name.scope(), LEASE).await.unwrap();
        check("landed and fenced");
    }
}

/// A process with a short lease must not take the hash away under one with a long lease.
#[tokio::test]
async fn a_short_lease_does_not_shorten_a_long_one() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let long = lead(&engine, name, LEASE).await;
        engine.fence(name.scope(), LEASE).await.unwrap();
        let short = lead(&engine, name, SHORT).await;
        until("the end of the short one", || async { peek(&engine, name, short).await == Peek::Gone }).await;
        lead(&engine, name, SHORT).await;
        let left: i64 = server.run(&format!("PTTL {}", hash(&server)));
        assert!(left > LEASE.as_millis() as i64, "{left}");
        assert_eq!(peek(&engine, name, long).await, Peek::Running);
    }
}

fn hash(server: &redis_servers::Server) -> String {
    server
        .keys()
        .into_iter()
        .find(|key| key.contains(":l:") && server.run::<i64>(&format!("PTTL {key}")) > 2_000)
        .unwrap()
}

/// Flights that were replaced and never closed, on a key that is never at rest.
#[tokio::test]
async fn flights_that_nobody_closes_do_not_gather_in_the_hash() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        // One that lives goes on, with its waiter.
        let alive = lead(&engine, name, LEASE).await;
        follow(&engine, name, alive).await;
        let mut most = 0;
        for _ in 0..500 {
            // Each is replaced by the next, and its leader dies.
            engine.fence(name.scope(), LEASE).await.unwrap();
            lead(&engine, name, DYING).await;
            let keys = server.keys();
            let hash = keys.iter().find(|key| key.contains(&format!("{}}}:l:", name.scope())));
            most = most.max(hash.map_or(0, |hash| server.run(&format!("HLEN {hash}"))));
        }
        assert!((8..64).contains(&most), "{most} fields");
        assert_eq!(close(&engine, name, alive).await, Closed::Followed);
    }
}
