//! What the program says where it cannot do what it is told, and its live page.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use tempfile::TempDir;

/// Ends the program when the test ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program with these options, whose picture goes to a directory of the test.
fn stampede(directory: &TempDir, options: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_stampede"));
    program.arg("--svg").arg(directory.path().join("stampede.svg")).args(options).env("RUST_BACKTRACE", "1");
    program.stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// Returns the exit code, the one line that it complains in, and what else it says.
#[track_caller]
fn complaint(program: &mut Command) -> (Option<i32>, String, String) {
    let output = program.output().unwrap();
    let [said, complained] = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap());
    assert_eq!(complained.lines().count(), 1, "{complained}");
    (output.status.code(), complained, said)
}

#[test]
fn a_bad_option_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    for bad in [
        &["--herd", "0"][..],
        &["--status", "0.0.0.0:9000"],
        &["--status", "127.0.0.1:0", "--processes", "2"],
        &["--no-such-option"],
    ] {
        let (code, complained, said) = complaint(&mut stampede(&directory, bad));
        assert_eq!((code, &said[..]), (Some(2), ""));
        assert!(complained.starts_with("error: "), "{complained}");
    }
}

/// Before the herds run, not after.
#[test]
fn a_picture_that_cannot_be_written_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("nowhere/stampede.svg");
    let mut program = Command::new(env!("CARGO_BIN_EXE_stampede"));
    let (code, complained, said) = complaint(program.arg("--svg").arg(&nowhere));
    assert_eq!((code, &said[..]), (Some(1), ""));
    assert!(complained.starts_with(&format!("error: {}: ", nowhere.display())), "{complained}");
}

#[test]
fn where_no_redis_is_installed_one_line_says_how_to_get_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = stampede(&directory, &["--herd", "1", "--keys", "1", "--processes", "2"]);
    // The target directory is where CI has a server of its own.
    program.env("PATH", "").env("CARGO_TARGET_DIR", directory.path());
    let (code, complained, said) = complaint(&mut program);
    assert_eq!((code, &said[..]), (Some(1), ""));
    assert_eq!(
        complained,
        "error: no redis-server is installed: `apt-get install redis-server`, or give one with --redis URL\n"
    );
}

#[test]
fn an_address_of_the_live_page_that_is_in_use_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, complained, said) = complaint(&mut stampede(&directory, &["--status", &address]));
    assert_eq!((code, &said[..]), (Some(1), ""));
    assert!(complained.starts_with(&format!("error: {address}: ")), "{complained}");
}

/// Returns what the page shows to a terminal.
fn page(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /plain HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn the_live_page_is_there_while_the_herds_run_and_after_them() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--status", "127.0.0.1:0", "--herd", "10", "--keys", "2"];
    let mut program = Ends(stampede(&directory, &options).stderr(Stdio::inherit()).spawn().unwrap());
    let mut said = BufReader::new(program.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = said.next().unwrap();
    let address = first.strip_prefix("The live page is at http://").and_then(|rest| rest.strip_suffix('/'));
    let address = address.unwrap_or_else(|| panic!("{first}"));
    assert!(page(address).contains("\ncalls "), "{}", page(address));
    assert!(said.any(|line| line == "The live page is there until ctrl-c."));
    // One herd with the layer, and one that reloads; what the page shows may be a quarter of a second old.
    while !page(address).contains("\ncalls 20 ") {
        sleep(Duration::from_millis(50));
    }
    assert!(program.0.try_wait().unwrap().is_none());
}
