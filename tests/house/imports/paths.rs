//! From a path to the file that defines what it names.

use std::collections::BTreeSet;

use super::modules::Module;

/// What a path names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// If it names a module of the crate.
    module: Option<usize>,
    /// The module whose file defines it. A module itself counts for no file: what is taken through it does.
    pub(crate) file: Option<usize>,
}

/// Names that are being looked up: two modules may pass a name on to each other.
pub(crate) type Asked = BTreeSet<(usize, String)>;

/// Returns what a path in a module names; `None` if that is of another crate, or of no module (a local variable).
pub(crate) fn resolve(modules: &[Module], at: usize, path: &[String], asked: &mut Asked) -> Option<Found> {
    let (first, mut rest) = path.split_first()?;
    let mut found = match first.as_str() {
        "crate" => Found { module: Some(0), file: None },
        "self" => Found { module: Some(at), file: None },
        "super" => Found { module: modules[at].parent, file: None },
        name => lookup(modules, at, name, asked)?,
    };
    while let (Some(module), Some((name, behind))) = (found.module, rest.split_first()) {
        found = match name.as_str() {
            "super" => Found { module: modules[module].parent, file: None },
            name => lookup(modules, module, name, asked)?,
        };
        rest = behind;
    }
    Some(found)
}

fn lookup(modules: &[Module], at: usize, name: &str, asked: &mut Asked) -> Option<Found> {
    let module = &modules[at];
    if let Some(child) = module.children.get(name) {
        return Some(Found { module: Some(*child), file: None });
    }
    if module.items.iter().any(|item| item == name) {
        return Some(Found { module: None, file: Some(at) });
    }
    if !asked.insert((at, name.to_owned())) {
        return None;
    }
    let passed_on = match module.aliases.get(name) {
        // `use http::Uri` in a module that is called http: another crate's.
        Some(path) => resolve(modules, at, path, asked),
        None => module.globs.iter().find_map(|glob| {
            let from = resolve(modules, at, glob, asked)?.module?;
            lookup(modules, from, name, asked)
        }),
    };
    asked.remove(&(at, name.to_owned()));
    passed_on
}
