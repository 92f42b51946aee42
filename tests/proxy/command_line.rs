//! The command line.

use super::*;

#[test]
fn a_bad_option_is_one_line() {
    let upstream = ["--upstream", "http://127.0.0.1:9"];
    let bad: [&[&str]; 16] = [
        &[],
        &["--upstream", "https://127.0.0.1:9"],
        &["--upstream", "127.0.0.1:9"],
        &["--upstream", "http://"],
        &["--upstream", "http://a:99999"],
        &["--upstream", "http://a:"],
        &["--upstream", "http://a/path"],
        &["--upstream", "http://u:p@a"],
        &["--upstream", "http://127.0.0.1:8080"],
        &[upstream[0], upstream[1], "--listen", "nowhere"],
        &[upstream[0], upstream[1], "--timeout", "0"],
        &[upstream[0], upstream[1], "--max-wait", "1.5"],
        &[upstream[0], upstream[1], "--window", "0"],
        &[upstream[0], upstream[1], "--release-limit", "-1"],
        &[upstream[0], upstream[1], "--cache-status", "\u{e9}"],
        &[upstream[0], upstream[1], "--no-such-option"],
    ];
    for options in bad {
        let error = Options::read(std::iter::once(&"proxy").chain(options).map(|option| option.into())).unwrap_err();
        let complaint = Options::complaint(&error);
        assert!(error.use_stderr() && error.exit_code() == 2, "{options:?}");
        assert!(complaint.starts_with("error: ") && complaint.len() > 20 && !complaint.contains('\n'), "{complaint}");
    }
    let error = Options::read(["proxy".into()]).unwrap_err();
    assert!(Options::complaint(&error).contains("--upstream"), "{}", Options::complaint(&error));
}
