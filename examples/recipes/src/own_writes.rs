//! Reads of one's own writes, on SQLite: a writer that then reads the books finds its order there.
//!
//! A read sees what was committed when it began. So a writer that joins a read from before its write gets books that
//! lack it: ordinary sharing is for those who ask, not for those who have just written.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    task::{JoinSet, spawn_blocking},
    time::Instant,
};
use tower_singleflight::{Group, SharedError};

/// How many reads run at a time.
const POOL: usize = 4;

/// How writers read after their write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// By `call`: any read under way will do.
    Ordinary,
    /// By `forget`, then `call`: no earlier read is joined, and each write costs a read of its own.
    Forgetting,
    /// By `call_fresh`: a read that begins after this call, shared by all who came before it.
    Fresh,
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// How many writers read books without their own order.
    pub stale: usize,
    /// How often the books were read.
    pub queries: usize,
    /// How long all of them took.
    pub took: Duration,
}

/// The books: the newest order, and the sum of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Books {
    /// The number of the newest order.
    pub newest: i64,
    /// The sum of all orders.
    pub cents: i64,
}

/// A database of orders: one connection writes, a pool of them reads.
#[derive(Clone, Debug)]
pub struct Orders {
    writer: Arc<AsyncMutex<Connection>>,
    readers: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    queries: Arc<AtomicUsize>,
    reads: Group<(), Result<Books, SharedError>>,
}

impl Orders {
    /// Opens a database that is not there yet, with so many orders in it. The more there are, the longer a read takes.
    ///
    /// # Errors
    ///
    /// If SQLite cannot.
    pub fn create(path: &Path, orders: u32) -> rusqlite::Result<Self> {
        let mut writer = Connection::open(path)?;
        // Readers see the database as it was when they began, and do not wait for the writer.
        writer.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
             CREATE TABLE orders (number INTEGER PRIMARY KEY, cents INTEGER NOT NULL)",
        )?;
        let filling = writer.transaction()?;
        let mut insert = filling.prepare("INSERT INTO orders (cents) VALUES (?1)")?;
        for order in 0..orders {
            insert.execute([order % 1_000])?;
        }
        drop(insert);
        filling.commit()?;
        let readers: Result<Vec<_>, _> = (0..POOL).map(|_| Connection::open(path)).collect();
        Ok(Self {
            writer: Arc::new(AsyncMutex::new(writer)),
            readers: Arc::new(Mutex::new(readers?)),
            permits: Arc::new(Semaphore::new(POOL)),
            queries: Arc::default(),
            reads: Group::new(),
        })
    }

    /// Writes an order; returns its number, once it is committed.
    ///
    /// # Errors
    ///
    /// If SQLite cannot.
    pub async fn order(&self, cents: u32) -> Result<i64, SharedError> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        let write = move || {
            writer.execute("INSERT INTO orders (cents) VALUES (?1)", [cents])?;
            Ok(writer.last_insert_rowid())
        };
        blocking(write).await
    }

    /// Reads the books.
    ///
    /// # Errors
    ///
    /// If SQLite cannot.
    pub async fn books(&self, reads: Reads) -> Result<Books, SharedError> {
        let orders = self.clone();
        let read = move || orders.query();
        let outcome = match reads {
            Reads::Ordinary => self.reads.call((), read).await,
            Reads::Forgetting => {
                self.reads.forget(&());
                self.reads.call((), read).await
            }
            Reads::Fresh => self.reads.call_fresh((), read).await,
        };
        outcome.into_value()
    }

    async fn query(self) -> Result<Books, SharedError> {
        let _permit = self.permits.acquire().await.map_err(SharedError::new)?;
        self.queries.fetch_add(1, Relaxed);
        let readers = Arc::clone(&self.readers);
        let query = move || {
            let pool = || readers.lock().unwrap_or_else(PoisonError::into_inner);
            let reader = pool().pop().ok_or(rusqlite::Error::InvalidQuery)?;
            let columns = |row: &rusqlite::Row<'_>| Ok(Books { newest: row.get(0)?, cents: row.get(1)? });
            let books = reader.query_row("SELECT MAX(number), SUM(cents) FROM orders", [], columns);
            pool().push(reader);
            books
        };
        blocking(query).await
    }
}

/// Runs blocking work on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, SharedError> {
    spawn_blocking(work).await.map_err(SharedError::new)?.map_err(SharedError::new)
}

/// Lets so many writers at the database at once, each of which writes an order and then reads the books.
///
/// # Errors
///
/// If one of them fails.
pub async fn run(orders: &Orders, writers: usize, reads: Reads) -> Result<Tally, SharedError> {
    let (start, before) = (Instant::now(), orders.queries.load(Relaxed));
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let orders = orders.clone();
        tasks.spawn(async move {
            let number = orders.order(100).await?;
            Ok::<_, SharedError>(orders.books(reads).await?.newest < number)
        });
    }
    let mut stale = 0;
    for is_stale in tasks.join_all().await {
        stale += usize::from(is_stale?);
    }
    Ok(Tally { stale, queries: orders.queries.load(Relaxed) - before, took: start.elapsed() })
}
