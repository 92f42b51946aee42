//! An observer that counts as `stats` does, for the tests of groups and of HTTP: what is told is what is counted.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use tower_singleflight::{End, Event, Observer, Stats};

/// Counts as `stats` does.
#[derive(Default)]
pub(crate) struct Told {
    led: AtomicU64,
    followed: AtomicU64,
    alone: AtomicU64,
    released: AtomicU64,
    left: AtomicU64,
    panicked: AtomicU64,
    abandoned: AtomicU64,
    lost: AtomicU64,
    /// Ends of calls.
    ended: AtomicU64,
    /// Flights, and those of them that have ended.
    flights: AtomicU64,
    over: AtomicU64,
}

impl Observer for Told {
    fn on(&self, event: &Event<'_>) {
        let count = |to: &AtomicU64, is: bool| {
            to.fetch_add(u64::from(is), SeqCst);
        };
        match *event {
            Event::Led { again, .. } => {
                count(&self.led, !again);
                count(&self.released, again);
            }
            Event::Joined { again, .. } => count(&self.followed, !again),
            Event::Alone { .. } => count(&self.alone, true),
            Event::Released { .. } => count(&self.released, true),
            Event::Left { follower, .. } => count(&self.left, follower),
            Event::Panicked { follower, .. } => count(&self.panicked, follower),
            Event::Ended { how, .. } => {
                count(&self.abandoned, how == End::Abandoned);
                count(&self.lost, how == End::Lost);
            }
            _ => {}
        }
        let ends = matches!(event, Event::Answered { .. } | Event::Left { .. } | Event::Panicked { .. });
        count(&self.ended, ends);
        count(&self.flights, matches!(event, Event::Led { .. }));
        count(&self.over, matches!(event, Event::Landed { .. } | Event::Ended { .. }));
    }
}

impl Told {
    /// Everybody is gone: each call and each flight has ended, and `stats` says the same.
    #[track_caller]
    pub(crate) fn assert_agrees(&self, stats: Stats) {
        let Self { led, followed, alone, released, left, panicked, abandoned, lost, ended, flights, over } = self;
        let told = [led, followed, alone, released, left, panicked, abandoned, lost].map(|count| count.load(SeqCst));
        let counted = [
            stats.led,
            stats.followed,
            stats.alone,
            stats.released,
            stats.left,
            stats.panicked,
            stats.abandoned,
            stats.lost,
        ];
        assert_eq!(told, counted, "led, followed, alone, released, left, panicked; abandoned, lost");
        assert_eq!(ended.load(SeqCst), stats.calls());
        assert_eq!(over.load(SeqCst), flights.load(SeqCst));
        assert_eq!((stats.in_flight, stats.callers, stats.waiting), (0, 0, 0));
    }
}
