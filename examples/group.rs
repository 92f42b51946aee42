//! No Tower at all: Go's `Do`, `DoChan` and `Forget`, on a function that is slow.
//!
//! `cargo run --example group`

use std::time::Duration;

use tokio::{task::JoinSet, time::sleep};
use tower_singleflight::Group;

async fn load_user(id: u64) -> String {
    println!("  loading user {id}");
    sleep(Duration::from_millis(50)).await;
    format!("user {id}")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let group = Group::new();

    println!("ten callers, one key:");
    let mut callers = JoinSet::new();
    for _ in 0..10 {
        callers.spawn(group.call(7, || load_user(7)));
    }
    while let Some(outcome) = callers.join_next().await {
        match outcome {
            Ok(outcome) => {
                println!("  {:?} got {:?}, shared by {}", outcome.role, outcome.value, outcome.callers);
                assert_eq!((&outcome.value[..], outcome.callers), ("user 7", 10));
            }
            Err(error) => panic!("a caller failed: {error}"),
        }
    }

    println!("a write in between: forget the key, and whoever asks from then on sees the write:");
    let before = group.call(7, || async { "before the write".to_owned() });
    group.forget(&7);
    let after = group.call(7, || async { "after the write".to_owned() });
    let (before, after) = (before.await.value, after.await.value);
    println!("  {before:?}, then {after:?}");
    assert_eq!((&before[..], &after[..]), ("before the write", "after the write"));

    println!("spawned work runs to its end, although nobody waits:");
    drop(group.spawn(8, || load_user(8)));
    while !group.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    println!("  and the group is empty again");
}
