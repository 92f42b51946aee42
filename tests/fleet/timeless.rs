//! Runtimes without timers, and no runtime at all: requests are answered, and no thread spins.

use std::{sync::mpsc, time::Duration};

use tokio::runtime::Builder;
use tower_singleflight::{
    HttpSingleflightLayer,
    fleet::{Fleet, FleetReason, FleetRole, MemoryEngine, PostcardCodec},
};

use crate::{
    http::{answered, ask, fleet, node},
    origin::{bench, get, ok, request, text},
    process::{Backend, Process, processes, settle},
};

/// Runs it on a thread of its own, and does not wait for one that spins.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    std::thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("it ends, and does not fail");
}

#[test]
fn a_write_that_cannot_be_told_does_not_spin_where_there_are_no_timers() {
    bounded(|| {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let engine = MemoryEngine::new();
            let mut node = node(&engine, HttpSingleflightLayer::new());
            engine.stop();
            let write = ask(&mut node, request("POST", "http://h/x", &[])).await;
            node.next().await.answer(ok(&[], "written"));
            assert_eq!(text(answered(write).await).await, "written");
            engine.resume();
            let read = ask(&mut node, get("http://h/x")).await;
            node.next().await.answer(ok(&[], "new"));
            let response = answered(read).await;
            assert_eq!(fleet(&response), Some(FleetRole::Local(FleetReason::Unfenced)));
            assert_eq!(text(response).await, "new");
        });
    });
}

#[test]
fn requests_are_answered_where_there_are_no_timers_and_where_there_is_no_runtime() {
    bounded(|| {
        let engine = MemoryEngine::new();
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut node = node(&engine, HttpSingleflightLayer::new());
            let read = ask(&mut node, get("http://h/x")).await;
            node.next().await.answer(ok(&[], "rows"));
            assert_eq!(text(answered(read).await).await, "rows");
            assert_eq!(engine.unclosed(), 0);
        });
        let mut node = node(&engine, HttpSingleflightLayer::new());
        for request in [get("http://h/x"), request("POST", "http://h/x", &[])] {
            let mut call = node.call(request);
            node.held.try_recv().expect("it goes through at once").answer(ok(&[], "rows"));
            assert!(call.poll().is_ready());
        }
    });
}

/// A job on a thread of its own, say, that follows what changes in a database.
#[test]
fn a_write_on_a_thread_without_a_runtime_is_told_on_one_that_has_asked() {
    bounded(|| {
        let engine = MemoryEngine::new();
        let fleet = Fleet::new(engine.clone(), [7; 32]);
        let mut node = bench(HttpSingleflightLayer::new().fleet(fleet.clone(), "pages"));
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let read = ask(&mut node, get("http://h/x")).await;
            node.next().await.answer(ok(&[], "rows"));
            assert_eq!(text(answered(read).await).await, "rows");
        });
        node.group.fence(None, "/x");
        assert_eq!(fleet.stats().untold, 2, "the path, and what would be a gRPC service");
        runtime.block_on(async {
            while fleet.stats().untold > 0 {
                tokio::task::yield_now().await;
            }
        });
        // Nobody is left to ask once that runtime has ended; then the process keeps to itself what lies there.
        drop(runtime);
        node.group.fence(None, "/x");
        assert_eq!(fleet.stats().untold, 2);
    });
}

/// The fleet is asked on a runtime that ends in mid-flight; its caller goes on on another one.
#[test]
fn a_caller_outlives_the_runtime_on_which_its_flight_began() {
    bounded(|| {
        let engine = MemoryEngine::new();
        let fleet = Fleet::new(engine.clone(), [7; 32]);
        let runtime = || Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (first, second) = (runtime(), runtime());
        let backend = Backend::new();
        let group = tower_singleflight::Group::<u32, String>::new();
        let own = backend.clone();
        let mut call = Box::pin(fleet.call(&group, 7, PostcardCodec::new(), move || own.run(7)));
        first.block_on(async {
            let _ = futures_util::poll!(&mut call);
            settle().await;
            let _ = futures_util::poll!(&mut call);
            assert_eq!(backend.runs(), 1);
        });
        drop(first);
        backend.open();
        let outcome = second.block_on(async { tokio::time::timeout(Duration::from_secs(1), call).await });
        assert_eq!(outcome.expect("within the budget").value, "7: run 0");
    });
}

/// Work that a follower has moved to its own runtime, which ends in mid-flight: its leader takes it back to another one, and
/// those who wait elsewhere have its outcome.
#[test]
fn f1_a_flight_whose_runtime_has_ended_is_closed_and_landed_on_that_of_its_leader() {
    bounded(|| {
        let runtime = || Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
        let (first, second) = (runtime(), runtime());
        let engine = MemoryEngine::new();
        let [a, b] = processes(&engine);
        let call = |process: &Process| {
            let backend = process.backend.clone();
            process.fleet.call(&process.group, 7, PostcardCodec::new(), move || backend.run(7))
        };
        let until = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                std::thread::yield_now();
            }
        };
        let leader = call(&a);
        {
            // It joins where it is called.
            let _inside = first.enter();
            drop(tokio::spawn(call(&a)));
        }
        until(&|| a.backend.runs() == 1);
        let leader = second.spawn(leader);
        let follower = second.spawn(call(&b));
        // Two joins, and a look of the one who follows.
        until(&|| engine.commands() == 3);
        first.shutdown_timeout(Duration::from_secs(5));
        a.backend.open();
        for call in [leader, follower] {
            assert_eq!(second.block_on(call).unwrap().value, "7: run 0");
        }
        assert_eq!(a.fleet.stats().landed, 1);
    });
}
