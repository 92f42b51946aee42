//! One snapshot at a time, for all who look.

use std::{
    io::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    clients::Clients,
    recorder::Recorder,
    snapshot::{Said, Snapshot},
    sources::Sources,
};
use crate::sync::{Mutex, lock};

/// How often there is a new snapshot.
const PERIOD: Duration = Duration::from_millis(250);

/// How many periods an old snapshot will do while another caller makes a new one.
const OLD: u64 = 4;

/// What the clones of one page show.
pub(super) struct Shown {
    pub(super) recorder: Arc<Recorder>,
    pub(super) sources: Sources,
    pub(super) clients: Clients,
    /// The latest period, counted from 1 on, whose snapshot somebody has begun to make.
    begun: AtomicU64,
    /// A leaf lock.
    latest: Mutex<Option<(u64, Arc<Taken>)>>,
    /// Somebody asks the application.
    is_asked: AtomicBool,
    /// What the application has said last. A leaf lock.
    said: Mutex<Arc<Said>>,
}

/// A snapshot, and what is sent of it.
pub(super) struct Taken {
    pub(super) snapshot: Snapshot,
    event: OnceLock<Bytes>,
}

impl Shown {
    pub(super) fn new(recorder: Arc<Recorder>, sources: Sources) -> Self {
        Self {
            recorder,
            sources,
            clients: Clients::default(),
            begun: AtomicU64::new(0),
            latest: Mutex::new(None),
            is_asked: AtomicBool::new(false),
            said: Mutex::default(),
        }
    }

    /// Returns when there will be a newer snapshot.
    pub(super) fn next(&self) -> Instant {
        let periods = u32::try_from(self.period()).unwrap_or(u32::MAX);
        self.recorder.made.checked_add(PERIOD * periods).unwrap_or_else(|| Instant::now() + PERIOD)
    }

    /// Returns which period this is, from 1 on.
    fn period(&self) -> u64 {
        let periods = self.recorder.made.elapsed().as_millis() / PERIOD.as_millis();
        u64::try_from(periods).unwrap_or(u64::MAX - 1) + 1
    }

    /// Returns the snapshot of this period, which the first caller makes; no lock is held meanwhile, since the
    /// application is asked. A caller that comes just then gets the one before, if that is not old, or else makes one
    /// of what the application said before.
    pub(super) fn latest(&self) -> Arc<Taken> {
        let period = self.period();
        let is_first = self.begun.fetch_max(period, Relaxed) < period;
        let held = lock(&self.latest).clone();
        if let Some((made, taken)) = held {
            if made >= period || (!is_first && made + OLD > period) {
                return taken;
            }
        }
        self.ask();
        let said = Arc::clone(&lock(&self.said));
        // Asking may have taken a while.
        let period = self.period();
        let taken = Arc::new(Taken { snapshot: Snapshot::take(&self.recorder, said), event: OnceLock::new() });
        let mut latest = lock(&self.latest);
        if latest.as_ref().is_none_or(|(made, _)| *made <= period) {
            *latest = Some((period, Arc::clone(&taken)));
        }
        taken
    }

    /// Asks the application, unless somebody does so already: then what it said before stands. So the application's
    /// text may be made from the page itself, and a text that never comes holds up one caller and no more.
    fn ask(&self) {
        if self.is_asked.swap(true, Relaxed) {
            return;
        }
        let said = Arc::new(Said::of(&self.sources));
        let before = std::mem::replace(&mut *lock(&self.said), said);
        self.is_asked.store(false, Relaxed);
        drop(before);
    }
}

impl Taken {
    /// Returns the snapshot as one server-sent event.
    pub(super) fn event(&self) -> Bytes {
        let event = self.event.get_or_init(|| {
            let mut event = b"data: ".to_vec();
            // JSON has no line ends of its own here, and nothing in it fails.
            let _ = serde_json::to_writer(&mut event, &self.snapshot);
            let _ = event.write_all(b"\n\n");
            event.into()
        });
        event.clone()
    }
}
