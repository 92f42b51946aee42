//! Disks in memory, failing as they are told.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::Receiver,
    },
};

use super::super::disk::{Disk, Paged};

/// In memory, failing as it is told.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) creates: bool,
    pub(super) writes: usize,
    pub(super) reads: bool,
    pub(super) files: Arc<AtomicUsize>,
    /// `Some`: writes hang for as long as there is a sender.
    pub(super) hangs: Option<Arc<Mutex<Receiver<()>>>>,
}

impl Disk for Fake {
    fn create(&self) -> io::Result<Box<dyn Paged>> {
        if !self.creates {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.files.fetch_add(1, SeqCst);
        Ok(Box::new(File(self.clone(), Mutex::default(), AtomicUsize::new(0))))
    }
}

struct File(Fake, Mutex<Vec<u8>>, AtomicUsize);

impl Paged for File {
    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        if let Some(hangs) = &self.0.hangs {
            let _ = hangs.lock().unwrap().recv();
        }
        if self.2.fetch_add(1, SeqCst) >= self.0.writes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = self.1.lock().unwrap();
        file.truncate(at as usize);
        file.extend(data);
        Ok(())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        if !self.0.reads {
            return Err(io::ErrorKind::NotConnected.into());
        }
        into.copy_from_slice(&self.1.lock().unwrap()[at as usize..][..into.len()]);
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        self.0.files.fetch_sub(1, SeqCst);
    }
}

pub(super) fn good() -> Fake {
    Fake { creates: true, writes: usize::MAX, reads: true, files: Arc::default(), hangs: None }
}
