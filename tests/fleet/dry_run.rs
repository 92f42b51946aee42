//! A dry run is local: it asks the fleet nothing.

use std::{convert::Infallible, sync::Arc};

use tokio::sync::Notify;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{
    HttpSingleflightLayer, SingleflightLayer,
    fleet::{Fleet, MemoryEngine, PostcardCodec},
    http::DryRun,
};

use crate::{
    http::{answered, ask, node},
    origin::{get, ok, request, text},
    process::{SECRET, settle},
};

#[tokio::test(start_paused = true)]
async fn over_http_the_engine_gets_no_command_but_of_writes() {
    for dry in [true, false] {
        let engine = MemoryEngine::new();
        let layer =
            || if dry { HttpSingleflightLayer::new().dry_run(DryRun::new()) } else { HttpSingleflightLayer::new() };
        let (mut a, mut b) = (node(&engine, layer()), node(&engine, layer()));
        let first = ask(&mut a, get("http://h/x")).await;
        let joins = ask(&mut a, get("http://h/x")).await;
        let other = ask(&mut b, get("http://h/x")).await;
        assert_eq!((engine.commands() == 0, engine.is_empty()), (dry, dry), "dry: {dry}");
        for (node, calls) in [(&mut a, if dry { 2 } else { 1 }), (&mut b, usize::from(dry))] {
            for _ in 0..calls {
                node.next().await.answer(ok(&[], "rows"));
            }
        }
        for task in [first, joins, other] {
            assert_eq!(text(answered(task).await).await, "rows");
        }
        if dry {
            assert_eq!(engine.commands(), 0);
            // Those of the other process would have shared in a fleet, which the report does not count.
            assert_eq!([&a, &b].map(|node| node.layer.dry_run_report().saved()), [1, 0]);
            // Others of the fleet may share already, and what they share has to know of writes.
            let write = ask(&mut a, request("POST", "http://h/x", &[])).await;
            a.next().await.answer(ok(&[], "written"));
            answered(write).await;
            assert_eq!(engine.commands(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_generic_service_the_engine_gets_no_command() {
    for dry in [true, false] {
        let (engine, gate) = (MemoryEngine::new(), Arc::new(Notify::new()));
        let layer = SingleflightLayer::new(|id: &u32| Some(*id));
        let layer =
            if dry { layer.dry_run(|leader: &Result<u32, Infallible>, follower| leader == follower) } else { layer };
        let layer = layer.fleet(Fleet::new(engine.clone(), SECRET), "rows", PostcardCodec::new());
        let opened = Arc::clone(&gate);
        let mut service = layer.layer(service_fn(move |id: u32| {
            let opened = Arc::clone(&opened);
            async move {
                opened.notified().await;
                Ok::<_, Infallible>(id)
            }
        }));
        let calls = [service.call(7), service.call(7)].map(tokio::spawn);
        settle().await;
        assert_eq!((engine.commands() == 0, engine.is_empty()), (dry, dry), "dry: {dry}");
        gate.notify_waiters();
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(7));
        }
        assert_eq!(engine.commands() == 0, dry, "dry: {dry}");
        assert_eq!(layer.dry_run_stats().saved, u64::from(dry));
    }
}
