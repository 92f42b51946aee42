//! Who leaves, who waits too long, and who goes by themselves after they have waited: D1, D2, D10.

use std::time::Duration;

use tokio::time::sleep;
use tower_singleflight::Limits;

use super::{
    harness::{Traffic, as_in_one, equal, get, of_each, ok, request},
    site::{Asked, Site, Spread, Told, settle},
};

fn plain() -> Told {
    Told::heads(|layer| layer)
}

/// T32. In one process the call goes on for those who are left. Another process has no use for a call of which nobody waits where
/// it runs: one of those who wait elsewhere makes its own at once.
#[tokio::test(start_paused = true)]
async fn d2_a_leader_that_leaves_takes_nobody_along() {
    for (spread, (calls, sent, got)) in of_each(Spread::ALL, &plain(), async |site| {
        let leader = site.call(0, get(&[])).await;
        let mut held = vec![site.next().await];
        let others = [site.call(1, get(&[])).await, site.call(2, get(&[])).await, site.call(3, get(&[])).await];
        leader.abort();
        assert!(leader.await.unwrap_err().is_cancelled());
        sleep(Duration::from_millis(300)).await;
        held.retain(|asked| !asked.is_dropped());
        held.extend(site.all().await);
        let sent: Vec<_> = held.iter().map(Asked::whose).collect();
        held.into_iter().for_each(|asked| ok().give(asked));
        let mut got = Vec::new();
        for other in others {
            got.push(other.await.unwrap().seen.body);
        }
        (site.calls, sent, got)
    })
    .await
    {
        let across = Spread::ACROSS.contains(&spread);
        assert_eq!(calls, if across { 2 } else { 1 }, "{spread:?}");
        // One of them for all.
        assert_eq!((sent.len(), sent[0] == 0), (1, !across), "{spread:?}");
        assert!(got.iter().all(|body| *body == format!("for {}", sent[0])), "{spread:?} {got:?}");
    }
}

/// T34.
#[tokio::test(start_paused = true)]
async fn d2_a_call_ends_at_once_when_all_have_left() {
    as_in_one(&plain(), async |site| {
        let mut calls = Vec::new();
        for caller in 0..3 {
            calls.push(site.call(caller, get(&[])).await);
        }
        let asked = site.next().await;
        // Those elsewhere first, so that nobody takes over.
        for call in calls.into_iter().rev() {
            call.abort();
            settle().await;
        }
        assert!(asked.is_dropped());
        assert!(site.all().await.is_empty());
    })
    .await;
}

/// Returns the most requests that the origin holds at a time.
async fn most_at_a_time(site: &mut Site, keys: usize, each: usize) -> usize {
    let numbered = |key: usize, caller: usize| {
        let number = (1_000 * key + caller).to_string();
        request("GET", &format!("http://site/{key}"), &[("x-request-id", &number)])
    };
    let mut calls = Vec::new();
    for key in 0..keys {
        for caller in 0..=each {
            calls.push(site.call(caller.min(1), numbered(key, caller)).await);
        }
    }
    let first = site.all().await;
    assert_eq!(first.len(), keys, "{:?}", site.spread);
    first.into_iter().for_each(|asked| ok().field("cache-control", "private").give(asked));
    let mut most = 0;
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        sleep(Duration::from_millis(300)).await;
        let held = site.all().await;
        most = most.max(held.len());
        held.into_iter().for_each(|asked| ok().field("cache-control", "private").give(asked));
    }
    most
}

/// Of each process: one that follows elsewhere and waits in vain is one who has waited, too.
#[tokio::test(start_paused = true)]
async fn d10_the_release_limit_holds_in_every_process() {
    for limit in [1, 2, 5] {
        let told = Told::heads(move |layer| layer.release_limit(limit));
        for (keys, each) in [(1, 8), (8, 1), (4, 3)] {
            for (spread, most) in of_each([Spread::One, Spread::Lone, Spread::Two], &told, async |site| {
                most_at_a_time(site, keys, each).await
            })
            .await
            {
                assert!((1..=limit).contains(&most), "{spread:?}: {most} of {limit}, {keys} keys of {each}");
            }
        }
    }
}

/// T37: who has waited for as long as its group lets it goes alone, and one whose wait ends in another process likewise.
#[tokio::test(start_paused = true)]
async fn d10_a_wait_ends_at_its_limit_in_every_process() {
    let limits = Limits::new().max_wait(Duration::from_millis(200));
    for (spread, (calls, bodies)) in of_each(Spread::ALL, &plain(), async |site| {
        site.limits = limits;
        let first = site.call(0, get(&[])).await;
        let second = site.call(1, get(&[])).await;
        let held = site.next().await;
        sleep(Duration::from_millis(260)).await;
        let own = site.next().await;
        assert_eq!(own.whose(), 1);
        ok().give(own);
        ok().give(held);
        (site.calls, [first.await.unwrap(), second.await.unwrap()].map(|got| got.seen.body))
    })
    .await
    {
        assert_eq!((calls, bodies), (2, ["for 0", "for 1"].map(str::to_owned)), "{spread:?}");
    }
}

/// T37: an age that is reached is so wherever the flight is.
#[tokio::test(start_paused = true)]
async fn d1_a_flight_that_is_too_old_is_joined_in_no_process() {
    let limits = Limits::new().join_window(Duration::from_millis(200));
    let outcome = as_in_one(&plain(), async |site| {
        site.limits = limits;
        let mut calls = vec![site.call(0, get(&[])).await, site.call(1, get(&[])).await];
        let old = site.next().await;
        sleep(Duration::from_millis(300)).await;
        calls.push(site.call(2, get(&[])).await);
        let new = site.next().await;
        calls.push(site.call(3, get(&[])).await);
        ok().give(new);
        settle().await;
        ok().give(old);
        let mut bodies = Vec::new();
        for call in calls {
            bodies.push(call.await.unwrap().seen.body);
        }
        (site.calls, bodies)
    })
    .await;
    assert_eq!(outcome, (2, ["for 0", "for 0", "for 2", "for 2"].map(str::to_owned).to_vec()));
}

/// T56: what limits calls below the layer is asked by calls, not by those who wait elsewhere.
#[tokio::test(start_paused = true)]
async fn d1_those_who_wait_elsewhere_make_no_call() {
    let play = Traffic::of(equal(50)).as_in_one().await;
    assert_eq!((play.calls, play.bodies()), (1, vec!["for 0"; 50]));
}
