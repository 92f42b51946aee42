//! The generic layer, in two processes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    SingleflightLayer,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
};

use crate::process::{Backend, SECRET, settle};

type Answer = Result<String, String>;

/// Returns the service of one process: it counts with the others, and fails for odd keys.
fn process(
    engine: &MemoryEngine,
    backend: &Backend,
    name: &str,
) -> impl Service<u32, Response = String, Error = String, Future: Send + 'static> + use<> {
    let fleet = Fleet::new(engine.clone(), SECRET);
    let backend = backend.clone();
    let layer = SingleflightLayer::new(|id: &u32| Some(*id))
        .share_if(|answer: &Answer| !matches!(answer, Ok(text) if text.starts_with("13:")))
        .fleet(fleet, name, PostcardCodec::new());
    layer.layer(service_fn(move |id: u32| {
        let run = backend.clone().run(id);
        async move { if id % 2 == 0 || id == 13 { Ok(run.await) } else { Err(run.await) } }
    }))
}

/// Makes two calls of each of two processes; returns the answers, sorted.
async fn ask(id: u32, names: [&str; 2]) -> (Vec<Answer>, usize) {
    let (engine, backend) = (MemoryEngine::new(), Backend::new());
    let calls: Vec<_> = names
        .iter()
        .flat_map(|name| {
            let mut process = process(&engine, &backend, name);
            [process.call(id), process.call(id)].map(tokio::spawn)
        })
        .collect();
    settle().await;
    backend.open();
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers.sort();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(engine.is_empty());
    (answers, backend.runs())
}

#[tokio::test(start_paused = true)]
async fn two_services_of_one_name_make_one_call() {
    let (answers, runs) = ask(8, ["rows", "rows"]).await;
    assert_eq!((answers, runs), (vec![Ok("8: run 0".to_owned()); 4], 1));
}

#[tokio::test(start_paused = true)]
async fn two_services_of_different_names_never_meet() {
    let (answers, runs) = ask(8, ["rows", "pages"]).await;
    assert_eq!((answers[0].clone(), answers[3].clone(), runs), (Ok("8: run 0".into()), Ok("8: run 1".into()), 2));
}

#[tokio::test(start_paused = true)]
async fn errors_reach_the_callers_of_one_process() {
    let (answers, runs) = ask(7, ["rows", "rows"]).await;
    assert_eq!((answers[0].clone(), answers[3].clone(), runs), (Err("7: run 0".into()), Err("7: run 1".into()), 2));
}

#[tokio::test(start_paused = true)]
async fn what_share_if_keeps_for_the_leader_reaches_no_other_process() {
    let (answers, runs) = ask(13, ["rows", "rows"]).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(runs, 4, "each caller its own, as within one process");
}

#[test]
#[should_panic(expected = "the name of a fleet is empty")]
fn an_empty_name_is_an_error_where_it_is_given() {
    drop(process(&MemoryEngine::new(), &Backend::new(), " "));
}

/// Once for other processes, and once more as the flight landed here; also of the outcome of another process. What the
/// second process refuses of the first one's is not what its flight lands with.
#[tokio::test(start_paused = true)]
async fn share_if_is_asked_once_of_what_a_flight_lands_with() {
    for (shares, expected, runs) in [([true, true], [1, 1], 1), ([false, false], [1, 1], 4), ([true, false], [1, 2], 3)]
    {
        let (engine, backend) = (MemoryEngine::new(), Backend::new());
        let asked = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let mut calls = Vec::new();
        for (asked, shares) in asked.iter().zip(shares) {
            let (asked, backend) = (Arc::clone(asked), backend.clone());
            let layer = SingleflightLayer::new(|id: &u32| Some(*id)).share_if(move |_: &Answer| {
                asked.fetch_add(1, SeqCst);
                shares
            });
            let layer = layer.fleet(Fleet::new(engine.clone(), SECRET), "rows", PostcardCodec::new());
            let mut service = layer.layer(service_fn(move |id: u32| {
                let run = backend.clone().run(id);
                async move { Ok(run.await) }
            }));
            calls.extend([service.call(8), service.call(8)].map(tokio::spawn));
            settle().await;
        }
        backend.open();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(asked.map(|asked| asked.load(SeqCst)), expected, "shares: {shares:?}");
        assert_eq!(backend.runs(), runs, "shares: {shares:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(engine.is_empty());
    }
}
