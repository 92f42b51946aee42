//! What becomes of flights, operation by operation.

use std::time::Duration;

use bytes::Bytes;
use tower_singleflight::fleet::{Closed, Engine, Join, Joined, Peek};

use crate::common::{LEASE, SHORT, beside, close, engine, follow, join, lead, name, peek, servers, token, until};

#[tokio::test]
async fn a_flight_is_led_followed_closed_and_landed() {
    for server in servers() {
        let (engine, name, message) = (engine(&server).await, name(), Bytes::from_static(b"an outcome"));
        let leader = lead(&engine, name, LEASE).await;
        assert_eq!(peek(&engine, name, leader).await, Peek::Running);
        let remaining = follow(&engine, name, leader).await;
        assert!(remaining <= LEASE && remaining > LEASE / 2, "{remaining:?}");
        assert_eq!(close(&engine, name, leader).await, Closed::Followed);
        assert_eq!(peek(&engine, name, leader).await, Peek::Pending);
        engine.land(name, leader, message.clone(), LEASE).await.unwrap();
        assert_eq!(peek(&engine, name, leader).await, Peek::Landed(message));
    }
}

#[tokio::test]
async fn a_flight_that_nobody_joined_is_closed_alone_and_leaves_nothing_to_read() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let leader = lead(&engine, name, LEASE).await;
        assert_eq!(close(&engine, name, leader).await, Closed::Alone);
        assert_eq!(peek(&engine, name, leader).await, Peek::Gone);
        lead(&engine, name, LEASE).await;
    }
}

#[tokio::test]
async fn a_closed_flight_is_joined_no_more_while_it_is_pending() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let first = lead(&engine, name, LEASE).await;
        follow(&engine, name, first).await;
        close(&engine, name, first).await;
        let second = lead(&engine, name, LEASE).await;
        follow(&engine, name, second).await;
        assert_eq!(peek(&engine, name, first).await, Peek::Pending);
    }
}

#[tokio::test]
async fn commands_that_are_told_twice_answer_the_same() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let leader = lead(&engine, name, LEASE).await;
        assert_eq!(join(&engine, name, leader).await, Joined::Lead);
        let waiter = token();
        for _ in 0..2 {
            assert!(matches!(join(&engine, name, waiter).await, Joined::Follow { token, .. } if token == leader));
        }
        for _ in 0..2 {
            assert_eq!(close(&engine, name, leader).await, Closed::Followed);
        }
        for message in ["one", "one"] {
            engine.land(name, leader, message.into(), LEASE).await.unwrap();
            assert_eq!(peek(&engine, name, leader).await, Peek::Landed("one".into()));
        }
        let alone = lead(&engine, name, LEASE).await;
        for _ in 0..2 {
            assert_eq!(close(&engine, name, alone).await, Closed::Alone);
        }
    }
}

/// The reply to a join was lost, and its token was closed, before the join arrived: it leaves no orphan.
#[tokio::test]
async fn a_join_that_comes_after_its_close_is_refused() {
    for server in servers() {
        let (engine, name, late) = (engine(&server).await, name(), token());
        assert_eq!(close(&engine, name, late).await, Closed::Gone);
        assert_eq!(join(&engine, name, late).await, Joined::Refused);
        assert_eq!(peek(&engine, name, late).await, Peek::Gone);
        // One that was led and closed is refused too, and so is one whose flight somebody else runs now.
        let leader = lead(&engine, name, LEASE).await;
        close(&engine, name, leader).await;
        assert_eq!(join(&engine, name, leader).await, Joined::Refused);
        lead(&engine, name, LEASE).await;
        assert_eq!(join(&engine, name, leader).await, Joined::Refused);
    }
}

#[tokio::test]
async fn a_refusal_ends_after_its_time() {
    for server in servers() {
        let (engine, name, late) = (engine(&server).await, name(), token());
        engine.close(name, late, SHORT, SHORT).await.unwrap();
        assert_eq!(join(&engine, name, late).await, Joined::Refused);
        until("the end of a refusal", || async { join(&engine, name, late).await == Joined::Lead }).await;
    }
}

#[tokio::test]
async fn a_lease_that_has_ended_is_taken_over_and_its_leader_finds_it_gone() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let dead = lead(&engine, name, SHORT).await;
        follow(&engine, name, dead).await;
        until("the end of the lease", || async { peek(&engine, name, dead).await == Peek::Gone }).await;
        let next = lead(&engine, name, LEASE).await;
        assert!(!engine.renew(name, dead, LEASE).await.unwrap());
        assert_eq!(close(&engine, name, dead).await, Closed::Gone);
        // What it leaves alone: the flight that has come after it.
        follow(&engine, name, next).await;
        assert_eq!(close(&engine, name, next).await, Closed::Followed);
    }
}

