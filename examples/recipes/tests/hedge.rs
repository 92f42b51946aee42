//! Where a hedge stands decides how many calls it costs. Time is paused.

use std::time::Duration;

use recipes::hedge::{Hedged, SLOW, herd};

const CALLERS: usize = 100;

#[tokio::test(start_paused = true)]
async fn below_the_layer_a_hedge_costs_one_call_more_and_all_have_the_faster_answer() {
    let herd = herd(Hedged::Below, CALLERS).await;
    assert_eq!((herd.answered, herd.calls), (CALLERS, 2));
    assert!(herd.took < Duration::from_millis(70), "{herd:?}");
}

#[tokio::test(start_paused = true)]
async fn without_the_layer_it_doubles_the_herd() {
    let herd = herd(Hedged::WithoutLayer, CALLERS).await;
    assert_eq!((herd.answered, herd.calls), (CALLERS, 2 * CALLERS));
    assert!(herd.took < Duration::from_millis(70), "{herd:?}");
}

#[tokio::test(start_paused = true)]
async fn above_the_layer_the_second_requests_join_the_flight_that_they_were_to_overtake() {
    let herd = herd(Hedged::Above, CALLERS).await;
    assert_eq!((herd.answered, herd.calls), (CALLERS, 1));
    assert!(herd.took >= SLOW, "{herd:?}");
}
