//! The page as text, for terminals.

use std::{
    cmp::Reverse,
    fmt::{self, Write},
};

use super::snapshot::{CallsOf, FleetOf, GroupOf, HeldOf, Now, RouteOf, Snapshot};
use crate::http::one_line::one_line;

/// Returns a snapshot as lines of text.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, snapshot);
    text
}

fn write(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    writeln!(text, "tower-singleflight {}, up {} s", snapshot.version, snapshot.up / 1_000)?;
    write_counts(text, snapshot)?;
    write_now(text, &snapshot.now)?;
    if let Some([led, followed, alone]) = snapshot.seconds.last() {
        writeln!(text, "last second led {led} followed {followed} alone {alone}")?;
    }
    for HeldOf { name, bytes } in &snapshot.held {
        writeln!(text, "held {} {bytes} bytes for slower readers", one_line(name))?;
    }
    snapshot.said.groups.iter().try_for_each(|group| write_group(text, group))?;
    snapshot.said.fleets.iter().try_for_each(|fleet| write_fleet(text, fleet))?;
    writeln!(text)?;
    writeln!(
        text,
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10}  route",
        "calls", "led", "followed", "alone", "p50 ms", "p99 ms"
    )?;
    let mut routes: Vec<_> = snapshot.routes.iter().collect();
    routes.sort_by_key(|route| Reverse(route.calls.calls));
    routes.into_iter().try_for_each(|route| write_route(text, route))?;
    for section in &snapshot.said.sections {
        writeln!(text, "\n{}", one_line(&section.title))?;
        section.text.lines().try_for_each(|line| writeln!(text, "{}", one_line(line)))?;
    }
    Ok(())
}

/// Writes what all calls and flights have come to since the page was made.
fn write_counts(text: &mut String, snapshot: &Snapshot) -> fmt::Result {
    let Snapshot { calls, flights, .. } = snapshot;
    writeln!(
        text,
        "calls {} led {} followed {} alone {}",
        calls.calls,
        calls.led,
        calls.followed,
        calls.alone.total()
    )?;
    write!(text, "released {} panicked {} left {}", calls.released.total(), calls.panicked, calls.left)?;
    let held: u64 = snapshot.held.iter().map(|held| held.bytes).sum();
    writeln!(text, " readers_cut {} held {held}", snapshot.cut)?;
    writeln!(text, "saved {} calls {:.1} s", calls.saved, calls.saved_wait as f64 / 1e3)?;
    writeln!(
        text,
        "flights {} landed {} shared {} panicked {} abandoned {} lost {} not_shareable {}",
        flights.begun,
        flights.landed,
        flights.shared,
        flights.panicked,
        flights.abandoned,
        flights.lost,
        flights.not_shareable
    )
}

/// Writes what is under way.
fn write_now(text: &mut String, now: &Now) -> fmt::Result {
    write!(text, "now {} flights {} calls", now.flights, now.calls)?;
    match &now.oldest {
        Some(oldest) => writeln!(text, " oldest {} ms {} {}", oldest.age, oldest.flight, one_line(&oldest.route)),
        None => writeln!(text),
    }
}

fn write_group(text: &mut String, group: &GroupOf) -> fmt::Result {
    writeln!(
        text,
        "group {} flights {} callers {} waiting {} observers_off {}",
        one_line(&group.group),
        group.in_flight,
        group.callers,
        group.waiting,
        group.observers_off
    )
}

fn write_fleet(text: &mut String, fleet: &FleetOf) -> fmt::Result {
    let engine = if fleet.skipping { "skipped" } else { "asked" };
    write!(text, "fleet {} engine {engine}", one_line(&fleet.fleet))?;
    fleet.counts.iter().try_for_each(|(name, count)| write!(text, " {name} {count}"))?;
    writeln!(text)?;
    if fleet.local_by.iter().len() > 0 {
        write!(text, "fleet {} local", one_line(&fleet.fleet))?;
        fleet.local_by.iter().try_for_each(|(why, count)| write!(text, " {why} {count}"))?;
        writeln!(text)?;
    }
    Ok(())
}

fn write_route(text: &mut String, RouteOf { route, calls, p50, p99 }: &RouteOf) -> fmt::Result {
    let CallsOf { calls, led, followed, alone, .. } = calls;
    let ms = |time: &Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.1}"));
    let (p50, p99) = (ms(p50), ms(p99));
    write!(
        text,
        "{calls:>10} {led:>10} {followed:>10} {:>10} {p50:>10} {p99:>10}  {}",
        alone.total(),
        one_line(route)
    )?;
    alone.iter().try_for_each(|(why, count)| write!(text, " {why} {count}"))?;
    writeln!(text)
}
