//! What surrounds the call of a leader: D12.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::sleep;
#[cfg(feature = "tracing")]
use tracing::Instrument;

use super::{
    harness::{get, of_each, ok},
    site::{Spread, Told, settle},
};

tokio::task_local!(static USER: usize);

/// What the task of each caller knows, and what the scope that its layer was given saw and drove the work in.
#[tokio::test(start_paused = true)]
async fn d12_a_scope_is_asked_in_its_callers_task_in_every_process() {
    let seen = Arc::<Mutex<Vec<Option<usize>>>>::default();
    let scoped = Arc::clone(&seen);
    let told = Told::heads(move |layer| {
        let seen = Arc::clone(&scoped);
        layer.scope(move |work| {
            let user = USER.try_with(|user| *user).ok();
            seen.lock().unwrap().push(user);
            match user {
                Some(user) => Box::pin(USER.scope(user, work)),
                None => work,
            }
        })
    });
    // With more callers in each process the work is in a task of its own before the fleet has answered.
    for abandons in [false, true] {
        of_each(Spread::ALL, &told, async |site| {
            seen.lock().unwrap().clear();
            let mut calls = Vec::new();
            for caller in [0, 1, 2, 3] {
                let call = site.start(caller, get(&[]));
                calls.push(tokio::spawn(USER.scope(caller, super::play::read(call))));
            }
            settle().await;
            let mut held = vec![site.next().await];
            if abandons {
                calls.remove(0).abort();
                sleep(Duration::from_millis(300)).await;
                held.retain(|asked| !asked.is_dropped());
                held.extend(site.all().await);
            }
            held.into_iter().for_each(|asked| ok().give(asked));
            for call in calls {
                drop(call.await.unwrap());
            }
            let seen = seen.lock().unwrap();
            assert!(!seen.is_empty() && seen.iter().all(Option::is_some), "{:?} {abandons}: {seen:?}", site.spread);
        })
        .await;
    }
}

/// A released caller that waits for its turn, and is joined by one who agrees with it meanwhile.
#[tokio::test(start_paused = true)]
async fn d12_a_scope_is_asked_in_its_callers_task_though_the_call_waits_for_its_turn() {
    let seen = Arc::<Mutex<Vec<Option<usize>>>>::default();
    let scoped = Arc::clone(&seen);
    let told = Told::heads(move |layer| {
        let seen = Arc::clone(&scoped);
        layer.release_limit(1).scope(move |work| {
            seen.lock().unwrap().push(USER.try_with(|user| *user).ok());
            work
        })
    });
    of_each([Spread::One, Spread::Lone, Spread::Two], &told, async |site| {
        seen.lock().unwrap().clear();
        let mut calls = Vec::new();
        for (caller, agent) in ["a", "b", "b", "c", "c", "d", "d"].into_iter().enumerate() {
            let call = site.start(caller, get(&[("user-agent", agent)]));
            calls.push(tokio::spawn(USER.scope(caller, super::play::read(call))));
            settle().await;
        }
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            site.all().await.into_iter().for_each(|asked| ok().field("vary", "user-agent").give(asked));
        }
        let seen = seen.lock().unwrap();
        assert!(seen.len() >= 4 && seen.iter().all(Option::is_some), "{:?}: {seen:?}", site.spread);
    })
    .await;
}

/// The span of a caller goes with its call, wherever that is polled.
#[cfg(feature = "tracing")]
#[tokio::test(start_paused = true)]
async fn d12_the_span_of_the_caller_is_that_of_its_call_in_every_process() {
    let told = Told::heads(|layer| layer);
    // Of the whole thread: the call may be in a task that the layer has started.
    let _listens = tracing::subscriber::set_default(tracing_subscriber::registry());
    of_each(Spread::ALL, &told, async |site| {
        // Others come while the first still waits for the engine's word.
        site.engine.takes(Duration::from_millis(20));
        let mut calls = Vec::new();
        for caller in 0..4 {
            let call = super::play::read(site.start(caller, get(&[])));
            calls.push(tokio::spawn(call.instrument(tracing::info_span!("request", caller))));
            settle().await;
        }
        sleep(Duration::from_millis(50)).await;
        let asked = site.next().await;
        assert_eq!(asked.span, Some("request"), "{:?}: the call of {}", site.spread, asked.whose());
        ok().give(asked);
        for call in calls {
            drop(call.await.unwrap());
        }
    })
    .await;
}
