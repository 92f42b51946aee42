//! Measures all that was asked for. In each round the peers take turns, so what else the machine does hits all alike.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    options::{Metric, Options},
    peer::Peer,
};

/// A peer's waiters that have taken this long are not measured again: a round of a quadratic peer takes seconds.
const SHARE: Duration = Duration::from_secs(6);

pub fn run(options: &Options, peers: &mut [Peer]) {
    let style = ProgressStyle::with_template("{msg:10} {bar:40} {pos}/{len} {elapsed}").expect("a template");
    let each = |metric, rounds: u32, what: &'static str, peers: &mut [Peer], measure: &dyn Fn(&mut Peer)| {
        if !options.wants(metric) {
            return;
        }
        let bar = ProgressBar::new(u64::from(rounds) * peers.len() as u64).with_style(style.clone()).with_message(what);
        for _ in 0..rounds {
            for peer in peers.iter_mut() {
                measure(peer);
                bar.inc(1);
            }
        }
        peers.iter_mut().for_each(Peer::next_metric);
        bar.finish_and_clear();
    };

    each(Metric::Solo, options.rounds(), "solo", peers, &|peer| {
        let overhead = peer.run("solo", peer.measure.overhead);
        peer.figures.overhead.extend(overhead);
    });
    each(Metric::Solo, 1, "allocations", peers, &|peer| {
        peer.figures.allocations = peer.run("solo", peer.measure.allocations);
    });
    each(Metric::Threads, 3 * options.long_rounds(), "threads", peers, &|peer| {
        let ratio = peer.run("threads", peer.measure.ratio);
        peer.figures.ratio.extend(ratio);
    });
    let sharing = peers.partition_point(Peer::shares);
    let peers = &mut peers[..sharing];
    each(Metric::Polls, 1, "polls", peers, &|peer| {
        peer.figures.polls = peer.run("polls", peer.measure.polls);
    });
    let count = options.waiters();
    each(Metric::Waiters, options.long_rounds(), "waiters", peers, &|peer| {
        let cost = peer.run_cost(count, SHARE);
        peer.figures.costs.extend(cost);
    });
    each(Metric::Linear, options.long_rounds(), "linearity", peers, &|peer| {
        if let Some(half) = peer.run_cost(count / 2, SHARE) {
            peer.figures.half.push(half);
            let twice = peer.run_cost(2 * count, Duration::MAX);
            peer.figures.twice.extend(twice);
        }
    });
    let calls = options.calls();
    each(Metric::Hammer, 1, "hammer", peers, &|peer| {
        let hammer = peer.measure.hammer;
        peer.figures.hammer = peer.run("hammer", move || hammer(calls));
    });
}