#[tokio::test]
async fn a_lease_that_is_renewed_does_not_end() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let (renewed, other) = (lead(&engine, name, SHORT).await, beside(name));
        let dead = lead(&engine, other, SHORT).await;
        assert!(engine.renew(name, renewed, LEASE).await.unwrap());
        until("the end of the other lease", || async { peek(&engine, other, dead).await == Peek::Gone }).await;
        assert_eq!(peek(&engine, name, renewed).await, Peek::Running);
        assert!(follow(&engine, name, renewed).await > SHORT);
        // Nor does the hash that it is in.
        let left = server.keys().into_iter().map(|key| server.run::<i64>(&format!("PTTL {key}"))).max();
        assert!(left > Some(LEASE.as_millis() as i64), "{left:?}");
        assert!(!engine.renew(name, token(), LEASE).await.unwrap());
    }
}

#[tokio::test]
async fn a_pending_flight_that_is_held_stays_pending_and_one_that_is_not_is_gone() {
    for server in servers() {
        let (engine, held, other) = (engine(&server).await, name(), name());
        let flights = [(held, lead(&engine, held, LEASE).await), (other, lead(&engine, other, LEASE).await)];
        for (name, leader) in flights {
            follow(&engine, name, leader).await;
            engine.close(name, leader, SHORT, LEASE).await.unwrap();
        }
        engine.hold(held, flights[0].1, LEASE).await.unwrap();
        until("the end of the other", || async { peek(&engine, other, flights[1].1).await == Peek::Gone }).await;
        assert_eq!(peek(&engine, held, flights[0].1).await, Peek::Pending);
        // What had run out is pending again.
        engine.hold(other, flights[1].1, LEASE).await.unwrap();
        assert_eq!(peek(&engine, other, flights[1].1).await, Peek::Pending);
    }
}

#[tokio::test]
async fn a_late_hold_neither_hides_a_message_nor_keeps_it_longer() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let leader = lead(&engine, name, LEASE).await;
        follow(&engine, name, leader).await;
        close(&engine, name, leader).await;
        engine.land(name, leader, "read me".into(), Duration::from_millis(500)).await.unwrap();
        engine.hold(name, leader, LEASE).await.unwrap();
        assert_eq!(peek(&engine, name, leader).await, Peek::Landed("read me".into()));
        let result = server.keys().into_iter().find(|key| key.ends_with(&format!(":{leader}")) && key.contains(":r:"));
        assert!(server.run::<i64>(&format!("PTTL {}", result.expect("the message"))) <= 500);
    }
}

#[tokio::test]
async fn a_fence_ends_what_runs_in_its_scope_but_for_those_who_waited_already() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let elsewhere = crate::common::name();
        let (old, far) = (lead(&engine, name, LEASE).await, lead(&engine, elsewhere, LEASE).await);
        follow(&engine, name, old).await;
        engine.fence(name.scope(), LEASE).await.unwrap();
        // A new caller leads, and the next one joins that flight.
        let new = lead(&engine, name, LEASE).await;
        follow(&engine, name, new).await;
        // Who waited for the old one goes on waiting for it.
        let mut again = Join::new(name, token(), LEASE);
        again.was = Some(old);
        assert!(matches!(engine.join(again).await.unwrap(), Joined::Follow { token, .. } if token == old));
        // Both land for their own.
        assert_eq!(close(&engine, name, old).await, Closed::Followed);
        assert_eq!(close(&engine, name, new).await, Closed::Followed);
        // Other scopes have seen nothing, and flights that began after the fence are joined.
        follow(&engine, elsewhere, far).await;
        let third = lead(&engine, name, LEASE).await;
        follow(&engine, name, third).await;
        engine.fence(name.scope(), LEASE).await.unwrap();
        lead(&engine, name, LEASE).await;
    }
}

#[tokio::test]
async fn who_waited_for_a_flight_that_is_gone_joins_what_there_is() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let gone = lead(&engine, name, LEASE).await;
        close(&engine, name, gone).await;
        let leader = lead(&engine, name, LEASE).await;
        let mut again = Join::new(name, token(), LEASE);
        again.was = Some(gone);
        assert!(matches!(engine.join(again).await.unwrap(), Joined::Follow { token, .. } if token == leader));
    }
}

#[tokio::test]
async fn who_follows_is_told_how_old_the_flight_is() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let began = std::time::Instant::now();
        let leader = lead(&engine, name, LEASE).await;
        until("a flight that has grown older", || async {
            let joined = join(&engine, name, token()).await;
            let Joined::Follow { token, age: Some(age), .. } = joined else { panic!("{joined:?}") };
            // The server counts whole milliseconds.
            assert!(token == leader && age <= began.elapsed() + Duration::from_millis(2), "{age:?}");
            age >= SHORT
        })
        .await;
    }
}

