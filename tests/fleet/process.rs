//! A process of a fleet, as the tests see it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinHandle};
use tower_singleflight::{
    Group, Outcome,
    fleet::{Engine, Fleet, FleetEvent, FleetRole, FleetSettings, PostcardCodec},
};

pub(crate) const SECRET: [u8; 32] = [7; 32];

/// A group and a fleet of its own; what it runs is counted together with that of the others.
pub(crate) struct Process {
    pub(crate) group: Group<u32, String>,
    pub(crate) fleet: Fleet,
    pub(crate) backend: Backend,
}

/// What the work of all processes has in common.
#[derive(Clone)]
pub(crate) struct Backend {
    runs: Arc<AtomicUsize>,
    /// Each run waits for a permit.
    gate: Arc<Semaphore>,
}

impl Backend {
    pub(crate) fn new() -> Self {
        Self { runs: Arc::default(), gate: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Relaxed)
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS >> 1);
    }

    /// Counts a run, waits for the gate, and says which run it was.
    pub(crate) async fn run(self, key: u32) -> String {
        let run = self.runs.fetch_add(1, Relaxed);
        drop(self.gate.acquire().await);
        format!("{key}: run {run}")
    }
}

/// So many processes on one engine, with the default settings.
pub(crate) fn processes<const N: usize>(engine: &(impl Engine + Clone)) -> [Process; N] {
    processes_with(engine, FleetSettings::new())
}

pub(crate) fn processes_with<const N: usize>(engine: &(impl Engine + Clone), settings: FleetSettings) -> [Process; N] {
    let backend = Backend::new();
    [(); N].map(|()| Process {
        group: Group::new(),
        fleet: Fleet::with_settings(engine.clone(), SECRET, settings.clone()).unwrap(),
        backend: backend.clone(),
    })
}

impl Process {
    /// Makes a call, in a task of its own.
    pub(crate) fn call(&self, key: u32) -> JoinHandle<Outcome<String>> {
        let backend = self.backend.clone();
        tokio::spawn(self.fleet.call(&self.group, key, PostcardCodec::new(), move || backend.run(key)))
    }
}

/// What the fleet of a process did with each flight that asked it, in the order in which that was known.
#[derive(Clone, Default)]
pub(crate) struct Roles(Arc<Mutex<Vec<FleetRole>>>);

impl Roles {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        let roles = Self::default();
        let noted = roles.clone();
        drop(fleet.clone().observed(move |event| {
            if let FleetEvent::Asked(role) = event {
                noted.0.lock().unwrap().push(*role);
            }
        }));
        roles
    }

    pub(crate) fn take(&self) -> Vec<FleetRole> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Lets all tasks run until none of them has anything to do but to wait: under paused time, less than a lease.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
