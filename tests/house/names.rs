//! One word, one thing: what a type's name tells whoever meets it.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Ident, Item, ItemMod, Visibility};

use crate::{
    crates::sources,
    imports::{Sources, is_for_tests},
};

/// A type, a trait or an alias, where it is defined.
#[derive(Debug)]
struct Defined {
    name: String,
    file: String,
    line: usize,
    reach: Reach,
}

/// Who can name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Everybody: the compiler sees to it that `pub` means this.
    Public,
    /// Other files of the crate.
    Crate,
    /// Its own module.
    Module,
}

impl Reach {
    fn of(visibility: &Visibility) -> Self {
        match visibility {
            Visibility::Public(_) => Self::Public,
            Visibility::Restricted(_) => Self::Crate,
            Visibility::Inherited => Self::Module,
        }
    }
}

/// Says whether an attribute is `#[cfg(not(..))]`: what stands in for something where a feature is off has its name.
fn is_stand_in(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::MetaList>().is_ok_and(|condition| condition.path.is_ident("not"))
}

/// Returns the attributes, the name and the visibility of what defines a type.
fn definition(item: &Item) -> Option<(&[Attribute], &Ident, &Visibility)> {
    Some(match item {
        Item::Enum(item) => (&item.attrs, &item.ident, &item.vis),
        Item::Struct(item) => (&item.attrs, &item.ident, &item.vis),
        Item::Trait(item) => (&item.attrs, &item.ident, &item.vis),
        Item::Type(item) => (&item.attrs, &item.ident, &item.vis),
        Item::Union(item) => (&item.attrs, &item.ident, &item.vis),
        _ => return None,
    })
}

fn collect(file: &str, items: &[Item], all: &mut Vec<Defined>) {
    let is_left_out = |attributes: &[Attribute]| attributes.iter().any(|one| is_for_tests(one) || is_stand_in(one));
    for item in items {
        if let Item::Mod(ItemMod { attrs, content: Some((_, items)), .. }) = item {
            if !is_left_out(attrs) {
                collect(file, items, all);
            }
        }
        let Some((_, name, visibility)) = definition(item).filter(|(attributes, ..)| !is_left_out(attributes)) else {
            continue;
        };
        let (name, line, reach) = (name.to_string(), name.span().start().line, Reach::of(visibility));
        all.push(Defined { name, file: file.to_owned(), line, reach });
    }
}

fn definitions(sources: &Sources) -> Vec<Defined> {
    let mut all = Vec::new();
    let of_tests = |file: &str| file.ends_with("/tests.rs") || file.contains("/tests/");
    for (file, text) in sources.iter().filter(|(file, _)| !of_tests(file)) {
        collect(file, &syn::parse_file(text).unwrap().items, &mut all);
    }
    all
}

/// Returns the room of a file: what lies in one folder, with the file that is called as the folder is. `http` is a house of
/// rooms: its folders are rooms of their own, and its other files are one.
fn room<'a>(file: &'a str, rooms: &BTreeSet<String>) -> &'a str {
    let stem = file.trim_end_matches(".rs");
    let ends = stem.match_indices('/').map(|(at, _)| &stem[..at]).chain([stem]);
    let depth = if stem.starts_with("http/") { 2 } else { 1 };
    ends.take(depth).filter(|one| rooms.contains(*one)).last().unwrap_or("")
}

/// Says of each private definition that has the name of a public one, and of each that has the name of another one in its
/// room, which these are. What only its own module can name is met in one file, where another of that name does no harm.
fn doubles(sources: &Sources) -> Vec<String> {
    let all = definitions(sources);
    let folders: BTreeSet<String> =
        sources.keys().flat_map(|file| file.match_indices('/').map(|(at, _)| file[..at].to_owned())).collect();
    let mut rooms: BTreeMap<_, Vec<&Defined>> = BTreeMap::new();
    for one in all.iter().filter(|one| one.reach != Reach::Module) {
        rooms.entry((room(&one.file, &folders), one.name.as_str())).or_default().push(one);
    }
    let public = |name: &str| all.iter().find(|one| one.name == name && one.reach == Reach::Public);
    let like_public = all.iter().filter(|one| one.reach != Reach::Public).filter_map(|one| {
        let public = public(&one.name)?;
        Some(format!("{}:{}: `{}` is public in {}", one.file, one.line, one.name, public.file))
    });
    let twice = rooms.iter().filter(|(_, found)| found.len() > 1).map(|((room, name), found)| {
        let places: Vec<_> = found.iter().map(|one| format!("{}:{}", one.file, one.line)).collect();
        format!("`{name}` is defined twice in {room}: {}", places.join(", "))
    });
    like_public.chain(twice).collect()
}

#[test]
fn one_name_is_one_type() {
    let found = doubles(&sources());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn names_that_mean_two_things_are_found() {
    let files = [
        ("lib.rs", "pub struct Call; struct State; #[cfg(not(feature = \"x\"))] mod off { pub(crate) struct Seam; }"),
        ("group.rs", "pub(crate) struct Seam; struct State; pub(crate) trait Kind {}"),
        ("group/a.rs", "pub(super) enum Kind {} struct State; #[cfg(test)] struct Call;"),
        ("http/b.rs", "type Call = u8; pub(super) struct Kind; pub(super) struct Place;"),
        ("http/c.rs", "pub(super) enum Place {}"),
        ("http/d/e.rs", "pub(super) enum Place {}"),
        ("http/d/tests.rs", "pub(super) enum Place {} pub(super) enum Call {}"),
    ];
    let found = doubles(&files.map(|(file, text)| (file.to_owned(), text.to_owned())).into());
    let expected = [
        "http/b.rs:1: `Call` is public in lib.rs",
        "`Kind` is defined twice in group: group.rs:1, group/a.rs:1",
        "`Place` is defined twice in http: http/b.rs:1, http/c.rs:1",
    ];
    assert_eq!(found, expected);
}
