//! An observer that writes down what it is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_singleflight::{Event, FlightId, Group, Limits, Observer};

/// A group, and what is told of it.
pub(crate) fn recorded<K: 'static, T: 'static>(limits: Limits) -> (Group<K, T>, Arc<Recorder>) {
    let recorder = Arc::new(Recorder::default());
    (Group::with_limits(limits).observed(Arc::clone(&recorder)), recorder)
}

/// Writes down what it is told, flights numbered as they come.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) events: Mutex<Vec<String>>,
    flights: Mutex<Vec<FlightId>>,
}

impl Recorder {
    fn number(&self, flight: FlightId) -> usize {
        let mut flights = self.flights.lock().unwrap();
        flights.iter().position(|known| *known == flight).unwrap_or_else(|| {
            flights.push(flight);
            flights.len() - 1
        })
    }

    #[track_caller]
    pub(crate) fn assert_told(&self, expected: &[&str]) {
        assert_eq!(std::mem::take(&mut *self.events.lock().unwrap()), expected);
    }

    /// Without the times, where they are the machine's.
    #[track_caller]
    pub(crate) fn assert_told_untimed(&self, expected: &[&str]) {
        let what = |event: String| match (event.split_once(" after "), event.split_once(" at ")) {
            (Some((what, _)), _) => what.to_owned(),
            (None, Some((what, rest))) => what.to_owned() + rest.trim_start_matches(|c| c != ','),
            (None, None) => event,
        };
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        assert_eq!(events.into_iter().map(what).collect::<Vec<_>>(), expected);
    }
}

impl Observer for Recorder {
    fn on(&self, event: &Event<'_>) {
        let ms = Duration::as_millis;
        let event = match event {
            Event::Led { flight, .. } => format!("led {}", self.number(*flight)),
            Event::Joined { flight, age, callers, .. } => {
                format!("joined {} at {} ms, {callers} callers", self.number(*flight), ms(age))
            }
            Event::Alone { why, .. } => format!("alone: {why}"),
            Event::Moved { flight } => format!("moved {}", self.number(*flight)),
            Event::Landed { flight, took, callers, shared } => {
                let shared = if *shared { "shared" } else { "alone" };
                format!("landed {} after {} ms, {callers} callers, {shared}", self.number(*flight), ms(took))
            }
            Event::Ended { flight, how, took } => {
                format!("ended {} after {} ms: {}", self.number(*flight), ms(took), how.name())
            }
            Event::Released { why, .. } => format!("released: {why}"),
            Event::Answered { role, waited, callers, .. } => {
                format!("answered {role:?} after {} ms, {callers} callers", ms(waited))
            }
            Event::Panicked { waited, .. } => format!("panicked after {} ms", ms(waited)),
            Event::Left { waited, .. } => format!("left after {} ms", ms(waited)),
            _ => "something new".to_owned(),
        };
        self.events.lock().unwrap().push(event);
    }
}
