//! A flight's stage is changed, and a flight is removed, in one file.

use std::collections::BTreeMap;

use syn::{
    Expr, ExprAssign, ExprMethodCall, ExprReference, ExprStruct, Item, Member, PatStruct, Path,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::{crates::sources, imports::is_for_tests};

/// The file. The stage, and what the table keeps, are private to this file and those below it: elsewhere the compiler sees to it.
const ROOM: &str = "group/lifecycle.rs";

/// What the table of a shard keeps flights in, and the table itself, by the names that they have.
const KEPT_IN: [&str; 4] = ["table", "flights", "index", "entry"];

/// The methods by which something is taken out of a slab or an index.
const REMOVING: [&str; 8] = ["remove", "try_remove", "forget", "find_entry", "retain", "extract_if", "drain", "clear"];

/// Finds where a flight's stage is set, and where a flight is taken out of what keeps it.
#[derive(Default)]
struct Changes {
    lines: Vec<usize>,
}

impl Changes {
    fn at(&mut self, place: &impl Spanned) {
        self.lines.push(place.span().start().line);
    }

    /// Says whether the path is that of a flight, or `Self` in a method of one, and the stage is one of the fields.
    fn is_of_a_flight<'a>(path: &Path, mut fields: impl Iterator<Item = &'a Member>) -> bool {
        let is_flight = path.segments.last().is_some_and(|name| name.ident == "Flight" || name.ident == "Self");
        is_flight && fields.any(is_named_stage)
    }
}

fn is_named_stage(member: &Member) -> bool {
    matches!(member, Member::Named(name) if name == "stage")
}

/// Says whether an expression is a stage, or has one in it, as in `(flight.callers, flight.stage) = ..`.
fn has_stage(place: &Expr) -> bool {
    match place {
        Expr::Field(field) => is_named_stage(&field.member),
        Expr::Tuple(tuple) => tuple.elems.iter().any(has_stage),
        Expr::Array(array) => array.elems.iter().any(has_stage),
        Expr::Struct(fields) => fields.fields.iter().any(|field| has_stage(&field.expr)),
        Expr::Paren(inner) => has_stage(&inner.expr),
        _ => false,
    }
}

/// Says whether flights, or their places in the index, are kept in what this names.
fn keeps_flights(receiver: &Expr) -> bool {
    match receiver {
        Expr::Path(path) => KEPT_IN.iter().any(|name| path.path.is_ident(name)),
        Expr::Field(field) => {
            matches!(&field.member, Member::Named(name) if KEPT_IN.iter().any(|one| name == one))
        }
        Expr::Paren(inner) => keeps_flights(&inner.expr),
        Expr::Reference(inner) => keeps_flights(&inner.expr),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Changes {
    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        if has_stage(&assign.left) {
            self.at(assign);
        }
        visit::visit_expr_assign(self, assign);
    }

    /// As in `mem::replace(&mut flight.stage, ..)`.
    fn visit_expr_reference(&mut self, reference: &'ast ExprReference) {
        if reference.mutability.is_some() && has_stage(&reference.expr) {
            self.at(reference);
        }
        visit::visit_expr_reference(self, reference);
    }

    /// As in `Flight { stage, ..flight }`, which makes another flight of one; a new one names each field.
    fn visit_expr_struct(&mut self, made: &'ast ExprStruct) {
        if made.rest.is_some() && Self::is_of_a_flight(&made.path, made.fields.iter().map(|field| &field.member)) {
            self.at(made);
        }
        visit::visit_expr_struct(self, made);
    }

    /// As in `let Flight { stage, .. } = flight`: what is bound may be written to.
    fn visit_pat_struct(&mut self, taken: &'ast PatStruct) {
        if Self::is_of_a_flight(&taken.path, taken.fields.iter().map(|field| &field.member)) {
            self.at(taken);
        }
        visit::visit_pat_struct(self, taken);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if REMOVING.iter().any(|name| call.method == name) && keeps_flights(&call.receiver) {
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

#[test]
fn a_flight_is_changed_in_one_file() {
    let of_the_group = sources().into_iter().filter(|(file, _)| file.starts_with("group"));
    let places: BTreeMap<_, _> = of_the_group.map(|(file, text)| (file, changes(&text))).collect();
    let places: BTreeMap<_, _> = places.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
    println!("files that assign a stage, or remove a flight: {} {places:?}", places.len());
    assert!(places.keys().eq([ROOM]), "a stage is assigned, or a flight removed, in {places:#?}");
}

#[test]
fn changes_of_flights_are_found() {
    let found = [
        "flight.stage = Stage::Solo",
        "self.table.at(slot).stage = Stage::Solo",
        "(flight.callers, flight.stage) = (1, Stage::Solo)",
        "replace(&mut flight.stage, x)",
        "let made = Flight { stage: Stage::Solo, ..flight }",
        "let Flight { stage, .. } = flight",
        "let gone = table.remove(3)",
        "let gone = self.flights.remove(3)",
        "self.flights.forget(3)",
        "entry.remove()",
        "locked.table.index.retain(f)",
    ];
    let other = [
        "let _ = flight.stage",
        "flight.stage() == Stage::Solo",
        "flight.enter(Stage::Solo)",
        "let made = Flight { stage: Stage::Solo, key }",
        "let Flight { key, .. } = flight",
        "map.remove(3)",
        "table.at(3)",
    ];
    let lines = |code: &[&str]| changes(&format!("fn f() {{\n{};\n}}", code.join(";\n"))).len();
    assert_eq!((lines(&found), lines(&other)), (found.len(), 0));
    assert!(changes("#[cfg(test)]\nmod tests { fn g() { a.stage = b; } }").is_empty());
}
