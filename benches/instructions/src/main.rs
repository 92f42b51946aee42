//! What the crate costs, in instructions, which are the same in each run: `cargo run --release -p instructions`.
//!
//! Compares with `benches/instructions/baseline.toml`, and fails if a figure is more than 3 % above it, where compiler and
//! processor are those that it names; elsewhere it only prints. `-- --record` writes that file.

mod baseline;
mod cases;
mod count;
mod fault;

use std::process::ExitCode;

use crate::{baseline::Baseline, cases::CASES, fault::Fault};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => measure(false),
        ["--record"] => measure(true),
        // This program runs itself so under valgrind.
        ["case", name, times] => count::run(name, times).map(|()| ExitCode::SUCCESS),
        _ => Err("usage: instructions [--record]".into()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn measure(record: bool) -> Result<ExitCode, Fault> {
    if !count::valgrind_is_there() {
        println!("Instructions are not counted: there is no valgrind (apt-get install valgrind).");
        return Ok(ExitCode::SUCCESS);
    }
    let mut figures = Vec::new();
    for case in CASES {
        let (with, bare) = (count::of(case.name)?, count::of(case.bare)?);
        figures.push((case.name, with.saturating_sub(bare)));
    }
    let here = Baseline::new(figures)?;
    if record {
        here.write()?;
    }
    let there = Baseline::read()?;
    let comparable = here.is_comparable(&there);
    if !comparable {
        println!("The figures of the repository are of {there}; this is {here}. They are only printed.");
    }
    println!("{:44} {:>8} {:>8}", "instructions over the bare work", "now", "before");
    let mut risen = false;
    for case in CASES {
        let (now, before) = (here.figure(case.name), there.figure(case.name));
        let above = matches!((now, before), (Some(now), Some(before)) if now * 100 > before * 103);
        let text = |figure: Option<u64>| figure.map_or("-".to_owned(), |figure| figure.to_string());
        let mark = if above { "  more than 3 % above" } else { "" };
        println!("{:44} {:>8} {:>8}{mark}", case.title, text(now), text(before));
        risen |= above;
    }
    Ok(if risen && comparable { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
