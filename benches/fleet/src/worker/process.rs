//! A process, with the fleet that it is in.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tower_singleflight::{
    Group,
    fleet::{Fleet, PostcardCodec},
};

use super::noted::Notes;

pub(crate) type Fault = Box<dyn Error + Send + Sync>;

/// A process's fleet, and the group whose flights it shares.
#[derive(Clone)]
pub(crate) struct Process {
    pub(crate) fleet: Fleet,
    pub(crate) group: Group<String, String>,
    /// What its engine told those who joined.
    pub(crate) notes: Notes,
}

impl Process {
    /// Calls once; the outcome says by whom it was made.
    pub(crate) async fn call(&self, key: &str, work: Duration, runs: &Arc<AtomicU64>, tell: bool) -> String {
        let (runs, made_for) = (Arc::clone(runs), key.to_owned());
        let work = move || async move {
            let run = runs.fetch_add(1, Relaxed);
            if tell {
                println!("running {made_for}");
            }
            tokio::time::sleep(work).await;
            format!("{made_for}/{}/{run}", std::process::id())
        };
        self.fleet.call(&self.group, key.to_owned(), PostcardCodec::new(), work).await.value
    }
}
