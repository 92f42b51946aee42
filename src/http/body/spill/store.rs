//! How much may be spilled, and where to.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;

use super::disk::{Disk, Paged};
use crate::http::body::LargeBodies;

/// Room for bodies that do not fit the window; clones share it, and its limits.
///
/// Whatever lies there is in unnamed temporary files, in segments of some MiB, each given back once the slowest reader
/// has passed it or left.
#[derive(Clone, Default)]
pub struct SpillStore {
    store: Option<Arc<Store>>,
}

pub(in crate::http::body) struct Store {
    disk: Box<dyn Disk>,
    per_body: u64,
    total: u64,
    used: AtomicU64,
}

/// Part of the store, given back when it is dropped.
pub(super) struct Reserved {
    store: Arc<Store>,
    bytes: u64,
}

/// A file.
pub(in crate::http::body) struct Segment {
    file: Box<dyn Paged>,
    store: Arc<Store>,
    held: AtomicU64,
}

impl SpillStore {
    /// Returns a store in directory `dir`, by default the system's own for temporary files, with the limits of
    /// [`LargeBodies::Spill`](crate::http::LargeBodies). For other values of `large` it takes nothing.
    ///
    /// A directory that is not there, full or read-only is found out when it is needed, and is no error: bodies are
    /// then treated as by [`LargeBodies::Stream`](crate::http::LargeBodies).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "spill")] {
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use tower_singleflight::http::{BodySource, LargeBodies, SpillStore};
    ///
    /// let store = SpillStore::new(LargeBodies::Spill { per_body: 1 << 30, total: 4 << 30 }, None);
    /// let body = BodySource::new(Full::<Bytes>::from("rows")).spill(store.clone());
    /// assert_eq!(store.used(), 0); // nothing has outgrown the window
    /// # drop(body);
    /// # }
    /// ```
    #[cfg_attr(not(feature = "spill"), allow(unused_variables))]
    pub fn new(large: LargeBodies, dir: Option<PathBuf>) -> Self {
        match large {
            LargeBodies::Alone | LargeBodies::Stream => Self::default(),
            #[cfg(feature = "spill")]
            LargeBodies::Spill { per_body, total } => Self::on(super::disk::Directory(dir), per_body, total),
        }
    }

    pub(super) fn on(disk: impl Disk + 'static, per_body: u64, total: u64) -> Self {
        Self { store: Some(Arc::new(Store { disk: Box::new(disk), per_body, total, used: AtomicU64::new(0) })) }
    }

    /// Returns how much is in use, in bytes.
    pub fn used(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.used.load(Relaxed))
    }

    pub(in crate::http::body) fn store(&self) -> Option<&Arc<Store>> {
        self.store.as_ref()
    }
}

impl Store {
    /// Returns how much more one body may spill that has spilled this much.
    pub(super) fn allowance(&self, held: u64) -> u64 {
        self.per_body.saturating_sub(held).min(self.total.saturating_sub(self.used.load(Relaxed)))
    }

    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reserved> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.total);
        self.used.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Reserved { store: Arc::clone(self), bytes })
    }

    pub(super) fn segment(self: &Arc<Self>) -> io::Result<Segment> {
        Ok(Segment { file: self.disk.create()?, store: Arc::clone(self), held: AtomicU64::new(0) })
    }
}

impl Segment {
    /// Writes at a place; from then on the room for it belongs to the segment.
    pub(super) fn write(&self, mut at: u64, data: &[Bytes], mut room: Reserved) -> io::Result<()> {
        for data in data {
            self.file.write_at(at, data)?;
            at += data.len() as u64;
        }
        self.held.fetch_add(std::mem::take(&mut room.bytes), Relaxed);
        Ok(())
    }

    pub(in crate::http::body) fn read(&self, at: u64, bytes: usize) -> io::Result<Bytes> {
        let mut data = vec![0; bytes];
        self.file.read_at(at, &mut data)?;
        Ok(data.into())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.store.used.fetch_sub(self.bytes, Relaxed);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.store.used.fetch_sub(*self.held.get_mut(), Relaxed);
    }
}

impl fmt::Debug for SpillStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self.store.as_ref().map(|store| (store.per_body, store.total));
        f.debug_struct("SpillStore").field("limits", &limits).field("used", &self.used()).finish_non_exhaustive()
    }
}
