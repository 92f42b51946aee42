//! Writers that then read, on SQLite.

use recipes::own_writes::{Orders, Reads, Tally, run};

const WRITERS: usize = 1_000;

/// The more orders there are, the longer a read takes beside a write.
async fn tally(reads: Reads, filled: u32) -> Tally {
    let directory = tempfile::tempdir().unwrap();
    let orders = Orders::create(&directory.path().join("orders.sqlite"), filled).unwrap();
    let tally = run(&orders, WRITERS, reads).await.unwrap();
    println!("{reads:?}: {tally:?}");
    let books = orders.books(reads).await.unwrap();
    let (thousands, written) = (i64::from(filled) / 1_000, WRITERS as i64);
    assert_eq!((books.newest, books.cents), (thousands * 1_000 + written, thousands * 499_500 + written * 100));
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_reads_hold_what_their_caller_has_written_and_are_shared() {
    let tally = tally(Reads::Fresh, 50_000).await;
    assert_eq!(tally.stale, 0);
    assert!(tally.queries < WRITERS / 2, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_reads_are_shared_and_some_are_from_before_the_write() {
    let tally = tally(Reads::Ordinary, 50_000).await;
    assert!(tally.stale > 0, "{tally:?}");
    assert!(tally.queries < WRITERS / 2, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_first_is_never_stale_and_costs_a_query_for_each_writer() {
    let tally = tally(Reads::Forgetting, 1_000).await;
    assert_eq!(tally.stale, 0);
    assert!(tally.queries > WRITERS / 2, "{tally:?}");
}
