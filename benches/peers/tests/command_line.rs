//! The program's options.

use std::process::Command;

#[test]
fn a_bad_option_is_one_line() {
    let output = Command::new(env!("CARGO_BIN_EXE_peers")).args(["--rounds", "0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
}
