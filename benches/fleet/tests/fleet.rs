//! All scenarios with small sizes and generous times; `cargo run --release -p fleet-bench` has the full ones.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use fleet_bench::{
    scenarios::{
        Size,
        faults::{self, Fault},
        herd::{self, Way},
        lone, soak,
        takeover::{self, Fate},
    },
    worker::kinds,
};
use redis_servers::Kind;

/// The tests run one after the other: each starts many processes.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn small() -> Size {
    Size {
        program: env!("CARGO_BIN_EXE_fleet-bench").into(),
        processes: 6,
        callers: 50,
        soak: 4_096,
        patience: Duration::from_millis(600),
    }
}

/// Runs it on all servers at once: these scenarios spend their time waiting.
fn on_each(scenario: impl Fn(Kind) + Sync) {
    let _alone = alone();
    thread::scope(|scope| {
        let scenario = &scenario;
        kinds().for_each(|kind| drop(scope.spawn(move || scenario(kind))));
    });
}

#[test]
fn many_processes_and_callers_are_one_run() {
    on_each(|kind| {
        for way in [Way::Told, Way::Polling, Way::Deaf] {
            herd::on_one(&small(), kind, way);
        }
    });
}

#[test]
fn on_a_cluster_they_are_one_run_too() {
    on_each(|kind| {
        herd::on_cluster(&small(), kind, Way::Told);
        herd::on_cluster(&Size { processes: 3, ..small() }, kind, Way::Polling);
    });
}

#[test]
fn a_flight_of_five_leases_is_one_run() {
    on_each(|kind| {
        herd::renewed(&small(), kind);
    });
}

#[test]
fn a_leader_that_dies_or_stands_still_or_is_left_is_replaced_once() {
    on_each(|kind| {
        for fate in [Fate::Killed, Fate::Frozen, Fate::Left, Fate::DiesLanding] {
            takeover::run(&Size { callers: 5, ..small() }, kind, fate);
        }
    });
}

#[test]
fn whatever_becomes_of_the_server_every_call_is_answered() {
    on_each(|kind| {
        for fault in Fault::ALL {
            faults::run(&Size { callers: 5, ..small() }, kind, fault);
        }
    });
}

#[test]
fn a_server_that_is_gone_costs_a_series_of_calls_next_to_nothing() {
    let _alone = alone();
    for kind in kinds() {
        faults::series(&small(), kind, 300);
    }
}

#[test]
fn a_lone_flight_takes_two_commands() {
    let _alone = alone();
    for kind in kinds() {
        lone::run(&small(), kind, 500, false);
    }
}

#[test]
fn leaders_that_are_too_late_and_faults_at_random_mix_nothing_up() {
    let _alone = alone();
    for kind in kinds() {
        soak::run(&small(), kind, 7);
    }
}
