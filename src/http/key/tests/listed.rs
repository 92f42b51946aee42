//! S27: all fields count but those of the list, and those only while their values are plain.

use http::{HeaderName, HeaderValue};

use super::{super::excepted::GROUPS, Recipe, Rule, key, no_key, parts, plain, with_content};

/// One name for each of the list, a prefix with something behind it.
fn names() -> impl Iterator<Item = (&'static str, String)> {
    GROUPS.iter().flat_map(|(group, _, names)| {
        names
            .iter()
            .map(|name| (*group, name.strip_suffix('*').map_or((*name).to_owned(), |prefix| format!("{prefix}any"))))
    })
}

/// Values of one and of several kinds of byte: what may stand in a field of the list, whole.
const PLAIN: [&str; 6] = [
    "1",
    "",
    "00-4bf92f3577b34da6-01",
    "Mozilla/5.0 (X11; Linux x86_64; rv:1.0) A/1",
    "a=b;c=d,e:f",
    "-._~:/?#[]@!$&'()*+,;=%",
];

/// One byte of each that may not: what opens a tag, a string, an expansion, a path, or nothing at all.
const ODD: [&str; 9] = ["<", ">", "\"", "{", "}", "\\", "^", "`", "|"];

/// Fields of which some parts count and others do not; each has tests of its own.
const PART_BY_PART: [&str; 5] = ["host", "forwarded", "baggage", "cache-control", "pragma"];

#[test]
fn s27_what_is_on_the_list_does_not_count_over_http_and_grpc() {
    let bare = (plain("/x", &[]), with_content(&Recipe::new(), &parts("/p.S/M", &[]), b"m"));
    for (group, name) in names().filter(|(_, name)| !PART_BY_PART.contains(&&**name)) {
        for value in PLAIN {
            let fields = [(&*name, value)];
            assert_eq!(plain("/x", &fields), bare.0, "{group}: {name}: {value}");
            assert_eq!(
                with_content(&Recipe::new(), &parts("/p.S/M", &fields), b"m"),
                bare.1,
                "{group}: {name}: {value}"
            );
        }
    }
}

#[test]
fn s27_a_field_of_the_list_counts_for_its_odd_value() {
    let bare = plain("/x", &[]);
    for (group, name) in names().filter(|(_, name)| !PART_BY_PART.contains(&&**name)) {
        let settled = group == GROUPS[0].0;
        for odd in ODD {
            let quoted = odd == "\"" && name.starts_with("sec-ch-ua");
            let of = |value: &str| plain("/x", &[(&name, value)]);
            let value = format!("a{odd}b");
            assert_eq!(of(&value) == bare, settled || quoted, "{name}: {value}");
            assert_eq!(of(&value), of(&value));
            assert_eq!(of(&value) == of(&format!("b{odd}a")), settled || quoted, "{name}: {value}");
        }
        let tab = || parts("/x", &[(&name, "a\tb")]);
        assert_eq!(key(&Recipe::new(), &tab()) == bare, settled, "{name}");
        let mut outside = parts("/x", &[]);
        outside.headers.insert(HeaderName::try_from(&name).unwrap(), HeaderValue::from_bytes(b"\x80").unwrap());
        if settled {
            assert_eq!(key(&Recipe::new(), &outside), bare, "{name}");
        } else {
            assert_eq!(no_key(&Recipe::new(), &outside), Rule::S27Field, "{name}");
        }
    }
}

#[test]
fn s27_of_several_lines_only_the_odd_ones_count() {
    let of = |values: &[&str]| plain("/x", &values.iter().map(|value| ("via", *value)).collect::<Vec<_>>());
    assert_eq!(of(&["1.1 a", "1.1 b"]), of(&[]));
    assert_eq!(of(&["1.1 a", "<"]), of(&["<", "1.1 b"]));
    assert_ne!(of(&["<"]), of(&["<", "<"]));
    assert_ne!(of(&["<"]), of(&[]));
}

