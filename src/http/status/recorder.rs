//! What the page is told, counted as it comes.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::SystemTime,
};

use tokio::time::Instant;

use super::{
    flights::Flights,
    held::AllHeld,
    history::CountedAs,
    routes::{Route, Routes},
    stripe::{Counts, FlightCounts, Stripe, Totals},
};
use crate::{
    End, Event, Role,
    observe::label::cut,
    striped::thread_number,
    sync::{Mutex, lock},
    threads::threads,
};

/// How many stripes there are at most, each with the counts of up to 1,001 routes.
const STRIPES: usize = 16;

/// All that a page has been told. Its size is bounded whatever the labels are.
pub(super) struct Recorder {
    /// When the page was made.
    pub(super) made: Instant,
    pub(super) made_at: SystemTime,
    /// A power of two of them; each a leaf lock: no user code runs while one is held.
    pub(super) stripes: Box<[Mutex<Stripe>]>,
    pub(super) routes: Routes,
    pub(super) flights: Flights,
    /// Readers of bodies that held the others up, and were cut.
    pub(super) cut: AtomicU64,
    /// What bodies keep for their slower readers.
    pub(super) held: AllHeld,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            made: Instant::now(),
            made_at: SystemTime::now(),
            stripes: (0..threads().min(STRIPES).next_power_of_two()).map(|_| Mutex::new(Stripe::new())).collect(),
            routes: Routes::default(),
            flights: Flights::new(),
            cut: AtomicU64::new(0),
            held: AllHeld::default(),
        }
    }

    fn stripe(&self) -> &Mutex<Stripe> {
        &self.stripes[thread_number() & (self.stripes.len() - 1)]
    }

    /// Counts something of one route.
    fn count<R>(&self, name: &str, count: impl FnOnce(&Route, &mut Counts, &mut Totals) -> R) -> R {
        let mut stripe = lock(self.stripe());
        let Stripe { routes, totals } = &mut *stripe;
        let name = cut(name);
        // The usual case.
        if let Some((route, counts)) = routes.get_mut(name) {
            return count(route, counts, totals);
        }
        let route = self.routes.get(name);
        let known = routes.entry(Arc::clone(&route.name)).or_insert_with(|| (route, Counts::default()));
        count(&known.0, &mut known.1, totals)
    }

    fn count_end(&self, count: impl FnOnce(&mut FlightCounts)) {
        count(&mut lock(self.stripe()).totals.flights);
    }

    /// Is told one event; calls without a label are counted under `name`.
    pub(super) fn on(&self, event: &Event<'_>, name: &str) {
        let now = Instant::now();
        let up = now.duration_since(self.made);
        match *event {
            Event::Led { flight, again, label } => {
                let route = self.count(label.unwrap_or(name), |route, counts, totals| {
                    totals.flights.begun += 1;
                    if !again {
                        counts.led += 1;
                        totals.history.count(up, CountedAs::Led);
                    }
                    route.number
                });
                self.flights.begin(flight, route, now);
            }
            Event::Joined { flight, callers, again, label, .. } => {
                if !again {
                    self.count(label.unwrap_or(name), |_, counts, totals| {
                        counts.followed += 1;
                        totals.history.count(up, CountedAs::Followed);
                    });
                }
                self.flights.join(flight, callers);
            }
            Event::Alone { why, label, .. } => self.count(label.unwrap_or(name), |_, counts, totals| {
                counts.alone.add(why, 1);
                totals.history.count(up, CountedAs::Alone);
            }),
            Event::Landed { flight, shared, .. } => {
                self.flights.end(flight, now);
                self.count_end(|flights| {
                    flights.landed += 1;
                    flights.shared += u64::from(shared);
                });
            }
            Event::Ended { flight, how, .. } => {
                self.flights.end(flight, now);
                self.count_end(|flights| match how {
                    End::Panicked => flights.panicked += 1,
                    End::Abandoned => flights.abandoned += 1,
                    End::Lost => flights.lost += 1,
                    End::NotShareable => flights.not_shareable += 1,
                });
            }
            Event::Released { why, label, .. } => {
                self.count(label.unwrap_or(name), |_, counts, _| counts.released.add(why, 1));
            }
            Event::Answered { role, waited, label, .. } => self.count(label.unwrap_or(name), |route, counts, _| {
                counts.answered += 1;
                if role == Role::Follower {
                    counts.saved += 1;
                    counts.saved_wait = counts.saved_wait.saturating_add(waited);
                }
                route.waits.count(up, waited);
            }),
            Event::Panicked { label, .. } => {
                self.count(label.unwrap_or(name), |_, counts, _| counts.panicked += 1);
            }
            Event::Left { label, .. } => self.count(label.unwrap_or(name), |_, counts, _| counts.left += 1),
            // The work goes on, in a task.
            Event::Moved { .. } => {}
        }
    }
}
