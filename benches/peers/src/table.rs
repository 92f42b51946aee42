//! Measures all peers in turn, and prints what came out.

use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    runtime::{Builder, Runtime},
    task::unconstrained,
};

use crate::{
    Options, hammer,
    peer::Peer,
    peers::{
        AsyncSingleflight, Coalesce, Floor, Moka, Ours, QuickCache, RsSingleflight, SharedInMap, SingleflightAsync,
        Uniflight,
    },
    polls, solo, threads, waiters,
};

/// The measurements of one peer, as functions.
struct Bench {
    name: &'static str,
    /// It coalesces: the floor does not.
    shares: bool,
    solo: fn(&Runtime, u64) -> Duration,
    allocations: fn(&Runtime) -> f64,
    polls: fn(&Runtime) -> (f64, usize),
    waiters: fn(&Runtime, usize) -> waiters::Waiters,
    hammer: fn(&Runtime, usize) -> (u64, usize, usize),
    threads: fn(u64) -> f64,
}

impl Bench {
    fn of<P: Peer>() -> Self {
        Self {
            name: P::NAME,
            shares: true,
            solo: |runtime, calls| runtime.block_on(solo::calls(&P::new(), calls)),
            allocations: |runtime| runtime.block_on(solo::allocations::<P>()),
            polls: |runtime| runtime.block_on(polls::polls::<P>()),
            // Waiters are polled by hand, by the thousand: more than a task may do in one turn.
            waiters: |runtime, count| runtime.block_on(unconstrained(waiters::waiters::<P>(count))),
            hammer: |runtime, calls| {
                use std::sync::atomic::Ordering::SeqCst;
                let tally = runtime.block_on(hammer::hammer::<P>(calls));
                (tally.runs.load(SeqCst), tally.overlaps.load(SeqCst), tally.stale.load(SeqCst))
            },
            threads: threads::ratio::<P>,
        }
    }
}

/// What was measured of one peer; times in ns and ms, medians.
pub struct Row {
    name: &'static str,
    shares: bool,
    solo: f64,
    allocations: f64,
    polls: (f64, usize),
    register: f64,
    land: f64,
    cancel: f64,
    /// What 4 times as many waiters cost, as a multiple.
    fourfold: f64,
    bytes: f64,
    hammer: (u64, usize, usize),
    threads: f64,
}

