//! Every room is small, and a flight's life is changed in one of them.

use std::collections::BTreeMap;

use syn::{
    Expr, ExprAssign, ExprMethodCall, ExprReference, Item, Member,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{crates::sources, imports::is_for_tests};

/// How many lines the longest file has, without its tests, and the one in the middle.
const LONGEST: usize = 300;
const MEDIAN: usize = 130;

/// Finds where a flight's stage is set, and where a flight is taken off the table.
#[derive(Default)]
struct Changes {
    lines: Vec<usize>,
}

impl Changes {
    fn at(&mut self, place: &impl Spanned) {
        self.lines.push(place.span().start().line);
    }
}

fn is_stage(place: &Expr) -> bool {
    matches!(place, Expr::Field(field) if matches!(&field.member, Member::Named(name) if name == "stage"))
}

impl<'ast> Visit<'ast> for Changes {
    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        if is_stage(&assign.left) {
            self.at(assign);
        }
        visit::visit_expr_assign(self, assign);
    }

    /// As in `mem::replace(&mut flight.stage, ..)`.
    fn visit_expr_reference(&mut self, reference: &'ast ExprReference) {
        if reference.mutability.is_some() && is_stage(&reference.expr) {
            self.at(reference);
        }
        visit::visit_expr_reference(self, reference);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let of_the_table = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("table"))
            || matches!(&*call.receiver, Expr::Field(field) if matches!(&field.member, Member::Named(name) if name == "table"));
        if call.method == "remove" && of_the_table {
            self.at(call);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(module) if module.attrs.iter().any(is_for_tests)) {
            visit::visit_item(self, item);
        }
    }
}

fn changes(text: &str) -> Vec<usize> {
    let mut changes = Changes::default();
    changes.visit_file(&syn::parse_file(text).unwrap());
    changes.lines
}

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
fn a_flight_is_changed_in_one_room() {
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| file.starts_with("group")) {
        let lines = changes(&text);
        if !lines.is_empty() {
            places.insert(file, lines);
        }
    }
    let in_the_room = |file: &String| file == "group/lifecycle.rs" || file.starts_with("group/lifecycle/");
    assert!(places.keys().all(in_the_room), "a stage is assigned, or a flight removed, in {places:#?}");
    assert!(places.contains_key("group/lifecycle.rs"), "nothing is found in {places:#?}");
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

#[test]
fn changes_are_found_and_tests_are_not_counted() {
    let text = "fn f() {\n flight.stage = Stage::Solo;\n let _ = flight.stage;\n replace(&mut flight.stage, x);\n \
                let gone = table.remove(3);\n map.remove(3);\n}\n#[cfg(test)]\nmod tests {\n fn g() { a.stage = b; }\n}\n";
    assert_eq!(changes(text), [2, 4, 5]);
    assert_eq!(length(text), 7);
}
