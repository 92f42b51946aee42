//! What goes through, in both directions.

use super::*;

#[tokio::test]
async fn both_versions_of_http_go_through_on_either_side() {
    let origin = echo().await;
    for upstream_h2 in [false, true] {
        for coalesce in [true, false] {
            let options = [("--h2", upstream_h2), ("--no-coalesce", !coalesce)];
            let options: Vec<_> = options.iter().filter(|option| option.1).map(|option| option.0).collect();
            let proxy = Proxy::start(origin, &options);
            for client_h2 in [false, true] {
                let posted = ask(client_h2, proxy.request("/a/b?c=d").method("POST"), "content").await;
                let version = if upstream_h2 { "HTTP/2.0 POST" } else { "HTTP/1.1 POST" };
                let target = if upstream_h2 { format!("http://{origin}/a/b?c=d") } else { "/a/b?c=d".to_owned() };
                assert_eq!(posted.headers()["seen"], format!("{version} {target}"));
                let via = if client_h2 { "2.0 singleflight" } else { "1.1 singleflight" };
                assert_eq!(seen(&posted, "via"), [via]);
                assert_eq!(
                    posted.headers()[header::VIA],
                    if upstream_h2 { "2.0 singleflight" } else { "1.1 singleflight" }
                );
                assert_eq!(text(posted).await, "content");

                let got = ask(client_h2, proxy.request("/"), "").await;
                assert_eq!(got.status(), StatusCode::OK);
                assert_eq!(text(got).await, "");
            }
        }
    }
}

#[tokio::test]
async fn equal_requests_of_both_versions_are_one_upstream() {
    let (origin, mut arrivals, open) = gated("rates").await;
    let proxy = Proxy::start(origin, &["--cache-status", "proxy"]);
    let mut asked = JoinSet::new();
    for n in 0..21 {
        asked.spawn(ask(n % 2 == 0, proxy.request("/rates"), ""));
    }
    arrivals.recv().await.unwrap();
    let key = proxy.key("/rates");
    wait_until(|| proxy.group.callers(&key) == 21).await;
    open.add_permits(1);
    let mut followed = 0;
    while let Some(answer) = asked.join_next().await {
        let answer = answer.unwrap();
        let status = answer.headers()["cache-status"].to_str().unwrap();
        followed += usize::from(status.ends_with("; collapsed"));
        assert_eq!(text(answer).await, "rates");
    }
    assert_eq!(followed, 20);
    assert!(arrivals.try_recv().is_err());
}

#[tokio::test]
async fn a_chunk_goes_through_before_the_next_one_is_made() {
    let (chunks, made) = mpsc::unbounded_channel::<Frame<Bytes>>();
    let made = Arc::new(std::sync::Mutex::new(Some(made)));
    let origin = origin(move |_| {
        let made = made.lock().unwrap().take().unwrap();
        let frames = futures_util::stream::unfold(made, |mut made| async {
            made.recv().await.map(|frame| (Ok::<_, Infallible>(frame), made))
        });
        async { Response::new(BodyExt::boxed_unsync(StreamBody::new(frames))) }
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let mut body = ask(false, proxy.request("/stream"), "").await.into_body();
    for chunk in ["one", "two", "three"] {
        chunks.send(Frame::data(Bytes::from_static(chunk.as_bytes()))).unwrap();
        let frame = timeout(LONG, body.frame()).await.unwrap().unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), chunk);
    }
    drop(chunks);
    assert!(timeout(LONG, body.frame()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_request_is_streamed_too() {
    let origin = origin(|mut request| async move {
        let first = request.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
        Response::new(Full::new(first).boxed_unsync())
    })
    .await;
    let proxy = Proxy::start(origin, &[]);
    let mut stream = proxy.connect().await;
    // The second half never comes.
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf").await.unwrap();
    let mut answer = [0; 12];
    timeout(LONG, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

/// One client does not read before the other has read all: what it has yet to read lies on the disk meanwhile.
#[tokio::test]
async fn a_large_download_waits_on_disk_for_a_client_that_reads_later() {
    const SIZE: usize = 48 << 20;
    let open = Arc::new(Semaphore::new(0));
    let origin = {
        let open = Arc::clone(&open);
        origin(move |_| {
            let open = Arc::clone(&open);
            async move {
                open.acquire().await.unwrap().forget();
                let chunks = std::iter::repeat_n(Bytes::from_static(&[7; 64 << 10]), SIZE >> 16);
                let frames = chunks.map(|chunk| Ok::<_, Infallible>(Frame::data(chunk)));
                Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
            }
        })
        .await
    };
    let dir = tempfile::tempdir().unwrap();
    // Nobody would be cut before the test gives up.
    let options = ["--stall", "600000", "--spill-dir", dir.path().to_str().unwrap()];
    let proxy = Proxy::start(origin, &options);
    let (early, late) = (ask(false, proxy.request("/big"), ""), ask(false, proxy.request("/big"), ""));
    let (early, late) = (tokio::spawn(early), tokio::spawn(late));
    let key = proxy.key("/big");
    wait_until(|| proxy.group.callers(&key) == 2).await;
    open.add_permits(2);
    let (early, late) = (early.await.unwrap(), late.await.unwrap());
    let read = |answer: Response<Incoming>| async { answer.into_body().collect().await.unwrap().to_bytes().len() };
    assert_eq!(timeout(LONG, read(early)).await.unwrap(), SIZE);
    assert_eq!(timeout(LONG, read(late)).await.unwrap(), SIZE);
    assert_eq!(open.available_permits(), 1, "both had one answer");
}
