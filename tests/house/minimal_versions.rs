//! Checks the crate with the lowest version of each dependency that its manifest allows: `cargo run -p house`.
//!
//! The package is made as for publishing, laid out in a temporary directory, and its manifest asks for exactly those
//! versions. What the dependencies depend on is as new as ever: their lowest versions are their own affair.

use std::{error::Error, fs, path::Path, process::Command};

use toml::{Table, Value};

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
    run(cargo().current_dir(&root).args([
        "package",
        "-p",
        "tower-singleflight",
        "--no-verify",
        "--allow-dirty",
        "--quiet",
    ]))?;
    let package = package(&target.join("package"))?;
    run(Command::new("tar").current_dir(place.path()).arg("-xzf").arg(&package))?;
    let sources = place.path().join(package.file_stem().ok_or("no name")?);

    let manifest = sources.join("Cargo.toml");
    let mut table: Table = fs::read_to_string(&manifest)?.parse()?;
    for key in ["dev-dependencies", "bench", "example", "test"] {
        table.remove(key);
    }
    for (name, dependency) in table.get_mut("dependencies").and_then(Value::as_table_mut).ok_or("no dependencies")? {
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
    for features in [&["--all-features"][..], &["--no-default-features"]] {
        run(cargo().current_dir(&sources).args(["check", "--lib", "--quiet"]).args(features))?;
    }
    println!("The crate compiles with these.");
    Ok(())
}

/// Returns the one file of the packages.
fn package(directory: &Path) -> Result<std::path::PathBuf, Fault> {
    let mut files = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let package = files.find(|file| file.as_ref().is_ok_and(|file| file.extension().is_some_and(|end| end == "crate")));
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
