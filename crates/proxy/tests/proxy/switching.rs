//! Connections that switch protocols.

use hyper::upgrade::Upgraded;
use tokio::sync::watch;

use super::*;

/// Starts an origin that switches to a protocol which echoes, as soon as it may.
async fn switching(may: watch::Receiver<bool>) -> SocketAddr {
    origin(move |mut request| {
        let mut may = may.clone();
        async move {
            assert_eq!(request.headers()[header::UPGRADE], "echo");
            assert_eq!(request.headers()[header::CONNECTION], "upgrade");
            may.wait_for(|may| *may).await.unwrap();
            tokio::spawn(async move {
                let mut upgraded = TokioIo::new(hyper::upgrade::on(&mut request).await.unwrap());
                let (mut reader, mut writer) = tokio::io::split(&mut upgraded);
                // The client may break off.
                if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
                    let _ = writer.shutdown().await;
                }
            });
            let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header(header::UPGRADE, "echo");
            answer.header(header::CONNECTION, "upgrade").body(Empty::new().boxed_unsync()).unwrap()
        }
    })
    .await
}

/// Has a connection to the proxy switch.
async fn upgrade(proxy: SocketAddr) -> TokioIo<Upgraded> {
    let request = Request::get(format!("http://{proxy}/chat"))
        .header(header::UPGRADE, "echo")
        .header(header::CONNECTION, "Upgrade");
    let response = ask(false, request, "").await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers()[header::UPGRADE], "echo");
    TokioIo::new(hyper::upgrade::on(response).await.unwrap())
}

/// Returns whether what is sent comes back.
async fn echoes(upgraded: &mut TokioIo<Upgraded>) -> bool {
    let mut echoed = [0; 5];
    let both = async {
        upgraded.write_all(b"hello").await?;
        upgraded.read_exact(&mut echoed).await
    };
    timeout(LONG, both).await.unwrap().is_ok() && echoed == *b"hello"
}

#[tokio::test]
async fn an_upgraded_connection_runs_both_ways() {
    let (_switch, may) = watch::channel(true);
    let origin = switching(may).await;
    for options in [&[][..], &["--no-coalesce"]] {
        let proxy = Proxy::start(origin, options);
        let mut upgraded = upgrade(proxy.address).await;
        for _ in 0..2 {
            assert!(echoes(&mut upgraded).await);
        }
        upgraded.shutdown().await.unwrap();
        assert_eq!(timeout(LONG, upgraded.read(&mut [0])).await.unwrap().unwrap(), 0, "the end comes back too");
    }
}

#[tokio::test]
async fn an_upgraded_connection_goes_on_when_the_proxy_stops() {
    for options in [&["--grace", "600000"][..], &["--grace", "600000", "--no-coalesce"]] {
        for switches_before in [true, false] {
            let (switch, may) = watch::channel(switches_before);
            let origin = switching(may).await;
            let proxy = Proxy::start(origin, options);
            let (address, mut asked) = (proxy.address, Box::pin(upgrade(proxy.address)));
            let mut upgraded = None;
            if switches_before {
                upgraded = Some(asked.as_mut().await);
            } else {
                // Until the origin waits.
                tokio::select! {
                    biased;
                    () = wait_until(|| switch.receiver_count() >= 3) => {}
                    _ = asked.as_mut() => unreachable!("it has not switched"),
                }
            }
            proxy.stop.send(()).unwrap();
            closed(address).await;
            switch.send_replace(true);
            let mut upgraded = match upgraded {
                Some(upgraded) => upgraded,
                None => asked.await,
            };
            // In each of them the worker takes a turn.
            for _ in 0..100 {
                assert!(echoes(&mut upgraded).await);
            }
            assert!(!proxy.done.is_finished());
            drop(upgraded);
            timeout(LONG, proxy.done).await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn an_upgraded_connection_is_cut_when_its_grace_is_over() {
    let (_switch, may) = watch::channel(true);
    let proxy = Proxy::start(switching(may).await, &["--grace", "20"]);
    let mut upgraded = upgrade(proxy.address).await;
    assert!(echoes(&mut upgraded).await);
    proxy.stop.send(()).unwrap();
    timeout(LONG, proxy.done).await.unwrap().unwrap();
    while echoes(&mut upgraded).await {}
}
