//! Bodies that panic.

use bytes::Bytes;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;

use super::origin::{Fault, Site, answer};

/// Whoever reads it panics; those elsewhere do not wait to see that.
#[tokio::test(start_paused = true)]
async fn f1_a_body_that_panics_keeps_nobody_elsewhere_waiting() {
    let mut site = Site::new();
    let processes = site.processes::<3>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    let mut read = 0;
    let body = StreamBody::new(futures_util::stream::poll_fn(move |_| {
        read += 1;
        assert!(read < 2, "a body that panics");
        std::task::Poll::Ready(Some(Ok::<_, Fault>(Frame::data(Bytes::from_static(b"ro")))))
    }));
    let asked = site.next().await;
    let answered = Instant::now();
    asked.answer(Response::new(body.boxed_unsync()));
    // One of them takes over at once (S16).
    let others = site.all().await;
    assert_eq!(others.len(), 1);
    assert!(answered.elapsed().as_millis() < 100, "{:?}", answered.elapsed());
    others.into_iter().for_each(|asked| asked.answer(answer(&[], "rows")));
    let mut whole = 0;
    for call in calls {
        whole += usize::from(call.await.is_ok_and(|got| got.unwrap().body.as_deref() == Some("rows")));
    }
    assert_eq!(whole, 2);
    site.rest().await;
}
