//! One row of the table: an adapter's measurements, and what came out of them.

use std::time::Duration;

use crate::{
    adapters::{
        Adapter, AsyncSingleflight, Bare, Coalesce, Floor, Moka, Ours, QuickCache, RsSingleflight, SharedInMap,
        SingleflightAsync, Uniflight,
    },
    bound::bounded,
    hammer::{Tally, hammer},
    polls::polls,
    solo,
    threads::{Ratio, ratio},
    waiters::{Cost, cost},
};

/// What a row is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Peer,
    /// It shares nothing: to compare times with.
    Yardstick,
}

pub struct Peer {
    pub name: &'static str,
    pub kind: Kind,
    pub measure: Measures,
    pub figures: Figures,
    /// Why it was given up; nothing more is measured then.
    pub failure: Option<String>,
    spent: Duration,
}

/// An adapter's measurements.
#[derive(Clone, Copy)]
pub struct Measures {
    pub overhead: fn() -> f64,
    pub allocations: fn() -> (f64, f64),
    pub polls: fn() -> (f64, usize),
    pub cost: fn(usize) -> Cost,
    pub hammer: fn(usize) -> Tally,
    pub ratio: fn() -> Ratio,
}

#[derive(Default)]
pub struct Figures {
    pub overhead: Vec<f64>,
    pub allocations: Option<(f64, f64)>,
    pub polls: Option<(f64, usize)>,
    pub costs: Vec<Cost>,
    /// At half as many waiters, and at twice as many.
    pub half: Vec<Cost>,
    pub twice: Vec<Cost>,
    pub hammer: Option<Tally>,
    pub ratio: Vec<Ratio>,
}

/// Returns all that is measured, ours first.
pub fn peers() -> Vec<Peer> {
    vec![
        Peer::of::<Ours>(Kind::Ours),
        Peer::of::<Coalesce>(Kind::Peer),
        Peer::of::<SingleflightAsync>(Kind::Peer),
        Peer::of::<RsSingleflight>(Kind::Peer),
        Peer::of::<AsyncSingleflight>(Kind::Peer),
        Peer::of::<Uniflight>(Kind::Peer),
        Peer::of::<Moka>(Kind::Peer),
        Peer::of::<QuickCache>(Kind::Peer),
        Peer::of::<SharedInMap>(Kind::Peer),
        Peer::of::<Floor>(Kind::Yardstick),
        Peer::of::<Bare>(Kind::Yardstick),
    ]
}

impl Peer {
    fn of<A: Adapter>(kind: Kind) -> Self {
        let measure = Measures {
            overhead: solo::overhead::<A>,
            allocations: solo::allocations::<A>,
            polls: polls::<A>,
            cost: cost::<A>,
            hammer: hammer::<A>,
            ratio: ratio::<A>,
        };
        Self { name: A::NAME, kind, measure, figures: Figures::default(), failure: None, spent: Duration::ZERO }
    }

    pub fn shares(&self) -> bool {
        self.kind != Kind::Yardstick
    }

    /// Measures, unless the peer has been given up; gives it up if there is no figure.
    pub fn run<R: Send + 'static>(&mut self, what: &str, measure: impl FnOnce() -> R + Send + 'static) -> Option<R> {
        if self.failure.is_some() {
            return None;
        }
        bounded(measure).map_err(|why| self.failure = Some(format!("{what}: {why}"))).ok()
    }

    /// Measures the cost of waiters, unless the peer has had more than its share of the time.
    pub fn run_cost(&mut self, count: usize, share: Duration) -> Option<Cost> {
        if self.spent > share {
            return None;
        }
        let cost = self.measure.cost;
        let found = self.run("waiters", move || cost(count))?;
        // Waiters are registered twice: to land, and to be cancelled.
        self.spent += found.total() + found.register;
        Some(found)
    }

    pub fn next_metric(&mut self) {
        self.spent = Duration::ZERO;
    }
}

/// Returns the median, if anything was measured.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
