//! Peers side by side, in one process: `cargo run --release -p peers`.

mod adapters;
mod alloc;
mod bound;
mod hammer;
mod options;
mod peer;
mod polls;
mod run;
mod solo;
mod table;
mod targets;
mod threads;
mod waiters;

use std::{env::consts, num::NonZeroUsize, thread::available_parallelism};

use options::Options;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() {
    let options = Options::read();
    let cores = available_parallelism().map_or(1, NonZeroUsize::get);
    println!("{cores} cores, {} {}", consts::OS, consts::ARCH);
    println!(
        "medians: of {} rounds of solo calls, over the bare work in a box; of up to {} rounds of {} waiters on one key",
        options.rounds(),
        options.long_rounds(),
        options.waiters(),
    );
    println!(
        "4 x the waiters: {} over {}; polls: {} callers and {} wakes of the work; hammer: {} calls of one key\n",
        2 * options.waiters(),
        options.waiters() / 2,
        polls::CALLERS,
        polls::WAKES,
        options.calls(),
    );
    let mut peers = peer::peers();
    run::run(&options, &mut peers);
    table::print(&options, &peers);
    targets::print(&peers);
}