#[tokio::test]
async fn a_flight_older_than_the_window_is_replaced_and_keeps_its_waiters() {
    for server in servers() {
        let (engine, name) = (engine(&server).await, name());
        let old = lead(&engine, name, LEASE).await;
        let with = |window, was| {
            let mut join = Join::new(name, token(), LEASE);
            (join.window, join.was) = (Some(window), was);
            join
        };
        let followed = engine.join(with(LEASE, None)).await.unwrap();
        assert!(matches!(followed, Joined::Follow { token, age: Some(_), .. } if token == old), "{followed:?}");
        let mut new = with(SHORT, None);
        until("a flight that is too old", || {
            new = with(SHORT, None);
            let engine = &engine;
            async move { engine.join(new).await.unwrap() == Joined::Lead }
        })
        .await;
        // Who has no window joins the new one, and who waited goes on waiting.
        follow(&engine, name, new.token).await;
        let waiting = engine.join(with(Duration::from_millis(1), Some(old))).await.unwrap();
        // Of a flight that can be joined no more, only those who wait for it know how old it is.
        assert!(matches!(waiting, Joined::Follow { token, age: None, .. } if token == old), "{waiting:?}");
        assert_eq!(close(&engine, name, old).await, Closed::Followed);
        follow(&engine, name, new.token).await;
    }
}

#[tokio::test]
async fn above_the_limit_waiters_follow_and_are_not_noted() {
    for server in servers() {
        let name = name();
        let mut engines = Vec::new();
        for _ in 0..4 {
            engines.push(engine(&server).await);
        }
        let leader = lead(&engines[0], name, LEASE).await;
        for engine in &engines {
            let mut join = Join::new(name, token(), LEASE);
            join.max_waiters = 2;
            assert!(matches!(engine.join(join).await.unwrap(), Joined::Follow { .. }));
        }
        let noted: String = server.run(&format!("HGET {} w:{leader}", flights_key(&server)));
        assert_eq!(noted.len(), 2 * 17, "{noted}");
        assert_eq!(close(&engines[0], name, leader).await, Closed::Followed);
        // A limit of none would hide them from `close`.
        let leader = lead(&engines[0], name, LEASE).await;
        let mut join = Join::new(name, token(), LEASE);
        join.max_waiters = 0;
        assert!(matches!(engines[1].join(join).await.unwrap(), Joined::Follow { .. }));
        assert_eq!(close(&engines[0], name, leader).await, Closed::Followed);
    }
}

fn flights_key(server: &redis_servers::Server) -> String {
    server.keys().into_iter().find(|key| server.run::<String>(&format!("TYPE {key}")) == "hash").expect("a hash")
}

#[tokio::test]
async fn names_and_scopes_do_not_meet() {
    for server in servers() {
        let (engine, first) = (engine(&server).await, name());
        for name in [first, beside(first), name()] {
            lead(&engine, name, LEASE).await;
        }
    }
}

#[tokio::test]
async fn of_many_that_join_at_once_one_leads() {
    for server in servers() {
        let name = name();
        let mut engines = Vec::new();
        for _ in 0..4 {
            engines.push(engine(&server).await);
        }
        let joins: Vec<_> = (0..200)
            .map(|at| {
                let engine = engines[at % engines.len()].clone();
                tokio::spawn(async move {
                    let token = token();
                    (token, join(&engine, name, token).await)
                })
            })
            .collect();
        let mut leaders = Vec::new();
        let mut followed = Vec::new();
        for join in joins {
            match join.await.unwrap() {
                (token, Joined::Lead) => leaders.push(token),
                (_, Joined::Follow { token, .. }) => followed.push(token),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(leaders.len(), 1);
        assert!(followed.len() == 199 && followed.iter().all(|token| *token == leaders[0]));
    }
}

/// 1 MiB, all bytes there are, and the borders of what is told inline.
#[tokio::test]
async fn messages_of_any_bytes_and_length_come_back_as_they_were() {
    for server in servers() {
        let engine = engine(&server).await;
        for length in [1, 2, 255, 8 * 1024, 8 * 1024 + 1, 1024 * 1024] {
            let message: Bytes = (0..length).map(|at| (at % 256) as u8).collect::<Vec<_>>().into();
            let (name, token) = (name(), token());
            engine.land(name, token, message.clone(), LEASE).await.unwrap();
            assert_eq!(peek(&engine, name, token).await, Peek::Landed(message));
        }
    }
}
