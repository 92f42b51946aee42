//! Readers that wait for slower ones: how long, on which clock, and who is cut.

use std::time::Duration;

use tokio::time::advance;
use tokio_test::assert_pending;
use tower_singleflight::http::BodySource;

use crate::{
    inner::{PollFrame, error, readers, text},
    source::Source,
};

#[test]
fn a_runtime_without_timers_cuts_nobody() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let [mut fast, mut slow] = readers(BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::ZERO));
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    assert_eq!(text(slow.frame()), "abc");
    assert_eq!(text(fast.frame()), "def");
}

#[test]
fn a_reader_outlives_the_runtime_that_timed_it() {
    let [mut fast, mut slow] = readers(BodySource::new(Source::frames(["abc", "def"])).window(3));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async {
        assert_eq!(text(fast.frame()), "abc");
        assert_pending!(fast.frame());
    });
    runtime().block_on(async {
        assert_pending!(fast.frame());
        assert_eq!(text(slow.frame()), "abc");
        assert_eq!(text(fast.frame()), "def");
    });
}

/// A reader that nobody waits for has all the time in the world.
#[tokio::test(start_paused = true)]
async fn a_stall_is_timed_only_while_somebody_waits() {
    let source = BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::from_secs(5));
    let [mut gone, mut fast, mut slow] = readers(source);
    assert_eq!(text(gone.frame()), "abc");
    assert_pending!(gone.frame());
    drop(gone);
    advance(Duration::from_secs(100)).await;
    assert_eq!(text(fast.frame()), "abc");
    assert_pending!(fast.frame());
    advance(Duration::from_secs(4)).await;
    assert_pending!(fast.frame());
    assert_eq!(text(slow.frame()), "abc");
    assert_eq!(text(fast.frame()), "def");
}

/// Who drove the timer is gone: another who waits takes over, from the same moment on.
#[tokio::test(start_paused = true)]
async fn a_stall_goes_on_when_one_of_those_who_wait_leaves() {
    let source = BodySource::new(Source::frames(["abc", "def"])).window(3).stall(Duration::from_secs(5));
    let [mut gone, mut fast, mut slow] = readers(source);
    for reader in [&mut gone, &mut fast] {
        assert_eq!(text(reader.frame()), "abc");
        assert_pending!(reader.frame());
    }
    advance(Duration::from_secs(3)).await;
    drop(gone);
    advance(Duration::from_secs(3)).await;
    assert!(fast.is_woken());
    assert_eq!(text(fast.frame()), "def");
    assert!(error(slow.frame()).is_lagged());
}

/// However the two race, only the slower one can be cut.
#[test]
fn with_no_patience_at_all_the_fastest_still_gets_there() {
    const ROUNDS: usize = 2_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..ROUNDS {
            let source = Source { ends: true, ..Source::frames(["a"; 50]) };
            let source = BodySource::new(source).window(1).stall(Duration::ZERO);
            let reading = [source.clone(), source].map(|claim| {
                tokio::spawn(async move {
                    let mut body = claim.into_reader();
                    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                        if frame.is_err() {
                            return false;
                        }
                    }
                    true
                })
            });
            let mut whole = 0;
            for reading in reading {
                whole += usize::from(reading.await.unwrap());
            }
            assert!(whole > 0, "all were cut");
        }
    });
}
