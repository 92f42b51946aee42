//! Ours against the targets of the design.

use crate::{
    peer::{Figures, Kind, Peer},
    polls::WAKES,
    table::{bytes, fourfold, fresh, land, overhead, own, register},
};

/// Whether it is met, and the figures.
type Target = (bool, String);

/// Says of each target that was measured whether it is met, in this run.
pub fn print(peers: &[Peer]) {
    let Some(ours) = peers.iter().find(|peer| peer.kind == Kind::Ours) else { return };
    let best = |of| best(peers, of);
    let targets =
        [solo(&ours.figures, &best), polls(&ours.figures), waiters(&ours.figures, &best), threads(peers, ours)];
    println!("\nOurs against the targets of the design, in this run:");
    for (met, line) in targets.into_iter().flatten() {
        println!("  {} {line}", if met { "met   " } else { "BEHIND" });
    }
}

/// Returns the least figure among the peers, and whose it is.
fn best(peers: &[Peer], of: fn(&Figures) -> Option<f64>) -> Option<(f64, &'static str)> {
    let others = peers.iter().filter(|peer| peer.kind == Kind::Peer);
    others.filter_map(|peer| Some((of(&peer.figures)?, peer.name))).min_by(|a, b| a.0.total_cmp(&b.0))
}

type Find<'a> = &'a dyn Fn(fn(&Figures) -> Option<f64>) -> Option<(f64, &'static str)>;

fn solo(ours: &Figures, best: Find<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some((ready, pending)) = ours.allocations {
        // A tenth is left for memory that grows now and then.
        targets.push((ready.max(pending) < 2.1, format!("solo: {:.1} allocations, at most 2", ready.max(pending))));
    }
    if let (Some(ns), Some((other, name))) = (overhead(ours), best(overhead)) {
        let share = 100.0 * ns / other;
        targets.push((
            ns <= other / 2.0,
            format!("solo: {ns:.0} ns over the bare work, at most half of {other:.0} ({name}); it is {share:.0} %"),
        ));
    }
    targets
}

fn polls(ours: &Figures) -> Vec<Target> {
    let Some((callers, work)) = ours.polls else { return Vec::new() };
    vec![
        (callers <= 2.1, format!("polls: {callers:.1} per caller, at most 2.1")),
        (work <= WAKES + 2, format!("polls: {work} of the work woken {WAKES} times, at most {}", WAKES + 2)),
    ]
}

fn waiters(ours: &Figures, best: Find<'_>) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(times) = fourfold(ours) {
        targets.push((times <= 5.0, format!("waiters: 4 times as many cost {times:.1} times as much, at most 5")));
    }
    if let Some(bytes) = bytes(ours) {
        targets.push((bytes <= 64.0, format!("waiters: {bytes:.0} bytes each beyond the own future, at most 64")));
    }
    for (what, of) in [("registering", register as fn(&Figures) -> _), ("landing", land)] {
        if let (Some(ms), Some((other, name))) = (of(ours), best(of)) {
            targets.push((ms <= other, format!("waiters: {what} {ms:.1} ms, no slower than {other:.1} ({name})")));
        }
    }
    targets
}

fn threads(peers: &[Peer], ours: &Peer) -> Vec<Target> {
    let mut targets = Vec::new();
    if let Some(tally) = &ours.figures.hammer {
        let text = format!("hammer: {} overlaps and {} stale outcomes, none", tally.overlaps, tally.stale);
        targets.push((tally.overlaps + tally.stale == 0, text));
    }
    for (what, of) in [("a key each", own as fn(&Figures) -> _), ("all keys new", fresh)] {
        if let (Some(times), Some(bare)) = (of(&ours.figures), peers.last().and_then(|bare| of(&bare.figures))) {
            let text = format!("threads, {what}: two do {times:.2} times the calls of one, at least 1.7");
            targets.push((times >= 1.7, format!("{text}; the bare work {bare:.2}")));
        }
    }
    targets
}
