//! The figures in the repository.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
};

use toml::{Table, Value};

use crate::Fault;

/// Figures, with the compiler and the processor that they hold for.
pub(crate) struct Baseline(Table);

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.toml")
}

/// Returns the compiler that cargo builds with here.
fn compiler() -> Result<String, Fault> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Ok(String::from_utf8(Command::new(rustc).arg("--version").output()?.stdout)?.trim().to_owned())
}

/// Returns the processor's name: the library that copies memory chooses its instructions by it.
fn processor() -> String {
    let said = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = said.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

impl Baseline {
    /// Figures of this machine.
    pub(crate) fn new(figures: Vec<(&str, u64)>) -> Result<Self, Fault> {
        let number = |figure| Value::Integer(i64::try_from(figure).unwrap_or(i64::MAX));
        let figures = figures.into_iter().map(|(name, figure)| (name.to_owned(), number(figure))).collect();
        let mut table = Table::new();
        table.insert("compiler".to_owned(), Value::String(compiler()?));
        table.insert("processor".to_owned(), Value::String(processor()));
        table.insert("instructions".to_owned(), Value::Table(figures));
        Ok(Self(table))
    }

    pub(crate) fn read() -> Result<Self, Fault> {
        let file = file();
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Self(text.parse().map_err(|error| format!("{}: {error}", file.display()))?))
    }

    pub(crate) fn write(&self) -> Result<(), Fault> {
        let about =
            "# What the crate costs over the bare work, in instructions: `cargo run --release -p instructions`.\n";
        Ok(fs::write(file(), format!("{about}{}", self.0))?)
    }

    pub(crate) fn figure(&self, name: &str) -> Option<u64> {
        self.0.get("instructions")?.get(name)?.as_integer()?.try_into().ok()
    }

    /// Returns whether the figures can be compared: they are of the same program, on the same compiler and processor.
    pub(crate) fn is_comparable(&self, other: &Self) -> bool {
        let as_recorded = cfg!(feature = "tracing") && !cfg!(feature = "watched");
        as_recorded && ["compiler", "processor"].iter().all(|key| self.0.get(*key) == other.0.get(*key))
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key| self.0.get(key).and_then(Value::as_str).unwrap_or("?");
        write!(f, "{} on {}", text("compiler"), text("processor"))
    }
}
