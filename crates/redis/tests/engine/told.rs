//! What waiters are told by the server.

use std::time::Duration;

use redis_servers::Server;
use tower_singleflight::fleet::{Engine, Peek};
use tower_singleflight_redis::Settings;

use crate::common::{LEASE, close, engine, follow, lead, name, servers, token};

fn connection(server: &Server) -> redis::Connection {
    redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

/// Hears what all inboxes are told.
fn listen(connection: &mut redis::Connection) -> redis::PubSub<'_> {
    let mut listener = connection.as_pubsub();
    listener.psubscribe("tsf:i:*").unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    listener
}

#[tokio::test]
async fn waiters_are_told_the_message_up_to_8_kib_and_that_there_is_one_above_that() {
    for server in servers() {
        let (leading, waiting) = (engine(&server).await, engine(&server).await);
        assert!(waiting.is_told());
        let mut connection = connection(&server);
        let mut listener = listen(&mut connection);
        for (length, told) in [(1, 1), (8 * 1024, 8 * 1024), (8 * 1024 + 1, 0)] {
            let name = name();
            let flight = lead(&leading, name, LEASE).await;
            follow(&waiting, name, flight).await;
            follow(&waiting, name, flight).await;
            close(&leading, name, flight).await;
            leading.land(name, flight, vec![7; length].into(), LEASE).await.unwrap();
            let heard: Vec<u8> = listener.get_message().unwrap().get_payload().unwrap();
            assert_eq!(heard, [&name.as_bytes()[..], flight.as_bytes(), &vec![7; told][..]].concat());
        }
        // Once for each process, and not for each that waits in it.
        listener.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert!(listener.get_message().is_err());
    }
}

#[tokio::test]
async fn those_that_poll_are_counted_and_not_told() {
    for server in servers() {
        let mut connection = connection(&server);
        let mut listener = listen(&mut connection);
        let leading = engine(&server).await;
        let polling = [
            Settings::new().polling().connect(&server.url()).await.unwrap(),
            Settings::new().connect(&format!("{}?protocol=resp2", server.url())).await.unwrap(),
        ];
        for waiting in polling {
            assert!(!waiting.is_told());
            // The leading engine is told of what its trial landed, and of nothing else.
            let name = name();
            let flight = lead(&leading, name, LEASE).await;
            follow(&waiting, name, flight).await;
            assert_eq!(close(&leading, name, flight).await, tower_singleflight::fleet::Closed::Followed);
            leading.land(name, flight, "message".into(), LEASE).await.unwrap();
            listener.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            let heard: Vec<Vec<u8>> = std::iter::from_fn(|| listener.get_message().ok())
                .map(|message| message.get_payload().unwrap())
                .filter(|heard: &Vec<u8>| heard.starts_with(name.as_bytes()))
                .collect();
            assert!(heard.is_empty());
        }
    }
}

#[tokio::test]
async fn a_landing_after_the_waiters_were_forgotten_is_still_there_to_be_read() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let flight = lead(&engine, name, LEASE).await;
        follow(&engine, name, flight).await;
        engine.close(name, flight, Duration::from_millis(1), LEASE).await.unwrap();
        crate::common::until("the end of the pending time", || async {
            crate::common::peek(&engine, name, flight).await == tower_singleflight::fleet::Peek::Gone
        })
        .await;
        engine.land(name, flight, "late".into(), LEASE).await.unwrap();
        let peek = crate::common::peek(&engine, name, flight).await;
        assert_eq!(peek, tower_singleflight::fleet::Peek::Landed("late".into()));
    }
}

/// What cannot be kept is told all the same.
#[tokio::test]
async fn a_server_without_memory_tells_the_message_that_it_cannot_keep() {
    for server in servers() {
        let (leading, waiting) = (engine(&server).await, engine(&server).await);
        let mut connection = connection(&server);
        let mut listener = listen(&mut connection);
        let name = name();
        let flight = lead(&leading, name, LEASE).await;
        follow(&waiting, name, flight).await;
        server.run::<()>("CONFIG SET maxmemory 1");
        close(&leading, name, flight).await;
        assert!(leading.land(name, flight, "message".into(), LEASE).await.is_err());
        let heard: Vec<u8> = listener.get_message().unwrap().get_payload().unwrap();
        assert!(heard.ends_with(b"message"));
    }
}

/// Servers cut a subscriber off for which more than 32 MB lie ready (`client-output-buffer-limit`).
#[tokio::test]
async fn long_messages_that_are_read_all_at_once_do_not_cost_the_connection() {
    const LENGTH: usize = 1 << 20;
    for server in servers() {
        let engine = engine(&server).await;
        let connected = || server.run::<String>("CLIENT LIST TYPE pubsub");
        let id = |clients: String| clients.split(' ').next().map(str::to_owned);
        let before = id(connected());
        let mut flights = Vec::new();
        for _ in 0..100 {
            let (name, flight) = (name(), token());
            engine.land(name, flight, vec![7; LENGTH].into(), 12 * LEASE).await.unwrap();
            flights.push((name, flight));
        }
        // All are asked before the first is answered.
        let looks: Vec<_> = flights.into_iter().map(|(name, flight)| tokio::spawn(engine.peek(name, flight))).collect();
        for look in looks {
            assert!(matches!(look.await.unwrap(), Ok(Peek::Landed(message)) if message.len() == LENGTH));
        }
        assert_eq!(id(connected()), before, "it is the same connection");
    }
}
