//! Answers that are not for everybody, in two processes and more.

use super::origin::{Site, answer, status};

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
