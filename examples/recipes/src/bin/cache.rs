//! A row through the ages: missed, fresh, stale, and old while the source is down.
//!
//! `cargo run -p recipes --bin cache`

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use recipes::cache::{Bounds, Cached};
use tokio::time::sleep;
use tower_singleflight::SharedError;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ms = Duration::from_millis;
    let bounds = Bounds { fresh: ms(100), stale: ms(300), on_error: ms(600), wait: ms(200), pause: ms(50) };
    let (loads, down) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, broken) = (Arc::clone(&loads), Arc::clone(&down));
    let cached = Cached::new(1_000, bounds, move |key: u32| {
        let (load, broken) = (counted.fetch_add(1, Relaxed) + 1, Arc::clone(&broken));
        async move {
            sleep(ms(20)).await;
            if broken.load(Relaxed) {
                Err(SharedError::new("the source is down"))
            } else {
                Ok(format!("row {key}.{load}"))
            }
        }
    });
    for (what, wait, is_down) in [
        ("nothing is kept", 0, false),
        ("at once again", 0, false),
        ("after 150 ms", 150, false),
        ("50 ms later", 50, false),
        ("after 350 ms, the source is down", 350, true),
        ("after 300 ms more", 300, true),
    ] {
        down.store(is_down, Relaxed);
        sleep(ms(wait)).await;
        // A herd, not one caller: all ask before any of them has an answer.
        let (one, other) = tokio::join!(cached.get(7), cached.get(7));
        let is = |answer: Result<(String, _), SharedError>| match answer {
            Ok((row, from)) => format!("{row} ({from:?})"),
            Err(error) => format!("error: {error}"),
        };
        println!("{what:<33} {:<26} {:<26} {} loads", is(one), is(other), loads.load(Relaxed));
    }
}