/// Measures everything, the peers taking turns within each round.
pub fn measure(options: &Options) -> Vec<Row> {
    let floor = Bench { shares: false, ..Bench::of::<Floor>() };
    let benches = [
        Bench::of::<Ours>(),
        Bench::of::<Coalesce>(),
        Bench::of::<SingleflightAsync>(),
        Bench::of::<RsSingleflight>(),
        Bench::of::<AsyncSingleflight>(),
        Bench::of::<Uniflight>(),
        Bench::of::<Moka>(),
        Bench::of::<QuickCache>(),
        Bench::of::<SharedInMap>(),
        floor,
    ];
    let one = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let two = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}").expect("a template");
    let bar = ProgressBar::new(benches.len() as u64 * 5).with_style(style);

    let mut times = vec![Vec::new(); benches.len()];
    let mut scaling = vec![Vec::new(); benches.len()];
    for _ in 0..options.rounds {
        let bare = one.block_on(solo::bare(options.calls)).as_nanos() as f64;
        for (bench, times) in benches.iter().zip(&mut times) {
            bar.set_message(format!("{}: solo", bench.name));
            times.push(((bench.solo)(&one, options.calls).as_nanos() as f64 - bare) / options.calls as f64);
        }
        for (bench, scaling) in benches.iter().zip(&mut scaling) {
            bar.set_message(format!("{}: two threads", bench.name));
            scaling.push((bench.threads)(options.calls));
        }
    }
    let rows = benches.iter().zip(times).zip(scaling).map(|((bench, times), scaling)| {
        bar.inc(1);
        bar.set_message(format!("{}: polls", bench.name));
        let polls = if bench.shares { (bench.polls)(&one) } else { (0.0, 0) };
        bar.inc(1);
        bar.set_message(format!("{}: waiters", bench.name));
        let count = options.waiters as usize;
        let runs: Vec<_> =
            if bench.shares { (0..3).map(|_| (bench.waiters)(&one, count)).collect() } else { Vec::new() };
        let millis = |of: fn(&waiters::Waiters) -> Duration| {
            median(runs.iter().map(|run| of(run).as_secs_f64() * 1e3).collect())
        };
        let all = |count| {
            let run = (bench.waiters)(&one, count);
            (run.register + run.land + run.cancel).as_secs_f64()
        };
        let fourfold = if bench.shares { all(2 * count) / all(count / 2) } else { f64::NAN };
        bar.inc(2);
        bar.set_message(format!("{}: hammer", bench.name));
        let hammer = if bench.shares { (bench.hammer)(&two, options.hammer as usize) } else { (0, 0, 0) };
        bar.inc(1);
        Row {
            name: bench.name,
            shares: bench.shares,
            solo: median(times),
            allocations: (bench.allocations)(&one),
            polls,
            register: millis(|run| run.register),
            land: millis(|run| run.land),
            cancel: millis(|run| run.cancel),
            fourfold,
            bytes: median(runs.iter().map(|run| run.bytes).collect()),
            hammer,
            threads: median(scaling),
        }
    });
    let rows = rows.collect();
    bar.finish_and_clear();
    rows
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn print(options: &Options, rows: &[Row]) {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "",
        "solo, ns over bare",
        "solo, allocations",
        "polls per caller",
        "polls of the work",
        "register, ms",
        "land, ms",
        "cancel, ms",
        "4x waiters cost",
        "bytes per waiter",
        "runs",
        "overlaps",
        "stale",
        "2 threads over 1",
    ]);
    for row in rows {
        let shared = |text: String| if row.shares { text } else { "-".to_owned() };
        table.add_row([
            row.name.to_owned(),
            format!("{:.0}", row.solo),
            format!("{:.1}", row.allocations),
            shared(format!("{:.1}", row.polls.0)),
            shared(row.polls.1.to_string()),
            shared(format!("{:.1}", row.register)),
            shared(format!("{:.1}", row.land)),
            shared(format!("{:.1}", row.cancel)),
            shared(format!("{:.1}", row.fourfold)),
            shared(format!("{:.0}", row.bytes)),
            shared(row.hammer.0.to_string()),
            shared(row.hammer.1.to_string()),
            shared(row.hammer.2.to_string()),
            format!("{:.2}", row.threads),
        ]);
    }
    (1..14)
        .filter_map(|column| Some(table.column_mut(column)?.set_cell_alignment(CellAlignment::Right)))
        .for_each(drop);
    println!("{table}\n");
    println!(
        "{} solo calls of distinct keys a round; {} callers and {} wakes; {} waiters; {} hammered calls of one key on 2 threads.\n",
        options.calls,
        polls::CALLERS,
        polls::WAKES,
        options.waiters,
        options.hammer
    );
    targets(rows);
}

/// Says of each target whether it is met, in this run.
fn targets(rows: &[Row]) {
    let (ours, peers) = (&rows[0], &rows[1..]);
    let best = |of: fn(&Row) -> f64| peers.iter().filter(|row| row.shares).map(of).fold(f64::INFINITY, f64::min);
    let solo = best(|row| row.solo);
    let (register, land) = (best(|row| row.register), best(|row| row.land));
    let lines = [
        (ours.allocations <= 2.0, format!("solo: {:.1} allocations, at most 2", ours.allocations)),
        (ours.solo <= solo / 2.0, format!("solo: {:.0} ns, at most half of the best peer's {solo:.0}", ours.solo)),
        (ours.polls.0 <= 2.1, format!("polls per caller: {:.1}, at most 2.1", ours.polls.0)),
        (
            ours.polls.1 <= polls::WAKES + 2,
            format!("polls of the work: {}, at most {}", ours.polls.1, polls::WAKES + 2),
        ),
        (ours.fourfold <= 5.0, format!("4 times the waiters: {:.1} times the cost, at most 5", ours.fourfold)),
        (ours.bytes <= 64.0, format!("a waiter: {:.0} bytes, at most 64", ours.bytes)),
        (ours.register <= register, format!("registering: {:.1} ms, the best peer {register:.1}", ours.register)),
        (ours.land <= land, format!("landing: {:.1} ms, the best peer {land:.1}", ours.land)),
        (
            (ours.hammer.1, ours.hammer.2) == (0, 0),
            format!("hammer: {} overlaps, {} stale", ours.hammer.1, ours.hammer.2),
        ),
        (ours.threads >= 1.7, format!("two threads: {:.2} times one, at least 1.7", ours.threads)),
    ];
    for (met, line) in lines {
        println!("{} {line}", if met { "met   " } else { "BEHIND" });
    }
}
