//! Writers that each write an order and then read the books, in three ways.
//!
//! `cargo run --release -p recipes --bin own_writes -- 1000 100000`: so many writers, on so many orders

use std::{env, error::Error};

use recipes::own_writes::{Orders, Reads, run};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut sizes = env::args().skip(1).map(|size| size.parse::<u32>().map_err(|error| format!("{size}: {error}")));
    let writers = sizes.next().transpose()?.unwrap_or(1_000) as usize;
    let filled = sizes.next().transpose()?.unwrap_or(20_000);
    println!("{writers} writers, each of which reads after its write, on {filled} orders");
    for (reads, name) in
        [(Reads::Ordinary, "call"), (Reads::Forgetting, "forget, then call"), (Reads::Fresh, "call_fresh")]
    {
        let directory = tempfile::tempdir()?;
        let orders = Orders::create(&directory.path().join("orders.sqlite"), filled)?;
        let tally = run(&orders, writers, reads).await?;
        println!(
            "{name:<18} {:>4} stale reads, {:>4} queries, {:>5} ms",
            tally.stale,
            tally.queries,
            tally.took.as_millis()
        );
    }
    Ok(())
}
