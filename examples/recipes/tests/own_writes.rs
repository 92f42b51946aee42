//! Who writes and then reads, on SQLite.

use recipes::own_writes::{Orders, Reads, Tally, run};

const WRITERS: usize = 1_000;

async fn tally(reads: Reads) -> Tally {
    let directory = tempfile::tempdir().unwrap();
    let orders = Orders::create(&directory.path().join("orders.sqlite"), 20_000).unwrap();
    let tally = run(&orders, WRITERS, reads).await.unwrap();
    println!("{reads:?}: {tally:?}");
    let books = orders.books(reads).await.unwrap();
    assert_eq!((books.newest, books.cents), (21_000, 20 * 499_500 + 100_000));
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_reads_hold_what_their_caller_has_written_and_are_shared() {
    let tally = tally(Reads::Fresh).await;
    assert_eq!(tally.stale, 0);
    assert!(tally.queries < WRITERS / 2, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_reads_are_shared_and_some_are_from_before_the_write() {
    let tally = tally(Reads::Ordinary).await;
    assert!(tally.stale > 0, "{tally:?}");
    assert!(tally.queries < WRITERS / 2, "{tally:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgetting_first_is_never_stale_and_costs_a_query_for_each_writer() {
    let tally = tally(Reads::Forgetting).await;
    assert_eq!(tally.stale, 0);
    assert!(tally.queries > WRITERS / 2, "{tally:?}");
}
