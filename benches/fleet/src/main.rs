//! `cargo run --release -p fleet-bench`: all scenarios in full size.

use std::{env, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use fleet_bench::{
    scenarios::{
        Size,
        faults::{self, Fault},
        herd::{self, Way},
        lone, soak,
        takeover::{self, Fate},
    },
    worker,
};
use redis_servers::Kind;

/// What a fleet of processes does through real servers; without a command, all of it.
#[derive(Parser)]
struct Options {
    /// How many processes a herd comes from
    #[arg(long, default_value_t = 10)]
    processes: usize,
    /// How many callers each of them sends
    #[arg(long, default_value_t = 1_000)]
    callers: usize,
    /// How many calls the soak makes in all
    #[arg(long, default_value_t = 20_000)]
    soak: u64,
    /// What times may exceed their figures by, in milliseconds
    #[arg(long, default_value_t = 0)]
    patience: u64,
    /// Only what has this in its name
    #[arg(long, default_value = "")]
    only: String,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One process of a fleet, as the others start it
    Worker(worker::Options),
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Part::Worker(options)) = &options.part {
        return match worker::run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let size = Size {
        program: env::current_exe().expect("this program"),
        processes: options.processes,
        callers: options.callers,
        soak: options.soak,
        patience: Duration::from_millis(options.patience),
    };
    for kind in worker::kinds() {
        all(&size, kind, &options.only);
    }
    ExitCode::SUCCESS
}

fn all(size: &Size, kind: Kind, only: &str) {
    let wanted = |name: String| name.contains(only).then_some(format!("{kind:?}, {name}"));
    for way in [Way::Told, Way::Polling, Way::Deaf] {
        if let Some(name) = wanted(format!("herd, {way:?}")) {
            println!("{name}: {:?}", herd::on_one(size, kind, way));
        }
    }
    for way in [Way::Told, Way::Polling] {
        if let Some(name) = wanted(format!("herd, cluster, {way:?}")) {
            println!("{name}: {:?}", herd::on_cluster(size, kind, way));
        }
    }
    if let Some(name) = wanted("renewed".to_owned()) {
        println!("{name}: {:?}", herd::renewed(size, kind));
    }
    for fate in [Fate::Killed, Fate::Frozen, Fate::Left, Fate::DiesLanding] {
        if let Some(name) = wanted(format!("leader {fate:?}")) {
            println!(
                "{name}: {:?}",
                takeover::run(&Size { callers: size.callers.min(100), ..size.clone() }, kind, fate)
            );
        }
    }
    for fault in Fault::ALL {
        if let Some(name) = wanted(format!("server {fault:?}")) {
            println!(
                "{name}: {:?}",
                faults::run(&Size { callers: size.callers.min(100), ..size.clone() }, kind, fault)
            );
        }
    }
    if let Some(name) = wanted("series".to_owned()) {
        println!("{name}: added {:?}", faults::series(size, kind, 300));
    }
    if let Some(name) = wanted("lone".to_owned()) {
        println!("{name}: {:?}", lone::run(size, kind, 5_000, true));
    }
    if let Some(name) = wanted("soak".to_owned()) {
        println!("{name}: [answered, runs, too late, faults] {:?}", soak::run(size, kind, 7));
    }
}
