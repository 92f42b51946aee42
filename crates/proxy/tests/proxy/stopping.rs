//! An orderly end.

use super::*;

#[tokio::test]
async fn what_is_under_way_ends_well_when_the_proxy_stops() {
    let (origin, mut arrivals, open) = gated("in the end").await;
    for h2 in [false, true] {
        let proxy = Proxy::start(origin, &["--grace", "600000", "--idle", "600000"]);
        // One asks for nothing, one has had its answer: they hold nothing up.
        let silent = proxy.connect().await;
        let mut idle = proxy.connect().await;
        idle.write_all(b"HEAD /first HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        arrivals.recv().await.unwrap();
        open.add_permits(1);
        assert_ne!(timeout(LONG, idle.read(&mut [0; 1024])).await.unwrap().unwrap(), 0);
        let asked = tokio::spawn(ask(h2, proxy.request("/"), ""));
        arrivals.recv().await.unwrap();
        proxy.stop.send(()).unwrap();
        // The listener goes first: then nobody new is taken in.
        closed(proxy.address).await;
        assert!(!proxy.done.is_finished());
        open.add_permits(1);
        assert_eq!(text(asked.await.unwrap()).await, "in the end");
        timeout(LONG, proxy.done).await.unwrap().unwrap();
        drop((silent, idle));
    }
}

#[tokio::test]
async fn a_worker_without_clients_stays_for_those_of_others() {
    let (origin, mut arrivals, open) = gated("in the end").await;
    let proxy = Proxy::start(origin, &["--grace", "600000"]);
    let key = proxy.key("/");
    let leader = tokio::spawn(ask(false, proxy.request("/"), ""));
    arrivals.recv().await.unwrap();
    let follower = tokio::spawn(ask(false, proxy.request("/"), ""));
    wait_until(|| proxy.group.callers(&key) == 2).await;
    leader.abort();
    wait_until(|| proxy.group.callers(&key) == 1).await;
    proxy.stop.send(()).unwrap();
    closed(proxy.address).await;
    open.add_permits(1);
    assert_eq!(text(follower.await.unwrap()).await, "in the end");
    timeout(LONG, proxy.done).await.unwrap().unwrap();
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn what_does_not_end_in_its_grace_does_not_hold_the_end_up() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let origin = origin(move |_| {
        arrived.send(()).unwrap();
        std::future::pending()
    })
    .await;
    let proxy = Proxy::start(origin, &["--grace", "20"]);
    let _asked = tokio::spawn(ask(false, proxy.request("/"), ""));
    arrivals.recv().await.unwrap();
    proxy.stop.send(()).unwrap();
    timeout(LONG, proxy.done).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_proxy_without_threads_does_not_start() {
    let options = Proxy::options(([127, 0, 0, 1], 9).into(), &[]);
    let refused = singleflight_proxy::Proxy::start(&options, 0).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}
