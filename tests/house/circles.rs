//! Imports run downwards only: no file takes names from one that takes names from it, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    crates::{self, Crate, sources},
    imports::{Arrows, arrows},
};

/// Says of each arrow that closes a circle, as one goes down from the root, which circle that is.
fn circles(arrows: &Arrows, root: &str) -> Vec<String> {
    let mut walk = Walk { arrows, way: Vec::new(), done: BTreeSet::new(), circles: Vec::new() };
    arrows.keys().filter(|file| *file == root).chain(arrows.keys()).for_each(|file| walk.down(file));
    walk.circles
}

struct Walk<'a> {
    arrows: &'a Arrows,
    /// The files from the first to the one it is at.
    way: Vec<&'a str>,
    done: BTreeSet<&'a str>,
    circles: Vec<String>,
}

impl<'a> Walk<'a> {
    fn down(&mut self, file: &'a str) {
        if self.done.contains(file) {
            return;
        }
        self.way.push(file);
        for (to, seen) in self.arrows.get(file).unwrap_or(&BTreeMap::new()) {
            let to: &'a str = self.arrows.get_key_value(to).map_or("", |(to, _)| to);
            match self.way.iter().position(|above| *above == to) {
                Some(at) => {
                    let circle = self.way[at..].join(" → ");
                    self.circles.push(format!("{file}:{}: `{}` closes {circle} → {to}", seen.line, seen.path));
                }
                None => self.down(to),
            }
        }
        self.way.pop();
        self.done.insert(file);
    }
}

/// The files that lie on a circle, each group that hangs together by itself.
fn knots(arrows: &Arrows) -> Vec<BTreeSet<&str>> {
    let reach = |from: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(file) = next.pop() {
            for to in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
                if seen.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = arrows.keys().map(|file| (file.as_str(), reach(file))).collect();
    let knots = reached.iter().filter(|(file, reached)| reached.contains(*file)).map(|(file, below)| {
        below.iter().filter(|other| reached.get(*other).is_some_and(|back| back.contains(file))).copied().collect()
    });
    knots.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn no_import_closes_a_circle() {
    for Crate { directory, root, sources } in crates::all() {
        let arrows = arrows(&sources, root);
        let (circles, knots) = (circles(&arrows, root), knots(&arrows));
        assert!(circles.is_empty(), "below {directory}:\n{}\non circles: {knots:#?}", circles.join("\n"));
    }
}

/// A member that is not found could have any circle.
#[test]
fn the_crates_of_all_members_are_found() {
    let found: Vec<_> = crates::all().iter().map(|one| format!("{}/{}", one.directory, one.root)).collect();
    let some = ["src/lib.rs", "benches/http/src/main.rs", "crates/proxy/src/lib.rs", "crates/proxy/src/main.rs"];
    assert!(some.iter().all(|one| found.iter().any(|found| found == one)), "{found:?}");
}

#[test]
fn the_arrows_of_this_crate_are_found() {
    let arrows = arrows(&sources(), "lib.rs");
    let all: usize = arrows.values().map(BTreeMap::len).sum();
    assert!(all > 100 && arrows["layer.rs"].contains_key("limits.rs"), "{arrows:#?}");
}

fn sample(files: &[(&str, &str)]) -> Arrows {
    arrows(&files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect(), "lib.rs")
}

/// Also: a private `use` that a child sees, a glob, a name in a macro, a path in an expression, `self` in braces.
#[test]
fn a_name_that_is_passed_on_is_its_definers() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; pub use a::Inner;"),
        ("a.rs", "mod inner; pub use self::inner::Inner; use crate::c::{self, *}; fn f(_: Inner) { c::g() }"),
        ("a/inner.rs", "pub struct Inner; fn f() { super::c::g(); }"),
        ("b.rs", "use crate::Inner; fn f(_: Inner) { assert!(crate::a::inner::X == 1) }"),
        ("c.rs", "pub fn g() {}"),
    ];
    let arrows = sample(&files);
    let to = |file: &str| arrows[file].keys().map(String::as_str).collect::<Vec<_>>();
    assert!(to("lib.rs").is_empty(), "passing on takes nothing");
    assert_eq!(to("a.rs"), ["a/inner.rs", "c.rs"]);
    assert_eq!(to("a/inner.rs"), ["c.rs"]);
    assert_eq!(to("b.rs"), ["a/inner.rs"]);
    assert!(circles(&arrows, "lib.rs").is_empty());
}

#[test]
fn the_arrow_that_closes_a_circle_is_named() {
    let files = [
        ("lib.rs", "mod a; mod b;\nuse a::A;"),
        ("a.rs", "use crate::b;\npub struct A(b::B);"),
        ("b.rs", "\n\npub struct B(Option<Box<super::A>>);"),
    ];
    let arrows = sample(&files);
    assert_eq!(circles(&arrows, "lib.rs"), ["b.rs:3: `super::A` closes a.rs → b.rs → a.rs"]);
    assert_eq!(knots(&arrows), [BTreeSet::from(["a.rs", "b.rs"])]);
}

#[test]
fn tests_and_other_crates_are_no_arrows() {
    let files = [
        ("lib.rs", "mod http; #[cfg(test)] mod tests; #[cfg(test)] use http::Request;"),
        (
            "http.rs",
            "mod body; use ::http::Uri; use http::body::Body; use std::body; #[cfg(test)] fn f(_: body::Body) {}",
        ),
        ("http/body.rs", "pub struct Body; #[cfg(test)] mod tests { use super::super::http::X; use crate::Y; }"),
    ];
    assert!(sample(&files).values().all(BTreeMap::is_empty), "{:#?}", sample(&files));
}
