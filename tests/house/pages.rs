//! The pages of the documentation name what there is, and all of it.

use std::{collections::BTreeSet, fs};

use base64::{Engine, prelude::BASE64_STANDARD};
use syn::{ImplItem, Item, Type, Visibility};

use crate::files::{below, root};

const README: &str = include_str!("../../README.md");
const GUIDE: &str = include_str!("../../src/guide.rs");
const RECIPES: &str = include_str!("../../docs/recipes.md");
const TROUBLESHOOTING: &str = include_str!("../../docs/troubleshooting.md");
const ARCHITECTURE: &str = include_str!("../../docs/architecture.md");

#[test]
fn the_readme_is_short() {
    let words = README.split_whitespace().count();
    assert!(words < 900, "{words} words");
}

#[test]
fn every_page_is_in_the_guide() {
    for page in below(&root().join("docs"), &["md"]) {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(GUIDE.contains(&format!("\"../docs/{name}\"")), "{name} is not in src/guide.rs");
    }
}

#[test]
fn the_picture_of_the_live_page_is_small_and_is_the_one_that_is_embedded() {
    let read = |name| fs::read(root().join("docs").join(name)).unwrap();
    let (picture, embedded) = (read("status.png"), read("status.png.base64"));
    assert!(picture.len() < 150_000, "{} bytes", picture.len());
    let embedded = BASE64_STANDARD.decode(embedded).unwrap();
    assert!(embedded == picture, "`cargo run -p browser-tests` makes both");
}

#[test]
fn every_page_that_the_readme_links_to_is_there() {
    for link in README.split("tower_singleflight/guide/").skip(1) {
        let page = link.split(['/', ')']).next().unwrap();
        let found = GUIDE.contains(&format!("pub mod {page} ")) || GUIDE.contains(&format!("::{page};"));
        assert!(found || page == "index.html", "there is no page {page}");
    }
}

/// Returns the names of the layer's settings.
fn settings() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in below(&root().join("src/http"), &["rs"]) {
        for item in syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap().items {
            let Item::Impl(block) = item else { continue };
            let of_the_layer = matches!(&*block.self_ty, Type::Path(path)
                if path.path.segments.last().is_some_and(|name| name.ident == "HttpSingleflightLayer"));
            if !of_the_layer || block.trait_.is_some() {
                continue;
            }
            found.extend(block.items.iter().filter_map(|item| match item {
                ImplItem::Fn(function) if matches!(function.vis, Visibility::Public(_)) => {
                    Some(function.sig.ident.to_string())
                }
                _ => None,
            }));
        }
    }
    found.remove("new");
    found
}

#[test]
fn every_setting_of_the_http_layer_is_listed() {
    let (_, list) = RECIPES.split_once("# Each setting of the HTTP layer").unwrap();
    let settings = settings();
    assert!(settings.len() > 30, "{settings:?}");
    for setting in settings {
        let listed = list.contains(&format!("`{setting}(")) || list.contains(&format!("`{setting}::<"));
        assert!(listed, "{setting} is not in docs/recipes.md");
    }
}

#[test]
fn every_rule_says_what_to_look_at() {
    let source = include_str!("../../src/http/rule.rs");
    let (_, variants) = source.split_once("rules! {").unwrap();
    let (variants, _) = variants.split_once('}').unwrap();
    let names = variants.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|name| !name.contains(' '));
    for name in names {
        assert!(TROUBLESHOOTING.contains(&format!("\n| `{name}` |")), "{name} is not in docs/troubleshooting.md");
    }
}

#[test]
fn every_file_that_the_architecture_names_is_there() {
    let named: Vec<_> = ARCHITECTURE
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| ["src/", "tests/", "docs/"].iter().any(|place| text.starts_with(place)))
        .collect();
    assert!(!named.is_empty());
    for path in named {
        assert!(root().join(path).exists(), "{path} is not there");
    }
}

/// Returns what the pages and the README have between backticks.
fn quoted() -> BTreeSet<String> {
    let mut pages = below(&root().join("docs"), &["md"]);
    pages.push(root().join("README.md"));
    let texts = pages.into_iter().map(|page| fs::read_to_string(page).unwrap());
    texts.flat_map(|text| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn every_example_that_a_page_names_is_there() {
    let quoted = quoted();
    let paths: Vec<_> = quoted.iter().filter(|text| text.starts_with("examples/")).collect();
    assert!(paths.len() > 3, "{paths:?}");
    for path in paths {
        assert!(root().join(path).exists(), "{path} is not there");
    }
}

#[test]
fn every_program_of_the_recipes_is_on_their_page_and_runs_in_ci() {
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let (_, runs) = ci.split_once("for recipe in ").unwrap();
    let (runs, _) = runs.split_once(';').unwrap();
    let runs: BTreeSet<_> = runs.split(' ').map(str::to_owned).collect();
    let programs = below(&root().join("examples/recipes/src/bin"), &["rs"]);
    let programs: BTreeSet<_> =
        programs.iter().map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(programs, runs);
    for program in programs {
        assert!(RECIPES.contains(&format!("-p recipes --bin {program}`")), "{program} is not in docs/recipes.md");
    }
}

#[test]
fn every_example_of_the_pages_runs_on_one_thread() {
    let mut files = below(&root().join("docs"), &["md"]);
    files.extend(below(&root().join("src"), &["rs"]));
    for file in files {
        // On two threads a run may end before all who are to join it have called.
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("# #[tokio::main]"), "{} wants `flavor = \"current_thread\"`", file.display());
    }
}
