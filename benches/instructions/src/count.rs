//! How many instructions a case takes, each time that it is done.

use std::process::Command;

use crate::{Fault, cases};

/// A case is done so often in two runs, and their figures are subtracted: what comes before and after is in both.
const FEW: u64 = 200;
const MANY: u64 = 2_200;

/// Returns whether valgrind is installed.
pub(crate) fn valgrind_is_there() -> bool {
    Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Returns the instructions of a case, done once.
pub(crate) fn of(name: &str) -> Result<u64, Fault> {
    let (few, many) = (count(name, FEW)?, count(name, MANY)?);
    Ok(many.saturating_sub(few) / (MANY - FEW))
}

fn count(name: &str, times: u64) -> Result<u64, Fault> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(std::env::current_exe()?).args(["case", name, &times.to_string()]);
    let output = valgrind.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, number)| number.trim());
    match collected.map(str::parse) {
        Some(Ok(instructions)) if output.status.success() => Ok(instructions),
        _ => Err(format!("valgrind says of `{name}`:\n{said}").into()),
    }
}

/// Does a case `times` times.
pub(crate) fn run(name: &str, times: &str) -> Result<(), Fault> {
    let times = times.parse()?;
    let case = cases::find(name).ok_or_else(|| format!("no case is called `{name}`"))?;
    case(times);
    Ok(())
}
