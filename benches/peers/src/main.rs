//! Peers side by side, in one process: `cargo run --release -p peers`.

mod alloc;
mod hammer;
mod peer;
mod peers;
mod polls;
mod solo;
mod table;
mod threads;
mod waiters;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// Measures tower-singleflight beside its peers and prints one table.
#[derive(Parser)]
#[command(version)]
pub struct Options {
    /// How often each time is measured; the table has the medians.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1001))]
    rounds: u32,
    /// Solo calls in a round.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    calls: u64,
    /// Callers who wait for one key.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    waiters: u32,
    /// Calls in the hammer.
    #[arg(long, default_value_t = 800_000, value_parser = clap::value_parser!(u32).range(8..=100_000_000))]
    hammer: u32,
}

fn main() {
    let options = Options::parse();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{threads} threads, {}, {} rounds\n", std::env::consts::ARCH, options.rounds);
    let rows = table::measure(&options);
    table::print(&options, &rows);
}
