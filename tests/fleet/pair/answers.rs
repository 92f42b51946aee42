//! Answers that are not for everybody, in two processes and more.

use super::origin::{Site, answer, status};
use crate::process::settle;

#[tokio::test(start_paused = true)]
async fn d4_an_error_of_the_service_is_its_own_process() {
    let mut site = Site::new();
    let processes = site.processes::<2>();
    let calls = processes.each_ref().map(|process| [process.get("/rows"), process.get("/rows")]);
    site.next().await.fail();
    site.next().await.answer(answer(&[], "rows"));
    let mut results = Vec::new();
    for call in calls.into_iter().flatten() {
        results.push(call.await.unwrap().map(|got| got.body));
    }
    assert_eq!(results.iter().filter(|result| result.is_err()).count(), 2);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn d9_what_may_be_due_to_the_leaders_own_request_is_asked_once_more_by_another_process() {
    let mut site = Site::new();
    let processes = site.processes::<3>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    site.next().await.answer(status(429, &[]));
    // One of the two others asks with its own request, and the third waits for that.
    site.next().await.answer(answer(&[], "rows"));
    let mut bodies = Vec::new();
    for call in calls {
        let got = call.await.unwrap().unwrap();
        bodies.push((got.status.as_u16(), got.body.unwrap()));
    }
    bodies.sort();
    assert_eq!(bodies, [(200, "rows".to_owned()), (200, "rows".to_owned()), (429, "rows".to_owned())]);
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn d9_a_second_try_is_final() {
    let mut site = Site::new();
    let processes = site.processes::<3>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    site.next().await.answer(status(429, &[]));
    site.next().await.answer(status(429, &[]));
    site.next().await.answer(status(429, &[]));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status.as_u16(), 429);
    }
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn s21_who_waits_since_before_a_write_goes_on_waiting_though_it_looks_again() {
    let mut site = Site::new();
    site.settings = site.settings.lease(std::time::Duration::from_millis(300));
    let processes = site.processes::<3>();
    let leader = processes[0].get("/rows");
    let asked = site.next().await;
    let follower = processes[1].get("/rows");
    settle().await;
    let write = http::Request::post("http://site/rows").body(http_body_util::Full::default()).unwrap();
    let written = processes[2].send(write);
    site.next().await.answer(status(204, &[]));
    written.await.unwrap().unwrap();
    // The lease was renewed since, and the follower has asked what has become of its flight.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(site.all().await.is_empty());
    asked.answer(answer(&[], "old"));
    for call in [leader, follower] {
        assert_eq!(call.await.unwrap().unwrap().body.as_deref(), Some("old"));
    }
    site.rest().await;
}
