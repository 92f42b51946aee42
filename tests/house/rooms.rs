//! Every room is small.

use std::fs;

use syn::{Item, spanned::Spanned};

use crate::{crates::sources, files::root, imports::is_for_tests};

/// How many lines the longest file has, without its tests, and the one in the middle.
const LONGEST: usize = 300;
const MEDIAN: usize = 130;

/// Returns how many lines a file has that are not of a module of tests.
fn length(text: &str) -> usize {
    let tests = syn::parse_file(text).unwrap().items.into_iter().filter_map(|item| match item {
        Item::Mod(module) if module.content.is_some() && module.attrs.iter().any(is_for_tests) => Some(module),
        _ => None,
    });
    let lines = tests.map(|module| module.span().end().line + 1 - module.span().start().line);
    text.lines().count() - lines.sum::<usize>()
}

#[test]
fn no_file_is_long() {
    let of_tests = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    let lengths = sources().into_iter().filter(|(file, _)| !of_tests(file)).map(|(file, text)| (length(&text), file));
    let mut lengths: Vec<_> = lengths.collect();
    lengths.sort_unstable();
    let longer: Vec<_> = lengths.iter().filter(|(lines, _)| *lines > LONGEST).collect();
    assert!(longer.is_empty(), "more than {LONGEST} lines: {longer:?}");
    let (median, file) = &lengths[lengths.len() / 2];
    assert!(*median <= MEDIAN, "half of the files have {median} lines or more, such as {file}");
}

/// People copy from it.
#[test]
fn the_example_of_a_reverse_proxy_is_short() {
    let text = fs::read_to_string(root().join("examples/reverse_proxy.rs")).unwrap();
    assert!(text.lines().count() <= 100, "{} lines", text.lines().count());
}

#[test]
fn lines_of_tests_are_not_counted() {
    let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() {}\n}\n";
    assert_eq!(length(text), 1);
}
