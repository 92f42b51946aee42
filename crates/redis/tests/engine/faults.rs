//! What goes wrong later is an error of the operation, and passes with its cause.

use redis_servers::{Kind, Server};
use tower_singleflight::fleet::{Closed, Engine, Join, Joined, Peek};

use crate::common::{LEASE, SHORT, close, engine, follow, join, lead, name, peek, servers, token, until, why};

#[tokio::test]
async fn scripts_that_were_flushed_are_sent_again() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flush = || server.run::<()>("SCRIPT FLUSH");
        flush();
        let flight = lead(&engine, name, LEASE).await;
        flush();
        assert!(engine.renew(name, flight, LEASE).await.unwrap());
        follow(&engine, name, flight).await;
        flush();
        assert_eq!(close(&engine, name, flight).await, Closed::Followed);
        flush();
        engine.hold(name, flight, LEASE).await.unwrap();
        flush();
        engine.land(name, flight, "message".into(), LEASE).await.unwrap();
        flush();
        assert_eq!(peek(&engine, name, flight).await, Peek::Landed("message".into()));
    }
}

#[tokio::test]
async fn a_key_of_the_wrong_type_is_an_error_and_not_a_panic() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        let key = server.keys().into_iter().find(|key| key.contains(":l:") && !key.contains("trial")).unwrap();
        for key in server.keys().into_iter().filter(|key| key.contains(":l:")) {
            server.run::<()>(&format!("SET {key} mine"));
        }
        for failed in [
            engine.join(Join::new(name, token(), LEASE)).await.map(drop),
            engine.renew(name, flight, LEASE).await.map(drop),
            engine.close(name, flight, LEASE, LEASE).await.map(drop),
            engine.peek(name, flight).await.map(drop),
        ] {
            assert!(why(&failed.unwrap_err()).contains("WRONGTYPE"));
        }
        server.run::<()>(&format!("DEL {key}"));
        lead(&engine, name, LEASE).await;
    }
}

#[tokio::test]
async fn a_server_that_becomes_a_replica_is_unavailable_until_it_leads_again() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        server.run::<()>("REPLICAOF 127.0.0.1 1");
        // It could still be read, and would say for a whole lease that the flight goes on.
        let failed = engine.peek(name, flight).await.unwrap_err();
        assert!(why(&failed).contains("read only"), "{failed:?}");
        let failed = engine.join(Join::new(name, token(), LEASE)).await.unwrap_err();
        assert!(why(&failed).contains("read only"), "{failed:?}");
        assert!(engine.fence(name.scope(), LEASE).await.is_err());
        server.run::<()>("REPLICAOF NO ONE");
        follow(&engine, name, flight).await;
    }
}

#[tokio::test]
async fn a_server_without_memory_refuses_to_join_and_lets_flights_end() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        follow(&engine, name, flight).await;
        server.run::<()>("CONFIG SET maxmemory 1");
        let failed = engine.join(Join::new(crate::common::name(), token(), LEASE)).await.unwrap_err();
        assert!(why(&failed).contains("OOM"), "{failed:?}");
        assert_eq!(close(&engine, name, flight).await, Closed::Followed);
        assert_eq!(peek(&engine, name, flight).await, Peek::Pending);
        let failed = engine.land(name, flight, "message".into(), LEASE).await.unwrap_err();
        assert!(why(&failed).contains("OOM"), "{failed:?}");
        // Nobody waits for the end of what is pending.
        assert_eq!(peek(&engine, name, flight).await, Peek::Gone);
        server.run::<()>("CONFIG SET maxmemory 0");
        engine.land(name, flight, "message".into(), LEASE).await.unwrap();
    }
}

#[tokio::test]
async fn a_password_that_is_changed_is_an_error_and_the_old_one_works_again() {
    for kind in Kind::ALL {
        let Some(server) = Server::start(kind) else { continue };
        let user = |password| server.run::<()>(&format!("ACL SETUSER fleet on resetpass >{password} ~* &* +@all"));
        user("old");
        let engine = tower_singleflight_redis::RedisEngine::connect(&server.url_of("fleet", "old")).await.unwrap();
        user("new");
        server.run::<i64>("CLIENT KILL TYPE normal");
        server.run::<i64>("CLIENT KILL TYPE pubsub");
        let name = name();
        let join = |token| tokio::time::timeout(SHORT, engine.join(Join::new(name, token, LEASE)));
        until("a refusal", || async { !matches!(join(token()).await, Ok(Ok(_))) }).await;
        user("old");
        until("the old password", || async { matches!(join(token()).await, Ok(Ok(_))) }).await;
    }
}

#[tokio::test]
async fn a_server_that_was_killed_is_used_again_when_it_is_back() {
    for mut server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        server.kill();
        let join = |token| tokio::time::timeout(SHORT, engine.join(Join::new(name, token, LEASE)));
        until("an error", || async { !matches!(join(token()).await, Ok(Ok(_))) }).await;
        server.restart();
        let back = token();
        until("its return", || async { matches!(join(back).await, Ok(Ok(Joined::Lead))) }).await;
        // It has forgotten everything, and the old leader finds that out.
        assert_eq!(close(&engine, name, flight).await, Closed::Gone);
        follow(&engine, name, back).await;
    }
}

/// Which the server counts: the inbox has one subscriber again.
#[tokio::test]
async fn the_inbox_is_subscribed_to_again_after_the_connection_is_lost() {
    for mut server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let subscribed = |server: &Server| server.run::<Vec<String>>("PUBSUB CHANNELS tsf:i:*").len() == 1;
        assert!(subscribed(&server));
        server.run::<i64>("CLIENT KILL TYPE pubsub");
        until("the subscription", || async { subscribed(&server) }).await;
        server.kill();
        server.restart();
        until("the subscription", || async { subscribed(&server) }).await;
        until("an answer", || async { engine.peek(name, token()).await.is_ok() }).await;
    }
}

/// Commands that were sent while it stood still are carried out, and their answers are not lost.
#[tokio::test]
async fn a_server_that_stood_still_answers_late() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        server.freeze();
        let leader = token();
        let late = tokio::spawn({
            let engine = engine.clone();
            async move { join(&engine, name, leader).await }
        });
        let other = tokio::time::timeout(SHORT, engine.peek(name, leader)).await;
        assert!(other.is_err());
        assert!(!late.is_finished());
        server.thaw();
        assert_eq!(late.await.unwrap(), Joined::Lead);
        follow(&engine, name, leader).await;
    }
}

/// Or where a replica whose clock is behind has taken over. A leader that lives renews its lease; this one is dead.
#[tokio::test]
async fn a_lease_lasts_no_longer_than_two_where_the_clock_of_the_server_was_set_back() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let dead = lead(&engine, name, LEASE).await;
        let [seconds, _]: [u64; 2] = server.run("TIME");
        let mut flights = server.keys().into_iter().filter(|key| key.contains(":l:"));
        let key = flights.find(|key| server.run(&format!("HEXISTS {key} d:{dead}"))).unwrap();
        server.run::<()>(&format!("HSET {key} d:{dead} {}", (seconds + 3600) * 1000));
        server.run::<()>(&format!("PERSIST {key}"));
        let join = || engine.join(Join::new(name, token(), SHORT));
        let joined = join().await.unwrap();
        assert!(matches!(joined, Joined::Follow { remaining, .. } if remaining <= 2 * SHORT), "{joined:?}");
        until("a lead", || async { join().await.unwrap() == Joined::Lead }).await;
        assert_eq!(peek(&engine, name, dead).await, Peek::Gone);
    }
}
