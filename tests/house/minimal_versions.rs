//! Checks the packages that others use with the lowest version of each dependency that their manifests allow: `cargo run -p house`.
//!
//! The packages are made as for publishing, laid out in a temporary directory, and their manifests ask for exactly those
//! versions. What the dependencies depend on is as new as ever: their lowest versions are their own affair.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use toml::{Table, Value};

/// The packages that others use; those that stand on others after them.
const PACKAGES: [&str; 3] = ["tower-singleflight", "tower-singleflight-redis", "singleflight-proxy"];

type Fault = Box<dyn Error>;

fn main() -> Result<(), Fault> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let place = tempfile::tempdir()?;
    let target = place.path().join("target");
    let cargo = || {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.env("CARGO_TARGET_DIR", &target);
        cargo
    };
    // Changes that are not committed yet are to be checked too.
    let packages = PACKAGES.iter().flat_map(|package| ["-p", package]);
    let how = ["--no-verify", "--allow-dirty", "--quiet"];
    run(cargo().current_dir(&root).arg("package").args(packages).args(how))?;
    for name in PACKAGES {
        let package = package(&target.join("package"), name)?;
        run(Command::new("tar").current_dir(place.path()).arg("-xzf").arg(&package))?;
        // The next one's manifest finds it by its bare name.
        let sources = place.path().join(name);
        fs::rename(place.path().join(package.file_stem().ok_or("no name")?), &sources)?;
        ask_for_the_lowest(&sources)?;
        for features in ["--all-features", "--no-default-features"] {
            run(cargo().current_dir(&sources).args(["check", "--lib", "--bins", "--quiet", features]))?;
        }
        println!("{name} compiles with these.");
    }
    Ok(())
}

fn ask_for_the_lowest(sources: &Path) -> Result<(), Fault> {
    let manifest = sources.join("Cargo.toml");
    let mut table: Table = fs::read_to_string(&manifest)?.parse()?;
    for key in ["dev-dependencies", "bench", "example", "test"] {
        table.remove(key);
    }
    for (name, dependency) in table.get_mut("dependencies").and_then(Value::as_table_mut).ok_or("no dependencies")? {
        if let (true, Value::Table(ours)) = (PACKAGES.contains(&&name[..]), &mut *dependency) {
            ours.insert("path".to_owned(), Value::String(format!("../{name}")));
        }
        let version = match dependency {
            Value::Table(dependency) => dependency.get_mut("version").ok_or("no version")?,
            version => version,
        };
        *version = Value::String(lowest(version.as_str().ok_or("no version")?));
        println!("{name} {version}");
    }
    fs::write(&manifest, table.to_string())?;
    // What was resolved for the newest.
    let _ = fs::remove_file(sources.join("Cargo.lock"));
    Ok(())
}

/// Returns the file of a package.
fn package(directory: &Path, name: &str) -> Result<PathBuf, Fault> {
    let of_it = |file: &Path| {
        let version = file.file_name().and_then(|file| file.to_str()).and_then(|file| file.strip_prefix(name));
        version.is_some_and(|version| {
            version.ends_with(".crate")
                && version.starts_with('-')
                && version[1..].starts_with(|c: char| c.is_ascii_digit())
        })
    };
    let mut files = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let package = files.find(|file| file.as_ref().is_ok_and(|file| of_it(file)));
    Ok(package.ok_or("no package was made")??)
}

/// Returns the demand for exactly the lowest version that a demand allows, which is a plain `1`, `1.2` or `1.2.3`.
fn lowest(version: &str) -> String {
    let missing = 2_usize.saturating_sub(version.matches('.').count());
    format!("={version}{}", ".0".repeat(missing))
}

fn run(command: &mut Command) -> Result<(), Fault> {
    if command.status()?.success() { Ok(()) } else { Err(format!("{command:?} failed").into()) }
}
