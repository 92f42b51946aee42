//! The seam to the file system.

#[cfg(feature = "spill")]
use std::path::PathBuf;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    sync::Mutex,
};

/// Makes files that nobody else sees, and that are gone when they are dropped.
pub(in crate::http) trait Disk: Send + Sync {
    fn create(&self) -> io::Result<Box<dyn Paged>>;
}

/// A file that is written and read at given places.
pub(in crate::http) trait Paged: Send + Sync {
    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()>;
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()>;
}

/// A directory; `None` is the system's own for temporary files.
#[cfg(feature = "spill")]
pub(super) struct Directory(pub(super) Option<PathBuf>);

#[cfg(feature = "spill")]
impl Disk for Directory {
    fn create(&self) -> io::Result<Box<dyn Paged>> {
        let file = match &self.0 {
            Some(dir) => tempfile::tempfile_in(dir)?,
            None => tempfile::tempfile()?,
        };
        Ok(Box::new(Mutex::new(file)))
    }
}

impl Paged for Mutex<File> {
    fn write_at(&self, at: u64, data: &[u8]) -> io::Result<()> {
        let mut file = lock_file(self);
        file.seek(SeekFrom::Start(at))?;
        file.write_all(data)
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let mut file = lock_file(self);
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(into)
    }
}

/// Each access seeks first: what a panic left behind does not matter.
fn lock_file(file: &Mutex<File>) -> std::sync::MutexGuard<'_, File> {
    file.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
