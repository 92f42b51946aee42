//! Doc comments have their sections in one order, so that a reader finds each where it is in all others.

use crate::crates::sources;

/// The sections that more than one doc comment has.
const ORDER: [&str; 6] = ["Guarantees", "Cancel safety", "Panics", "Errors", "Trade-offs", "Examples"];

/// Returns the places in the order of the sections of each doc comment in a file, with the line in which that begins.
fn sections(text: &str) -> Vec<(usize, Vec<usize>)> {
    let (mut comments, mut in_comment, mut in_code) = (Vec::new(), false, false);
    for (number, line) in text.lines().enumerate() {
        let Some(doc) = line.trim_start().strip_prefix("///") else {
            in_comment = false;
            continue;
        };
        if !in_comment {
            comments.push((number + 1, Vec::new()));
            (in_comment, in_code) = (true, false);
        }
        let doc = doc.trim();
        in_code ^= doc.starts_with("```");
        let heading = doc.strip_prefix("# ").filter(|_| !in_code);
        let place = heading.and_then(|heading| ORDER.iter().position(|section| *section == heading));
        if let Some((_, places)) = comments.last_mut() {
            places.extend(place);
        }
    }
    comments
}

#[test]
fn sections_of_doc_comments_are_in_order() {
    let disordered = sources().into_iter().flat_map(|(file, text)| {
        let comments = sections(&text).into_iter().filter(|(_, places)| !places.is_sorted());
        comments.map(move |(line, _)| format!("{file}:{line}")).collect::<Vec<_>>()
    });
    let disordered: Vec<_> = disordered.collect();
    assert!(disordered.is_empty(), "not in the order {ORDER:?}: {disordered:?}");
}

#[test]
fn what_stands_in_code_is_no_section() {
    let text = "/// One.\n///\n/// # Panics\n///\n/// # Examples\n///\n/// ```\n/// # Panics\n/// ```\nfn f() {}\n/// # Errors\n";
    assert_eq!(sections(text), [(1, vec![2, 5]), (11, vec![3])]);
}
