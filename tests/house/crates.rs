//! The crates of the workspace, and their sources.

use std::{fs, path::Path};

use toml::Table;

use crate::{
    files::{below, root},
    imports::Sources,
};

/// A library or a program.
pub(crate) struct Crate {
    /// Where its sources are, from the repository's root.
    pub(crate) directory: String,
    /// The file in it that the others are modules of.
    pub(crate) root: &'static str,
    pub(crate) sources: Sources,
}

/// Returns the files below a directory, by their paths from there.
fn read(directory: &Path) -> Sources {
    let named = |file: &Path| file.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
    below(directory, &["rs"]).iter().map(|file| (named(file), fs::read_to_string(file).unwrap())).collect()
}

/// Returns the sources of the crate that all this is about.
pub(crate) fn sources() -> Sources {
    read(&root().join("src"))
}

/// Returns the libraries and programs of all members of the workspace.
pub(crate) fn all() -> Vec<Crate> {
    let manifest: Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|member| member.as_str().unwrap());
    let directories: Vec<_> =
        members.map(|member| if member == "." { "src".to_owned() } else { format!("{member}/src") }).collect();
    let crates = directories.iter().flat_map(|directory| {
        ["lib.rs", "main.rs"].map(|file| Crate {
            directory: directory.clone(),
            root: file,
            sources: read(&root().join(directory)),
        })
    });
    crates.filter(|one| one.sources.contains_key(one.root)).collect()
}
