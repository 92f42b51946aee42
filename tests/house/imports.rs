//! Which file of a crate takes names from which, as the compiler would find them.
//!
//! A name that a module passes on (`use`, `pub use`) belongs to the file that defines it, and passing it on takes
//! nothing. `mod` lines and what is compiled for tests only are left out.

mod collect;
mod modules;
mod paths;

use std::collections::{BTreeMap, BTreeSet};

use self::{collect::collect, paths::resolve};
pub(crate) use self::{collect::is_for_tests, modules::Sources};

/// A use of a name of another file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// For each file, the files that it takes names from, and the first use of each.
pub(crate) type Arrows = BTreeMap<String, BTreeMap<String, Use>>;

/// Returns the arrows between the files of a crate, which are modules of its root or of each other.
pub(crate) fn arrows(sources: &Sources, root: &str) -> Arrows {
    let modules = collect(sources, root);
    let mut arrows = Arrows::new();
    for (at, module) in modules.iter().enumerate() {
        let from = arrows.entry(module.file.clone()).or_default();
        for path in &module.uses {
            let Some(to) = resolve(&modules, at, &path.segments, &mut BTreeSet::new()).and_then(|found| found.file)
            else {
                continue;
            };
            if modules[to].file != module.file {
                let seen = Use { line: path.line, path: path.segments.join("::") };
                let first = from.entry(modules[to].file.clone()).or_insert_with(|| seen.clone());
                *first = first.clone().min(seen);
            }
        }
    }
    arrows
}
