//! The command line.

use super::*;

#[test]
fn a_bad_option_is_one_line() {
    let upstream = ["--upstream", "http://127.0.0.1:9"];
    let bad: [&[&str]; 32] = [
        &[],
        &["--upstream", "https://127.0.0.1:9"],
        &["--upstream", "127.0.0.1:9"],
        &["--upstream", "http://"],
        &["--upstream", "http://a:99999"],
        &["--upstream", "http://a:"],
        &["--upstream", "http://a/path"],
        &["--upstream", "http://u:p@a"],
        &["--upstream", "http://127.0.0.1:8080"],
        &["--upstream", "http://localhost:8080"],
        &["--upstream", "http://127.0.0.1", "--listen", "0.0.0.0:80"],
        &["--upstream", "http://[::1]:81", "--listen", "[::]:81"],
        &["--upstream", "http://127.0.0.1:81", "--listen", "[::ffff:127.0.0.1]:81"],
        &[upstream[0], upstream[1], "--spill-dir", "/no/such/directory"],
        &[upstream[0], upstream[1], "--spill-dir", env!("CARGO_MANIFEST_PATH")],
        &[upstream[0], upstream[1], "--listen", "nowhere"],
        &[upstream[0], upstream[1], "--timeout", "0"],
        &[upstream[0], upstream[1], "--max-wait", "1.5"],
        &[upstream[0], upstream[1], "--join-window", "0"],
        &[upstream[0], upstream[1], "--clients", "0"],
        &[upstream[0], upstream[1], "--key-address=yes"],
        &[upstream[0], upstream[1], "--window", "0"],
        &[upstream[0], upstream[1], "--release-limit", "-1"],
        &[upstream[0], upstream[1], "--cache-status", "\u{e9}"],
        &[upstream[0], upstream[1], "--no-such-option"],
        &[upstream[0], upstream[1], "--status", "9000"],
        &[upstream[0], upstream[1], "--status", "0.0.0.0:9000"],
        &[upstream[0], upstream[1], "--status", "10.0.0.1:9000"],
        &[upstream[0], upstream[1], "--status", "[::]:9000", "--status-host", "a"],
        &[upstream[0], upstream[1], "--status", "127.0.0.1:9000", "--no-coalesce"],
        &[upstream[0], upstream[1], "--status-public"],
        &[upstream[0], upstream[1], "--status-host", "a"],
    ];
    for options in bad {
        let error = Options::read(std::iter::once(&"proxy").chain(options).map(|option| option.into())).unwrap_err();
        let complaint = Options::complaint(&error);
        assert!(error.use_stderr() && error.exit_code() == 2, "{options:?}");
        assert!(complaint.starts_with("error: ") && complaint.len() > 20 && !complaint.contains('\n'), "{complaint}");
    }
    for allowed in [&["--status", "[::ffff:127.0.0.1]:1"][..], &["--status", "0.0.0.0:1", "--status-public"]] {
        Options::read(["proxy"].iter().chain(&upstream).chain(allowed).map(|option| option.into())).unwrap();
    }
    let error = Options::read(["proxy".into()]).unwrap_err();
    assert!(Options::complaint(&error).contains("--upstream"), "{}", Options::complaint(&error));
}

#[test]
fn the_help_says_what_the_key_does_not_see() {
    let help = Options::read(["proxy".into(), "--help".into()]).unwrap_err();
    assert!(!help.use_stderr());
    for word in ["X-Forwarded-For", "TLS client certificates", "--key-address", "--join-window", "TRACE", "Examples:"] {
        assert!(help.to_string().contains(word), "{word}");
    }
}

/// A word that names a file which is not there is replaced by the name of one that is.
#[test]
fn the_examples_of_the_help_are_accepted() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), [7; 32]).unwrap();
    let help = Options::read(["proxy".into(), "--help".into()]).unwrap_err().to_string();
    let examples = help.lines().map(str::trim).filter(|line| line.starts_with("singleflight-proxy --"));
    let mut parsed = 0;
    for example in examples {
        let words = example.split(' ').map(|word| match word {
            "/run/secret" => secret.path().into(),
            word => word.into(),
        });
        let read = Options::read(words);
        assert!(read.is_ok(), "{example}: {}", read.unwrap_err());
        parsed += 1;
    }
    assert!(parsed >= 7, "only {parsed} examples were found");
}

#[test]
fn the_program_says_in_one_line_what_is_wrong() {
    let program = env!("CARGO_BIN_EXE_singleflight-proxy");
    let output = std::process::Command::new(program).args(["--upstream", "ftp://x"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
}
