//! Answers that break off: what had come of them reaches every client, and none looks whole.

use super::{
    stale_h2::{HEADERS, RST_STREAM, SETTINGS, frame, head},
    *,
};

/// An upstream that says this to a connection for each permit, and closes.
async fn says_when(answer: &'static str) -> (SocketAddr, Arc<Semaphore>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, may) = (listener.local_addr().unwrap(), Arc::new(Semaphore::new(0)));
    let gate = Arc::clone(&may);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                gate.acquire().await.unwrap().forget();
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (address, may)
}

/// The end of the answer lies behind its head when followers look; hyper would drop the head, which it has not sent.
#[tokio::test]
async fn a_herd_has_the_head_of_an_answer_that_breaks_off_and_what_came_behind_it() {
    let large =
        format!("HTTP/1.1 201 Created\r\nContent-Length: 99999\r\nCache-Control: public\r\n\r\n{}", "x".repeat(50_000));
    for (answer, came) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", 4),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n3\r\nx", 5),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n", 4),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 0),
        (large.leak(), 50_000),
    ] {
        let (upstream, may) = says_when(answer).await;
        for h2 in [false, true] {
            let proxy = Proxy::start(upstream, &[]);
            let mut herd = JoinSet::new();
            for _ in 0..20 {
                let request = proxy.request("/");
                herd.spawn(ask(h2, request, ""));
            }
            wait_until(|| proxy.group.callers(&proxy.key("/")) == 20).await;
            may.add_permits(1);
            while let Some(response) = herd.join_next().await {
                let response = response.unwrap();
                assert_eq!(response.status().as_u16() / 100, 2);
                let (mut body, mut had) = (response.into_body(), 0);
                let failed = loop {
                    match timeout(LONG, body.frame()).await.unwrap() {
                        Some(Ok(frame)) => had += frame.into_data().map_or(0, |data| data.len()),
                        Some(Err(_)) => break true,
                        None => break false,
                    }
                };
                assert!(failed && had == came, "{had} of {came} bytes, cut: {failed}");
            }
        }
    }
}

/// Answers over HTTP/2 with a head, `half`, and a reset that says that there is no error. It may come behind a whole
/// answer, to have no more of the request (RFC 9113, section 8.1).
async fn reset_without_error(mut stream: TcpStream, ends: bool) -> std::io::Result<()> {
    stream.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut prefix = [0; 9];
        stream.read_exact(&mut prefix).await?;
        let [high, middle, low, kind, flags, id @ ..] = prefix;
        stream.read_exact(&mut vec![0; u32::from_be_bytes([0, high, middle, low]) as usize]).await?;
        let id = u32::from_be_bytes(id);
        match kind {
            SETTINGS if flags == 0 => stream.write_all(&frame(SETTINGS, 1, 0, &[])).await?,
            HEADERS => {
                let data = frame(0, u8::from(ends), id, b"half");
                let answer = [head(id, false), data, frame(RST_STREAM, 0, id, &[0; 4])].concat();
                stream.write_all(&answer).await?;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_reset_without_an_error_ends_no_answer() {
    for ends in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), &["--h2"]);
        tokio::spawn(async move {
            loop {
                tokio::spawn(reset_without_error(listener.accept().await.unwrap().0, ends));
            }
        });
        for h2 in [false, true] {
            let body = ask(h2, proxy.request("/"), "").await.into_body();
            let came = timeout(LONG, body.collect()).await.unwrap();
            assert_eq!(came.ok().map(|body| body.to_bytes()).as_deref(), ends.then_some(&b"half"[..]), "{h2}");
        }
    }
}
