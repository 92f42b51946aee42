//! Which compiler the packages that others use need.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, PackageId};

use crate::files::root;

/// The packages that others use.
const PUBLIC: [&str; 3] = ["tower-singleflight", "tower-singleflight-redis", "singleflight-proxy"];

fn metadata() -> Metadata {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).features(CargoOpt::AllFeatures).exec().unwrap()
}

/// Returns what a package is built of, itself included; with `tests`, what its tests are built of too.
fn built_of(metadata: &Metadata, package: &PackageId, tests: bool) -> BTreeSet<PackageId> {
    let nodes: BTreeMap<_, _> =
        metadata.resolve.iter().flat_map(|all| &all.nodes).map(|node| (&node.id, node)).collect();
    let (mut found, mut next) = (BTreeSet::new(), vec![package]);
    while let Some(here) = next.pop() {
        if found.insert(here.clone()) {
            let needed = |kind: &DependencyKind| match kind {
                DependencyKind::Normal | DependencyKind::Build => true,
                _ => tests && here == package,
            };
            let all = nodes[here].deps.iter();
            next.extend(all.filter(|one| one.dep_kinds.iter().any(|of| needed(&of.kind))).map(|one| &one.pkg));
        }
    }
    found
}

/// Where the compiler itself is not installed, this is what says that it would do; `.ci/run` builds with it where it is.
/// The packages that others use may be tested with a newer one.
#[test]
fn no_dependency_needs_a_newer_compiler_than_we_say() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let (name, said) = (&package.name, package.rust_version.clone().unwrap());
        let built_of = built_of(&metadata, &package.id, !PUBLIC.contains(&name.as_str()));
        assert!(built_of.len() > 5, "{built_of:?}");
        let newer: Vec<_> = built_of
            .iter()
            .map(|id| &metadata[id])
            .filter(|one| one.rust_version.as_ref().is_some_and(|needed| *needed > said))
            .map(|one| format!("{} {} needs {:?}", one.name, one.version, one.rust_version))
            .collect();
        assert!(newer.is_empty(), "{name} is said to need Rust {said}: {newer:#?}");
    }
}

#[test]
fn packages_that_are_not_for_others_cannot_be_published() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let public = PUBLIC.contains(&package.name.as_str());
        assert_eq!(package.publish.is_none(), public, "{}: publish = {:?}", package.name, package.publish);
    }
}

/// Their package is of the crate's sources, and has no other way to know what these need.
#[test]
fn the_models_have_what_the_crate_depends_on() {
    let metadata = metadata();
    let of = |name: &str| {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
        let normal = package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal);
        normal.map(|one| (one.name.clone(), one.req.to_string())).collect::<BTreeMap<_, _>>()
    };
    let models = of("shuttle-models");
    for (name, version) in of("tower-singleflight") {
        // Those of features that the models are built without.
        let others = ["axum", "histogram", "metrics", "serde_json", "tempfile", "tracing"];
        if !others.contains(&name.as_str()) {
            assert_eq!(models.get(&name), Some(&version), "{name} in tests/shuttle/Cargo.toml");
        }
    }
}
