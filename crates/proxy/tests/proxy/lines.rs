//! The lines that the program writes about requests.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use super::{framing::says, *};

/// Returns what the program writes about one request that is answered so.
async fn line_of(answer: &'static str) -> String {
    let upstream = format!("http://{}", says(answer).await);
    let mut program = Command::new(env!("CARGO_BIN_EXE_singleflight-proxy"))
        .args(["--listen", "127.0.0.1:0", "--upstream", &upstream])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let address = first.strip_prefix("http://").unwrap().split(' ').next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    timeout(LONG, stream.read_to_end(&mut Vec::new())).await.unwrap().unwrap();
    let line = lines.next().unwrap();
    program.kill().unwrap();
    program.wait().unwrap();
    line
}

#[tokio::test]
async fn a_line_says_how_much_has_gone_out_and_whether_that_was_all() {
    for (answer, starts, ends) in [
        ("Content-Length: 4\r\n\r\npage", "leader GET /page 200 4 B ", " ms"),
        ("Transfer-Encoding: chunked\r\n\r\n4\r\npage\r\n5\r\nwhole\r\n0\r\n\r\n", "leader GET /page 200 9 B ", " ms"),
        ("Content-Length: 9\r\n\r\nhalf", "leader GET /page 200 4 B ", " ms cut"),
    ] {
        let line = line_of(format!("HTTP/1.1 200 OK\r\n{answer}").leak()).await;
        assert!(line.starts_with(starts) && line.ends_with(ends), "{line}");
    }
}
