//! The program that serves figures for Prometheus.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
};

/// Ends the program when the test ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(address: &str) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_prometheus"));
    program.arg(address).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

fn asked(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn the_calls_of_its_route_are_counted_for_prometheus() {
    let mut program = Ends(program("127.0.0.1:0").spawn().unwrap());
    let mut said = String::new();
    BufReader::new(program.0.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let address =
        said.strip_prefix("http://").and_then(|said| said.split('/').next()).unwrap_or_else(|| panic!("{said}"));
    // The work takes 200 ms; should the second of these come later than that, it leads as well.
    for stream in [(); 2].map(|()| asked(address, "/report/7")) {
        assert!(answer(stream).ends_with("rows\n"));
    }
    let figures = answer(asked(address, "/metrics"));
    let calls = |role: &str| {
        let figure = format!("singleflight_calls_total{{group=\"public\",route=\"/report/{{id}}\",role=\"{role}\"}} ");
        let count = figures.lines().find_map(|line| line.strip_prefix(&figure)).unwrap_or_else(|| panic!("{figures}"));
        count.parse::<u32>().unwrap()
    };
    let (leaders, followers) = (calls("leader"), calls("follower"));
    assert!(leaders > 0 && leaders + followers == 2, "{leaders} leaders, {followers} followers");
    assert!(figures.contains("# TYPE singleflight_wait_duration_seconds histogram"), "{figures}");
}

#[test]
fn an_address_that_is_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let Output { status, stdout, stderr } = program(&address).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stdout.len(), said.lines().count()), (Some(1), 0, 1), "{said}");
    assert!(said.contains(&address), "{said}");
}
