//! Modules, and where their files are.

use std::collections::BTreeMap;

/// The files of a crate, by their paths below `src`.
pub(crate) type Sources = BTreeMap<String, String>;

/// A path as it is written, and where.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// The crate's root has none.
    pub(crate) parent: Option<usize>,
    /// By their names; the values are places in the list of all modules.
    pub(crate) children: BTreeMap<String, usize>,
    /// The names of its own items.
    pub(crate) items: Vec<String>,
    /// The names that it has from elsewhere.
    pub(crate) aliases: BTreeMap<String, Vec<String>>,
    /// The modules (or enums) whose names it has all.
    pub(crate) globs: Vec<Vec<String>>,
    /// All paths in it, those of its `use` items included.
    pub(crate) uses: Vec<Path>,
}

/// Returns the file of a module that is declared in another file by `mod name;`.
pub(crate) fn file_of(sources: &Sources, declared_in: &str, inside: &[String], name: &str) -> Option<String> {
    let (directory, stem) =
        declared_in.rsplit_once('/').map_or(("", declared_in), |(directory, file)| (directory, file));
    let mut at: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    if !matches!(stem, "lib.rs" | "main.rs" | "mod.rs") {
        at.push(stem.trim_end_matches(".rs"));
    }
    at.extend(inside.iter().map(String::as_str));
    at.push(name);
    let path = at.join("/");
    [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| sources.contains_key(file))
}
