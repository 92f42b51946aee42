//! A configuration that is loaded anew. The tests poll by hand, and let loads through one by one.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst},
};

use recipes::settings::Settings;
use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower_singleflight::SharedError;

/// A file whose version a test sets; 0 stands for one that is broken. It is read when a load begins, and the load ends when
/// the test lets it.
#[derive(Clone)]
struct File {
    version: Arc<AtomicU32>,
    loads: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
    most: Arc<Mutex<usize>>,
    permits: Arc<Semaphore>,
}

impl File {
    fn new() -> Self {
        Self {
            version: Arc::new(AtomicU32::new(1)),
            loads: Arc::default(),
            running: Arc::default(),
            most: Arc::default(),
            permits: Arc::new(Semaphore::new(1)),
        }
    }

    async fn load(self) -> Result<u32, SharedError> {
        let version = self.version.load(SeqCst);
        self.loads.fetch_add(1, SeqCst);
        let running = self.running.fetch_add(1, SeqCst) + 1;
        {
            let mut most = self.most.lock().unwrap();
            *most = running.max(*most);
        }
        self.permits.acquire().await.unwrap().forget();
        self.running.fetch_sub(1, SeqCst);
        if version == 0 { Err(SharedError::new("broken")) } else { Ok(version) }
    }
}

macro_rules! open {
    ($file:expr) => {{
        let file = $file.clone();
        Arc::new(Settings::open(move || file.clone().load()).await.unwrap())
    }};
}

async fn settle() {
    for _ in 0..32 {
        yield_now().await;
    }
}

#[tokio::test]
async fn a_burst_of_changes_takes_two_loads_one_at_a_time() {
    let file = File::new();
    let settings = open!(file);
    for version in 2..=100 {
        file.version.store(version, SeqCst);
        settings.changed();
        settle().await;
    }
    assert_eq!(*settings.in_force(), 1, "the first load is under way still");
    file.permits.add_permits(100);
    settle().await;
    assert_eq!(*settings.in_force(), 100);
    assert_eq!((file.loads.load(SeqCst), *file.most.lock().unwrap()), (1 + 2, 1));
}

#[tokio::test]
async fn whoever_asks_after_a_change_gets_it_also_while_an_older_load_is_under_way() {
    let file = File::new();
    let settings = open!(file);
    file.version.store(2, SeqCst);
    let mut before = task::spawn(settings.fresh());
    assert_pending!(before.poll());
    file.version.store(3, SeqCst);
    let mut herd = JoinSet::new();
    for _ in 0..100 {
        let settings = Arc::clone(&settings);
        herd.spawn(async move { *settings.fresh().await.unwrap() });
    }
    settle().await;
    file.permits.add_permits(1);
    settle().await;
    assert_eq!(*assert_ready!(before.poll()).unwrap(), 2, "it had asked before");
    assert_eq!(*settings.in_force(), 2);
    file.permits.add_permits(1);
    assert_eq!(herd.join_all().await, [3; 100]);
    assert_eq!(*settings.in_force(), 3);
    assert_eq!(file.loads.load(SeqCst), 3);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_loaded_leaves_the_last_one_in_force() {
    let file = File::new();
    let settings = open!(file);
    let mut in_force = settings.subscribe();
    file.permits.add_permits(100);
    file.version.store(0, SeqCst);
    settings.changed();
    settle().await;
    assert_eq!(settings.fresh().await.unwrap_err().to_string(), "broken");
    assert_eq!(*settings.in_force(), 1);
    assert!(!in_force.has_changed().unwrap());
    file.version.store(2, SeqCst);
    settings.changed();
    assert_eq!(**in_force.wait_for(|version| **version != 1).await.unwrap(), 2);
}
