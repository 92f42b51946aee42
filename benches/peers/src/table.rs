//! The table: a row for each peer, the best of each column marked.

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};

use crate::{
    options::{Metric, Options},
    peer::{Figures, Peer, median},
    waiters::Cost,
};

/// How a figure is written.
type Format = fn(f64) -> String;

pub struct Column {
    metric: Metric,
    title: &'static str,
    pub of: fn(&Figures) -> Option<f64>,
    format: Format,
    best: Best,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Best {
    Least,
    /// The differences are noise, or a small figure is no merit.
    NotMarked,
}

fn millis(costs: &[Cost], of: fn(&Cost) -> f64) -> Option<f64> {
    median(costs.iter().map(of))
}

const WHOLE: Format = |figure| format!("{figure:.0}");
const TENTHS: Format = |figure| format!("{figure:.1}");
const HUNDREDTHS: Format = |figure| format!("{figure:.2}");

pub fn overhead(figures: &Figures) -> Option<f64> {
    median(figures.overhead.iter().copied())
}

pub fn register(figures: &Figures) -> Option<f64> {
    millis(&figures.costs, |cost| cost.register.as_secs_f64() * 1e3)
}

pub fn land(figures: &Figures) -> Option<f64> {
    millis(&figures.costs, |cost| cost.land.as_secs_f64() * 1e3)
}

pub fn cancel(figures: &Figures) -> Option<f64> {
    millis(&figures.costs, |cost| cost.cancel.as_secs_f64() * 1e3)
}

pub fn bytes(figures: &Figures) -> Option<f64> {
    millis(&figures.costs, |cost| cost.bytes)
}

pub fn fourfold(figures: &Figures) -> Option<f64> {
    let total = |costs: &[Cost]| millis(costs, |cost| cost.total().as_secs_f64());
    Some(total(&figures.twice)? / total(&figures.half)?)
}

pub fn own(figures: &Figures) -> Option<f64> {
    median(figures.ratio.iter().map(|ratio| ratio.own))
}

pub fn fresh(figures: &Figures) -> Option<f64> {
    median(figures.ratio.iter().map(|ratio| ratio.fresh))
}

const fn column(
    metric: Metric,
    title: &'static str,
    of: fn(&Figures) -> Option<f64>,
    format: Format,
    best: Best,
) -> Column {
    Column { metric, title, of, format, best }
}

pub const COLUMNS: [Column; 15] = [
    column(Metric::Solo, "solo, ns", overhead, WHOLE, Best::Least),
    column(Metric::Solo, "allocs, ready", |f| Some(f.allocations?.0), TENTHS, Best::Least),
    column(Metric::Solo, "allocs, pending", |f| Some(f.allocations?.1), TENTHS, Best::Least),
    column(Metric::Polls, "polls per caller", |f| Some(f.polls?.0), TENTHS, Best::Least),
    column(Metric::Polls, "polls of work", |f| Some(f.polls?.1 as f64), WHOLE, Best::Least),
    column(Metric::Waiters, "register, ms", register, TENTHS, Best::Least),
    column(Metric::Waiters, "land, ms", land, TENTHS, Best::Least),
    column(Metric::Waiters, "cancel, ms", cancel, TENTHS, Best::Least),
    column(Metric::Waiters, "bytes per waiter", bytes, WHOLE, Best::Least),
    column(Metric::Linear, "4 x the waiters", fourfold, TENTHS, Best::NotMarked),
    column(Metric::Hammer, "runs", |f| Some(f.hammer.as_ref()?.runs as f64), WHOLE, Best::NotMarked),
    column(Metric::Hammer, "overlaps", |f| Some(f.hammer.as_ref()?.overlaps as f64), WHOLE, Best::Least),
    column(Metric::Hammer, "stale", |f| Some(f.hammer.as_ref()?.stale as f64), WHOLE, Best::Least),
    column(Metric::Threads, "2 threads, a key each", own, HUNDREDTHS, Best::NotMarked),
    column(Metric::Threads, "2 threads, all keys new", fresh, HUNDREDTHS, Best::NotMarked),
];

impl Column {
    fn text(&self, peer: &Peer, best: Option<f64>) -> String {
        let Some(figure) = (self.of)(&peer.figures) else { return "-".to_owned() };
        let text = (self.format)(figure);
        // Figures that are written alike count as alike.
        let is_best = peer.shares() && best.is_some_and(|best| (self.format)(best) == text);
        if is_best { format!("*{text}") } else { text }
    }

    fn best(&self, peers: &[Peer]) -> Option<f64> {
        let figures = peers.iter().filter(|peer| peer.shares()).filter_map(|peer| (self.of)(&peer.figures));
        figures.min_by(f64::total_cmp).filter(|_| self.best == Best::Least)
    }
}

pub fn print(options: &Options, peers: &[Peer]) {
    let columns: Vec<_> = COLUMNS.iter().filter(|column| options.wants(column.metric)).collect();
    let mut table = Table::new();
    let titles = columns.iter().map(|column| column.title.to_owned());
    table.load_preset(ASCII_MARKDOWN).set_header([String::new()].into_iter().chain(titles));
    for peer in peers {
        let figures = columns.iter().map(|column| column.text(peer, column.best(peers)));
        table.add_row([peer.name.to_owned()].into_iter().chain(figures));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table} \n* the best of those that share");
    for peer in peers {
        if let Some(failure) = &peer.failure {
            println!("{} was given up at {failure}", peer.name);
        }
    }
}