#[test]
fn s27_whatever_is_not_on_the_list_counts() {
    for name in [
        // Like names of the list, and no members of it: longer, shorter, with `_`, of another prefix.
        "x-b3",
        "x-b33",
        "x-request",
        "x-request-id2",
        "x_request_id",
        "user_agent",
        "x_forwarded_for",
        "x-forwarded",
        "sec-ch-ua-arch",
        "sec-ch-ua-model",
        "elastic-apm",
        "x-datadog",
        "grpc-encoding",
        "x-envoy-original-path",
        "l5d-dst-override",
        // What S27 names as counting.
        "sec-fetch-mode",
        "sec-purpose",
        "dnt",
        "save-data",
        "upgrade-insecure-requests",
        "origin",
        "accept",
        "x-forwarded-host",
        "x-forwarded-proto",
        "content-type",
        // What nobody thought of.
        "x-any",
        "any",
        "_",
    ] {
        for value in ["", "1", "a b"] {
            assert_ne!(plain("/x", &[(name, value)]), plain("/x", &[]), "{name}: {value}");
            assert_ne!(plain("/x", &[(name, value)]), plain("/x", &[(name, "2")]), "{name}: {value}");
            let grpc = |fields: &[(&str, &str)]| with_content(&Recipe::new(), &parts("/p.S/M", fields), b"m");
            assert_ne!(grpc(&[(name, value)]), grpc(&[(name, "2")]), "{name}: {value}");
        }
    }
}

#[test]
fn s27_of_forwarded_host_and_proto_count_and_for_and_by_do_not() {
    let of = |value: &str| plain("/x", &[("forwarded", value)]);
    for same in ["for=1.2.3.4", "by=_secret", "FOR=\"[2001:db8::1]:4711\"; by=x", "for=unknown"] {
        assert_eq!(of(same), of("for=9.9.9.9"), "{same}");
    }
    for other in ["host=a", "proto=https", "for=1;host=a", "Host=\"b\"", "for=1, for=2;host=a"] {
        assert_ne!(of(other), of("for=1"), "{other}");
    }
    for broken in ["for", "host=\"a", "for=1 host=a", "for=1;;;=", "<"] {
        assert_eq!(no_key(&Recipe::new(), &parts("/x", &[("forwarded", broken)])), Rule::S27Field, "{broken}");
    }
}

#[test]
fn s27_of_baggage_all_members_count_but_sentrys_while_they_are_plain() {
    let of = |values: &[&str]| plain("/x", &values.iter().map(|value| ("baggage", *value)).collect::<Vec<_>>());
    for same in
        [&["sentry-trace_id=1"][..], &["sentry-a=1, sentry-b=2"], &["sentry-a=1", " sentry-b=2"], &[""], &[",,"]]
    {
        assert_eq!(of(same), of(&[]), "{same:?}");
    }
    for other in [&["tenant=1"][..], &["sentry-a=1,tenant=1"], &["Sentry-a=1"], &["xsentry-a=1"], &["sentry-a=<"]] {
        assert_ne!(of(other), of(&[]), "{other:?}");
    }
    assert_ne!(of(&["tenant=1"]), of(&["tenant=2"]));
    assert_eq!(of(&["sentry-a=1,tenant=1"]), of(&["tenant=1 , sentry-a=2"]));
}

#[test]
fn s27_the_application_takes_from_the_list_and_adds_to_it() {
    let with = |recipe: &Recipe, name: &str, value| key(recipe, &parts("/x", &[(name, value)]));
    let put_back = Recipe::new().key_header(HeaderName::from_static("x-real-ip"));
    assert_ne!(with(&put_back, "x-real-ip", "1"), with(&put_back, "x-real-ip", "2"));
    let left_out = Recipe::new().ignore_header("X-Own-*").ignore_header("X-Any");
    for name in ["x-own-", "x-own-trace", "x-any"] {
        assert_eq!(with(&left_out, name, "1"), key(&left_out, &parts("/x", &[])), "{name}");
        // The rule of odd values holds for it as for the list.
        assert_ne!(with(&left_out, name, "<"), key(&left_out, &parts("/x", &[])), "{name}");
    }
    for name in ["x-own", "x-anything", "x-other"] {
        assert_ne!(with(&left_out, name, "1"), key(&left_out, &parts("/x", &[])), "{name}");
    }
    // Whoever names a field means that one.
    let both = left_out.key_header(HeaderName::from_static("x-own-tenant"));
    assert_ne!(with(&both, "x-own-tenant", "1"), with(&both, "x-own-tenant", "2"));
    assert_eq!(with(&both, "x-own-trace", "1"), with(&both, "x-own-trace", "2"));
}

#[test]
fn s28_a_key_knows_whether_its_caller_brought_a_deadline() {
    for (name, value, expected) in [
        ("grpc-timeout", "1S", true),
        ("connect-timeout-ms", "1", true),
        ("request-timeout", "1", true),
        ("x-request-deadline", "<", true),
        ("x-timeout", "1", false),
        ("traceparent", "1", false),
    ] {
        assert_eq!(plain("/x", &[(name, value)]).unwrap().has_deadline(), expected, "{name}");
    }
}
