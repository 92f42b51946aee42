//! Makes a snapshot of what was counted.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::UNIX_EPOCH,
};

use tokio::time::Instant;

use super::{
    flights::Flight,
    history::SECONDS,
    recorder::Recorder,
    routes::Route,
    snapshot::{FlightOf, GroupOf, HeldOf, Now, RouteOf, Said, SectionOf, Snapshot, millis},
    sources::Sources,
    stripe::{Counts, FlightCounts},
    waits::Scratch,
};
use crate::{FlightId, observe::label::cut_at, sync::lock};

/// How many flights are shown, those with the most callers.
const FLIGHTS: usize = 10;

/// Bytes of a section of the application's; the rest is cut off.
const TEXT: usize = 16 << 10;

impl Said {
    /// Asks the application.
    pub(super) fn of(sources: &Sources) -> Self {
        let groups = sources.groups.iter().filter_map(|source| {
            let stats = source.ask.tell(|ask| ask())?;
            Some(GroupOf::new(Arc::clone(&source.name), stats))
        });
        let groups = groups.collect();
        let fleets = sources.fleets.iter().filter_map(|source| source.ask.tell(|ask| ask(Arc::clone(&source.name))));
        let fleets = fleets.collect();
        let sections = sources.sections.iter().filter_map(|source| {
            let mut text = source.ask.tell(|ask| ask())?;
            text.truncate(cut_at(&text, TEXT).len());
            Some(SectionOf { title: Arc::clone(&source.name), text })
        });
        Self { groups, fleets, sections: sections.collect() }
    }
}

impl Snapshot {
    /// Adds up the stripes one after the other: exact at rest.
    pub(super) fn take(recorder: &Recorder, said: Arc<Said>) -> Self {
        let now = Instant::now();
        let up = now.duration_since(recorder.made);
        let whole = up.as_secs().min(SECONDS) as usize;
        let mut seconds = vec![[0; 3]; whole];
        let mut flights = FlightCounts::default();
        let mut counts: Vec<Counts> = Vec::new();
        for stripe in &recorder.stripes {
            let stripe = lock(stripe);
            stripe.totals.history.add_to(up, &mut seconds);
            flights.add(stripe.totals.flights);
            for (route, of_stripe) in stripe.routes.values() {
                let number = usize::from(route.number);
                if counts.len() <= number {
                    counts.resize_with(number + 1, Counts::default);
                }
                counts[number].add(of_stripe);
            }
        }
        let mut all = Counts::default();
        counts.iter().for_each(|counts| all.add(counts));
        // Read last: it has every route that was met above.
        let known = recorder.routes.all();
        let mut scratch = Scratch::new();
        let routes = known.iter().zip(&counts).map(|(route, counts)| {
            RouteOf::new(Arc::clone(&route.name), counts, route.waits.quantiles(up, &mut scratch))
        });
        Self {
            version: env!("CARGO_PKG_VERSION"),
            made: millis(recorder.made_at.duration_since(UNIX_EPOCH).unwrap_or_default()),
            up: millis(up),
            calls: (&all).into(),
            flights,
            cut: recorder.cut.load(Relaxed),
            held: recorder.held.now().into_iter().map(|(name, bytes)| HeldOf { name, bytes }).collect(),
            now: under_way(recorder, &known, now, &all, flights),
            seconds,
            routes: routes.collect(),
            said,
        }
    }
}

/// Returns which number of [`Now::by_callers`] counts a flight.
const fn class(callers: usize) -> usize {
    match callers {
        0..=1 => 0,
        2..=9 => 1,
        10..=99 => 2,
        100..=999 => 3,
        _ => 4,
    }
}

/// Returns the calls and flights that have begun and not ended.
fn under_way(recorder: &Recorder, known: &[Arc<Route>], now: Instant, all: &Counts, flights: FlightCounts) -> Now {
    let mut by_callers = [0; 5];
    let mut oldest: Option<(FlightId, Flight)> = None;
    let mut largest: Vec<(FlightId, Flight)> = Vec::with_capacity(FLIGHTS + 1);
    recorder.flights.each(now, |id, flight| {
        by_callers[class(flight.callers)] += 1;
        if oldest.is_none_or(|(_, oldest)| flight.began < oldest.began) {
            oldest = Some((id, flight));
        }
        let at = largest.partition_point(|(_, larger)| larger.callers >= flight.callers);
        if at < FLIGHTS {
            largest.insert(at, (id, flight));
            largest.truncate(FLIGHTS);
        }
    });
    let show = |(id, flight): (FlightId, Flight)| FlightOf {
        flight: id,
        route: known.get(usize::from(flight.route)).map_or_else(|| "".into(), |route| Arc::clone(&route.name)),
        age: millis(now.duration_since(flight.began)),
        callers: flight.callers,
    };
    Now {
        calls: all.calls().saturating_sub(all.ended()),
        flights: flights.begun.saturating_sub(flights.ended()),
        by_callers,
        oldest: oldest.map(show),
        largest: largest.into_iter().map(show).collect(),
    }
}
