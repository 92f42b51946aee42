//! The program's options, and its short runs that say whether something is wrong.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Output, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_http-bench")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    (output, said, complained)
}

#[test]
fn a_bad_option_is_one_line() {
    let (output, _, complained) = run(&["soak", "--requests", "none"]);
    assert_eq!((output.status.code(), complained.lines().count()), (Some(2), 1), "{complained}");
}

#[test]
fn no_body_gets_into_the_wrong_hands() {
    let (output, said, complained) = run(&["soak", "--requests", "50000"]);
    assert!(output.status.success() && !said.contains("BEHIND"), "{said}{complained}");
}

#[test]
fn the_heads_of_real_clients_coalesce() {
    let (output, said, complained) = run(&["heads"]);
    assert!(output.status.success() && !said.contains("BEHIND"), "{said}{complained}");
}
