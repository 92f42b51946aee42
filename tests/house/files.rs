//! Where files are, and what is in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Returns the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the files with one of these extensions at or below a path, in order; nothing if it is not there.
pub(crate) fn below(path: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            found.extend(below(&entry.unwrap().path(), extensions));
        }
    } else if path.extension().is_some_and(|extension| extensions.iter().any(|one| extension == *one)) && path.exists()
    {
        found.push(path.to_owned());
    }
    found.sort();
    found
}
