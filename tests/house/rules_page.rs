//! Every rule that is cited by its number stands on the page of rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use proc_macro2::{TokenStream, TokenTree};

use crate::files::{below, root};

const PAGE: &str = include_str!("../../docs/http-rules.md");

/// What may cite rules.
const PLACES: [&str; 8] = ["src", "tests", "docs", "examples", "benches", "crates", "README.md", "CHANGELOG.md"];

/// Returns a file of Rust without its string literals, which are samples: that there is a rule of a sample's number is
/// chance. Only what stands in parentheses in one, as in "for nobody else (S28)", is a citation.
fn without_samples(text: &str) -> String {
    fn blank(tokens: TokenStream, text: &str, without: &mut String) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => blank(group.stream(), text, without),
                TokenTree::Literal(literal) => {
                    let range = literal.span().byte_range();
                    let written = &text[range.clone()];
                    // Doc comments are literals too, for the parser.
                    if written.ends_with(['"', '#']) {
                        let cited = written.split('(').skip(1).filter_map(|part| part.split_once(')'));
                        let cited = cited.map(|(cited, _)| cited).collect::<Vec<_>>().join(" ");
                        without.replace_range(range.clone(), &format!("{cited:0$}", range.len()));
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    let mut without = text.to_owned();
    blank(text.parse().unwrap(), text, &mut without);
    without
}

/// Returns the numbers in a text, as `S27` or as in `Rule::S27Field`; those in the names of tests, `s27_..`, if `of_tests`.
fn numbers(text: &str, of_tests: bool) -> BTreeSet<(char, u32)> {
    let mut found = BTreeSet::new();
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    for (at, letter) in text.char_indices().filter(|(_, letter)| "SDFsd".contains(*letter)) {
        let rest = &text[at + 1..];
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, mut behind) = (&rest[..digits], rest[digits..].chars());
        let next = behind.next().unwrap_or(' ');
        let cited = if letter.is_ascii_lowercase() {
            of_tests && next == '_' && text[..at].ends_with("fn ")
        } else {
            let named = next.is_ascii_uppercase() && behind.next().is_some_and(|letter| letter.is_ascii_lowercase());
            !text[..at].ends_with(is_word) && (!is_word(next) || named)
        };
        if let (true, 1..=2, Ok(number)) = (cited, digits.len(), digits.parse()) {
            found.insert((letter.to_ascii_uppercase(), number));
        }
    }
    found
}

/// Returns the numbers that a paragraph of the page begins with.
fn explained() -> Vec<(char, u32)> {
    let paragraphs = PAGE.lines().filter_map(|line| line.strip_prefix("**"));
    paragraphs.flat_map(|line| numbers(line.split([',', '*']).next().unwrap(), false)).collect()
}

#[test]
fn every_number_that_is_cited_is_explained() {
    let mut cited = BTreeMap::new();
    for path in PLACES.iter().flat_map(|place| below(&root().join(place), &["rs", "md"])) {
        let text = fs::read_to_string(&path).unwrap();
        let text = if path.extension().is_some_and(|end| end == "rs") { without_samples(&text) } else { text };
        for number in numbers(&text, true) {
            cited.entry(number).or_insert_with(|| path.clone());
        }
    }
    let explained = explained();
    cited.retain(|number, _| !explained.contains(number));
    assert!(cited.is_empty(), "not on docs/http-rules.md: {cited:?}");
}

#[test]
fn every_rule_is_explained_once() {
    let explained = explained();
    let once: BTreeSet<_> = explained.iter().copied().collect();
    assert_eq!(explained.len(), once.len());
    let all = [('S', 30), ('D', 12), ('F', 8)];
    let all = all.into_iter().flat_map(|(letter, last)| (1..=last).map(move |number| (letter, number)));
    let all: BTreeSet<_> = all.collect();
    assert_eq!(once, all);
}

/// Returns the numbers that the names of a file's tests begin with: those of `s22_d1_who_asks` are two.
fn tried(text: &str) -> BTreeSet<(char, u32)> {
    let is_test =
        |attribute: &syn::Attribute| attribute.path().segments.last().is_some_and(|last| last.ident == "test");
    let tests = syn::parse_file(text).unwrap().items.into_iter().filter_map(|item| match item {
        syn::Item::Fn(test) if test.attrs.iter().any(is_test) => Some(test.sig.ident.to_string()),
        _ => None,
    });
    let number = |part: &str| {
        let letter = part.chars().next().filter(|letter| "sd".contains(*letter))?;
        Some((letter.to_ascii_uppercase(), part[1..].parse().ok()?))
    };
    tests.flat_map(|name| name.split('_').map_while(number).collect::<Vec<_>>()).collect()
}

#[test]
fn every_rule_of_http_is_tried_with_leader_and_follower_in_different_processes() {
    let files = below(&root().join("tests/fleet/rules"), &["rs"]);
    let tried: BTreeSet<_> = files.into_iter().flat_map(|path| tried(&fs::read_to_string(path).unwrap())).collect();
    let (missing, others): (Vec<_>, Vec<_>) = (
        explained().into_iter().filter(|number| number.0 != 'F' && !tried.contains(number)).collect(),
        tried.iter().filter(|number| !explained().contains(number)).collect(),
    );
    assert!(missing.is_empty(), "no test of tests/fleet/rules is named for {missing:?}");
    assert!(others.is_empty(), "tests of no rule: {others:?}");
}

#[test]
fn the_numbers_of_tests_stand_at_the_beginning_of_their_names() {
    let text = "#[tokio::test(start_paused = true)]\nasync fn s22_d1_x_s3() {}\n#[test]\nfn d9_x() {}\nfn s1_x() {}\n";
    assert_eq!(tried(text), [('S', 22), ('D', 1), ('D', 9)].into_iter().collect());
}

#[test]
fn every_name_of_a_rule_is_on_the_page() {
    let source = include_str!("../../src/http/rule.rs");
    let (_, variants) = source.split_once("rules! {").unwrap();
    let (variants, _) = variants.split_once('}').unwrap();
    let names: Vec<_> =
        variants.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|name| !name.contains(' ')).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        assert!(PAGE.contains(&format!("`{name}`")), "{name} is not on docs/http-rules.md");
    }
}

#[test]
fn numbers_are_found_where_they_are_cited_and_nowhere_else() {
    let found = numbers("S27, D3: Rule::S30Http10, `F1` fn s02_x fn d9_y; 0xD4 S918B US12 S123 s1 S4Test_ S5x", true);
    let expected = [('S', 27), ('D', 3), ('S', 30), ('F', 1), ('S', 2), ('D', 9), ('S', 4)];
    assert_eq!(found, expected.into_iter().collect());
}

#[test]
fn a_number_in_a_string_is_a_sample_unless_it_stands_in_parentheses() {
    let text =
        "/// As S1 has it.\nfn s02_x() { f(\"S31\", r#\"é F1\"#, b\"F2\", \"none (see S3; S4)\", 'S'); } // D5 \"D6\"";
    let found = numbers(&without_samples(text), true);
    let expected = [('S', 1), ('S', 2), ('S', 3), ('S', 4), ('D', 5), ('D', 6)];
    assert_eq!(found, expected.into_iter().collect());
}
