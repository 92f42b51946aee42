//! Where the fields of an answer lead, which a write fences too.

use std::borrow::Cow;

use crate::http::fence::without_default_port;

/// Returns the path that a reference leads to, if it is of the same authority (RFC 9111, section 4.4; RFC 3986, section
/// 5.2).
pub(super) fn reference<'a>(authority: Option<&[u8]>, base: &str, reference: &'a str) -> Option<Cow<'a, str>> {
    let reference = reference.split('#').next().unwrap_or(reference);
    let rest = match reference.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => Some(rest),
        _ => reference.strip_prefix("//"),
    };
    if let Some(rest) = rest {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        // What stands before the `@` says who asks, and not where.
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        let host = without_default_port(host.as_bytes());
        let same = authority.is_some_and(|authority| without_default_port(authority).eq_ignore_ascii_case(host));
        let path = path.split('?').next().unwrap_or_default();
        return same.then(|| without_dots(path).into());
    }
    let path = reference.split('?').next().unwrap_or_default();
    if path.starts_with('/') {
        Some(without_dots(path).into())
    } else if path.is_empty() {
        None
    } else {
        let folder = base.rfind('/').map_or("/", |end| &base[..=end]);
        Some(without_dots(&format!("{folder}{path}")).into())
    }
}

/// Takes `.` and `..` out of a path (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = segment == "." || segment == "..";
        if segment == ".." {
            kept.pop();
        }
        if !dots {
            kept.push(segment);
        } else if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{reference, without_dots};

    #[test]
    fn references_lose_their_dots() {
        for (path, expected) in
            [("/a/./b", "/a/b"), ("/a/../b", "/b"), ("/a/b/..", "/a/"), ("/..", "/"), ("/a//b", "/a//b"), ("/", "/")]
        {
            assert_eq!(without_dots(path), expected, "{path}");
        }
    }

    #[test]
    fn s21_references_of_the_same_authority_are_fenced_in_every_form() {
        let cases = [
            ("/items/7", Some("/items/7")),
            ("http://a/items/7?x#y", Some("/items/7")),
            ("https://A/items/7", Some("/items/7")),
            ("//a/items/7", Some("/items/7")),
            ("7", Some("/items/7")),
            ("./7", Some("/items/7")),
            ("../items/7", Some("/items/7")),
            ("http://a", Some("/")),
            ("http://a:80/items/7", Some("/items/7")),
            ("http://a:/items/7", Some("/items/7")),
            ("http://a/items/../items/./7", Some("/items/7")),
            ("//a/../items/7", Some("/items/7")),
            ("http://a/items/7/..?x", Some("/items/")),
            ("http://ann:secret@a/items/7", Some("/items/7")),
            ("//ann@A:80/items/7", Some("/items/7")),
            ("http://a@b/items/7", None),
            ("http://a?x", Some("/")),
            ("http://a:8080/items/7", None),
            ("http://b/items/7", None),
            ("//b/items/7", None),
            ("", None),
            ("#part", None),
        ];
        for (text, expected) in cases {
            assert_eq!(reference(Some(b"a"), "/items/", text).as_deref(), expected, "{text}");
        }
    }
}
