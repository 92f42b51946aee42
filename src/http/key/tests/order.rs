//! A key does not depend on the order in which fields come.

use super::plain;

/// Names that end alike, that are short, and that begin or end others.
const FIELDS: [(&str, &str); 9] = [
    ("a-request", "1"),
    ("b-request", "2"),
    ("long-b-request", "3"),
    ("request", "4"),
    ("quest", "5"),
    ("accept", "6"),
    ("accept-language", "7"),
    ("accept-encoding", "8"),
    ("dnt", "9"),
];

/// Each order is read from another line on, forwards or backwards.
fn orders(fields: &[(&'static str, &'static str)]) -> impl Iterator<Item = Vec<(&'static str, &'static str)>> {
    (0..fields.len()).flat_map(|at| {
        let turned: Vec<_> = fields[at..].iter().chain(&fields[..at]).copied().collect();
        let back = turned.iter().rev().copied().collect();
        [turned, back]
    })
}

#[test]
fn s27_fields_may_come_in_any_order() {
    let whole = plain("http://a/x", &FIELDS).expect("a key");
    for order in orders(&FIELDS) {
        assert!(plain("http://a/x", &order) == Some(whole.clone()), "{order:?}");
    }
    for left_out in 0..FIELDS.len() {
        let rest: Vec<_> =
            FIELDS.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, field)| *field).collect();
        assert!(plain("http://a/x", &rest) != Some(whole.clone()), "{rest:?}");
    }
}

#[test]
fn s27_the_lines_of_one_field_are_in_order() {
    let lines =
        |first, second| plain("http://a/x", &[("x-b", first), ("accept", "*/*"), ("x-b", second), ("y-b", "3")]);
    assert!(lines("1", "2") == lines("1", "2"));
    assert!(lines("1", "2") != lines("2", "1"));
    let swapped = plain("http://a/x", &[("y-b", "3"), ("x-b", "1"), ("x-b", "2"), ("accept", "*/*")]);
    assert!(lines("1", "2") == swapped);
}

/// Such names have one rank, and only their whole names put them in order.
#[test]
fn s27_fields_whose_names_all_end_alike_may_come_in_any_order() {
    let fields = &FIELDS[..3];
    let whole = plain("http://a/x", fields).expect("a key");
    for order in orders(fields) {
        assert!(plain("http://a/x", &order) == Some(whole.clone()), "{order:?}");
    }
}

/// More than are kept without an allocation.
#[test]
fn s27_many_fields_may_come_in_any_order() {
    let more = [("x-c-request", "10"), ("x-d-request", "11"), ("x-e", "12"), ("x-f", "13"), ("x-g", "14")];
    let fields: Vec<_> = FIELDS.into_iter().chain(more).collect();
    let whole = plain("http://a/x", &fields).expect("a key");
    for order in orders(&fields) {
        assert!(plain("http://a/x", &order) == Some(whole.clone()), "{order:?}");
    }
}
