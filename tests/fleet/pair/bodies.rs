//! Bodies of answers that other processes wait for.

use bytes::Bytes;
use http_body::Frame;
use tower_singleflight::fleet::{FleetReason, FleetRole};

use super::origin::{Fault, Site, answer, get, read, streamed};
use crate::process::settle;

#[tokio::test(start_paused = true)]
async fn s16_a_body_that_breaks_off_reaches_nobody_elsewhere_and_one_takes_over() {
    let mut site = Site::new();
    let processes = site.processes::<3>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    let (frames, response) = streamed();
    site.next().await.answer(response);
    frames.send(Ok(Frame::data(Bytes::from_static(b"ro")))).unwrap();
    settle().await;
    frames.send(Err(Fault("broken"))).unwrap();
    site.next().await.answer(answer(&[], "rows"));
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().unwrap().body);
    }
    assert_eq!(bodies.iter().filter(|body| body.is_none()).count(), 1, "the first leader's alone");
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_grows_larger_than_a_message_lets_others_go_while_its_own_readers_go_on() {
    let mut site = Site::new();
    site.settings = site.settings.max_message(3);
    let processes = site.processes::<2>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    let (frames, response) = streamed();
    site.next().await.answer(response);
    frames.send(Ok(Frame::data(Bytes::from_static(b"rows")))).unwrap();
    site.next().await.answer(answer(&[], "own"));
    drop(frames);
    let mut bodies = Vec::new();
    for call in calls {
        bodies.push(call.await.unwrap().unwrap().body.unwrap());
    }
    assert_eq!(bodies, ["rows", "own"]);
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_fleets_claim_holds_nobody_up_and_gives_way_when_the_window_is_full() {
    let mut site = Site::new();
    let told = |layer: tower_singleflight::HttpSingleflightLayer| layer.window(100);
    let processes = [site.process(told), site.process(told)];
    // The leader does not read its body for now.
    let leaders = tokio::spawn(tower::Service::call(&mut processes[0].service.clone(), get("/rows")));
    let asked = site.next().await;
    let follower = processes[1].get("/rows");
    settle().await;
    let (frames, response) = streamed();
    asked.answer(response);
    for _ in 0..5 {
        frames.send(Ok(Frame::data(Bytes::from_static(&[b'a'; 50])))).unwrap();
    }
    drop(frames);
    site.next().await.answer(answer(&[], "own"));
    let follower = follower.await.unwrap().unwrap();
    assert_eq!(
        (follower.body.as_deref(), follower.fleet),
        (Some("own"), Some(FleetRole::Local(FleetReason::TooLarge)))
    );
    let got = read(leaders.await.unwrap().unwrap()).await;
    assert_eq!(got.body.unwrap().len(), 250, "the leader has lost nothing");
    site.rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_long_is_waited_for() {
    let mut site = Site::new();
    let processes = site.processes::<2>();
    let calls = processes.each_ref().map(|process| process.get("/rows"));
    let (frames, response) = streamed();
    site.next().await.answer(response);
    for _ in 0..5 {
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        frames.send(Ok(Frame::data(Bytes::from_static(b"row ")))).unwrap();
    }
    drop(frames);
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().body.as_deref(), Some("row row row row row "));
    }
    site.rest().await;
}

/// F4: nothing is buffered for nobody.
#[tokio::test(start_paused = true)]
async fn f4_a_lone_answer_is_the_inner_body_itself_and_takes_two_commands() {
    let mut site = Site::new();
    let [process] = site.processes::<1>();
    let call = tokio::spawn(tower::Service::call(&mut process.service.clone(), get("/rows")));
    site.next().await.answer(answer(&[], "rows"));
    let response = call.await.unwrap().unwrap();
    assert!(format!("{:?}", response.body()).contains("shared: false"), "{:?}", response.body());
    assert_eq!(site.engine.commands(), 2);
    drop(response);
    site.rest().await;
}
