//! What to look at, and what lets requests share all the same: the words of the page on troubleshooting.

use std::fmt;

use crate::http::rule::Rule;

/// Writes what a rule has done, with its sentence and what can be done about it.
pub(super) fn write(done: &str, rule: Rule, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{done}, by {rule}. {}", rule.sentence())?;
    let (look_at, remedy) = of(rule);
    writeln!(f, "  Look at {look_at}.")?;
    match remedy {
        Some(remedy) => writeln!(f, "  To share all the same: {remedy}."),
        None => Ok(()),
    }
}

/// Says what to look at where a rule keeps requests from sharing, and what lets them share, if anything does.
const fn of(rule: Rule) -> (&'static str, Option<&'static str>) {
    match rule {
        Rule::S1Method => ("the request's method", Some("`methods([..])`, with `content_key(..)`")),
        Rule::S2Target => (
            "`Host`: there are two, it is malformed, or at odds with the URI",
            Some("mend the client, or what stands before the server"),
        ),
        Rule::S2Inside => {
            ("the service calls a clone of itself", Some("a second layer value for what is called from inside"))
        }
        Rule::S3NoKey => ("what `identity` or `key_fn` returned: `None`", Some("let it find something")),
        Rule::S5Authorization => {
            ("`Authorization`, `Proxy-Authorization`", Some("`per_credential()`; `share_authorized()`"))
        }
        Rule::S6Cookie => (
            "`Cookie`",
            Some(
                "`ignore_cookies_named([..])` for analytics; `key_cookies([..])`; `per_credential()`; `ignore_cookies()`",
            ),
        ),
        Rule::S7Personal => (
            "the answer's `Set-Cookie`, or a field with a token or a session",
            Some("let the handler set none on this route; `strip_set_cookie()`"),
        ),
        Rule::S8CacheControl => (
            "the answer's `Cache-Control` or `CDN-Cache-Control`",
            Some("let the handler not say `private`, `no-store` or `no-cache`"),
        ),
        Rule::S9Vary => {
            ("the answer's `Vary`: `*`, or a field in which the requests differ", Some("let it name fewer fields"))
        }
        Rule::S10Status => {
            ("the answer's status", Some("give it a lifetime (`max-age`), where the page of rules lets that help"))
        }
        Rule::S11Range => ("`Range`, `If-Range`", Some("no way: a part is not the whole")),
        Rule::S12Condition => ("`If-None-Match` and the like", Some("`key_validators()`")),
        Rule::S13CacheControl => {
            ("the request's `Cache-Control`: `no-store`, `only-if-cached`, or not in order", Some("mend the client"))
        }
        Rule::S13Reload => (
            "the request's `Cache-Control: no-cache` or `max-age=0` (a reload), with an older flight under way",
            Some(
                "take `reload_alone()` out: then those that reload share the next run; those with validators need \
                 `key_validators()` too",
            ),
        ),
        Rule::S14Connection => (
            "`Expect`, `Upgrade`, or what `Connection` lists",
            Some("mend the client, or what stands before the server"),
        ),
        Rule::S15Content => ("the request's body: it has, or may have, content", Some("`content_key(max_bytes)`")),
        Rule::S26KeyLength => ("the length of path, query and fields", Some("`max_key_bytes(..)`")),
        Rule::S27Field => (
            "a field that is not plain ASCII, or a `Forwarded` that is not in order",
            Some("`ignore_headers([..])`, if no answer depends on it"),
        ),
        Rule::S28Deadline => (
            "the leader's `grpc-timeout` or `request-timeout`, and an answer that says that time was up",
            Some("no way: it is that caller's own time"),
        ),
        Rule::S29EventStream => {
            ("the answer's type is `text/event-stream`", Some("`Cache-Control: public`; `share_event_streams()`"))
        }
        Rule::S30Http10 => (
            "the request's version is HTTP/1.0, and the answer has no `Content-Length`",
            Some("speak HTTP/1.1 (nginx: `proxy_http_version 1.1;`)"),
        ),
        Rule::S30MethodOverride => ("`X-HTTP-Method-Override` and the like", Some("no way: it may be a write")),
        Rule::D3Remembered => {
            ("the rule of the requests before it", Some("see that rule; `remember_unshareable(..)` sets for how long"))
        }
        Rule::D4Failure => {
            ("the answer failed, and `share_server_errors(false)` is set", Some("`share_server_errors(true)`"))
        }
        Rule::D11Content => ("what `content_if` said", None),
        Rule::Unwanted => ("what `coalesce_if` said", None),
        Rule::LargeBody => {
            ("the answer's `Content-Length`: above the window", Some("`window(bytes)`; `large_bodies(..)`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use http::HeaderMap;

    use super::{of, write};
    use crate::http::{
        policy::{CacheName, Forwarded},
        rule::Rule,
    };

    struct Explained(Rule);

    impl fmt::Display for Explained {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write("The request goes alone", self.0, f)
        }
    }

    #[test]
    fn each_rule_has_the_word_that_cache_status_has() {
        for rule in Rule::ALL {
            let mut headers = HeaderMap::new();
            CacheName::new("here").append(Forwarded::Bypass, Some(rule.name()), &mut headers);
            let said = headers["cache-status"].to_str().unwrap();
            let detail = said.strip_prefix("here; fwd=bypass; detail=").unwrap();
            assert!(detail.chars().all(|letter| letter.is_ascii_alphanumeric()), "no token: {detail}");
            let explained = Explained(*rule).to_string();
            assert!(explained.starts_with(&format!("The request goes alone, by {detail}. ")), "{explained}");
        }
    }

    const PAGE: &str = include_str!("../../../docs/troubleshooting.md");

    #[test]
    fn the_page_says_the_same_of_each_rule() {
        for rule in Rule::ALL {
            let (look_at, remedy) = of(*rule);
            let end = remedy.map_or("|".into(), |remedy| format!("{remedy} |"));
            let row = format!("| `{rule}` | {look_at} | {end}\n");
            assert!(PAGE.contains(&row), "not on docs/troubleshooting.md: {row}");
        }
    }
}
