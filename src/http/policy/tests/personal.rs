//! Answers for one caller (S7, S29), and fields of one exchange (S17).

use http::HeaderName;

use super::{ALL, Again, Policy, RequestFacts, Rule, follower_head, judge, response, verdict};

const PERSONAL: [&str; 22] = [
    "Set-Cookie",
    "Set-Cookie2",
    "Mcp-Session-Id",
    "X-CSRF-Token",
    "X-XSRF-Token",
    "CSRF-Token",
    "X-Auth-Token",
    "X-Session-Token",
    "X-Session-Id",
    "Replay-Nonce",
    "DPoP-Nonce",
    "Authentication-Info",
    "Proxy-Authentication-Info",
    "Authorization",
    "Access-Token",
    "X-Access-Token",
    "Refresh-Token",
    "X-Refresh-Token",
    "Secure-Session-Challenge",
    "Secure-Session-Registration",
    "Sec-Session-Challenge",
    "Sec-Session-Registration",
];

#[test]
fn s07_what_hands_out_a_session_a_token_or_a_nonce_is_the_leaders_and_no_second_chance() {
    for name in PERSONAL {
        for name in [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase()] {
            // Whatever the answer is otherwise, also a failure.
            for status in [200, 204, 301, 401, 404, 429, 500, 503] {
                for fields in [&[(&*name, "x")][..], &[(&*name, "")], &[("cache-control", "public"), (&*name, "x")]] {
                    let judged = judge(&Policy::default(), RequestFacts::default(), &response(status, fields));
                    assert_eq!(judged, (Err(Rule::S7Personal), Again::Never), "{status} {fields:?}");
                }
            }
        }
    }
    for name in ["x-session", "session-id", "csrf", "x-token", "etag", "www-authenticate"] {
        assert_eq!(verdict(200, &[(name, "x")]), ALL, "{name}");
    }
}

#[test]
fn s07_the_application_adds_to_the_list_and_strips_cookies_only() {
    let policy =
        Policy { kept: vec![HeaderName::from_static("x-own-token")], strip_set_cookie: true, ..Policy::default() };
    let of = |name| judge(&policy, RequestFacts::default(), &response(200, &[(name, "x")]));
    assert_eq!(of("x-own-token"), (Err(Rule::S7Personal), Again::Never));
    assert_eq!(of("mcp-session-id"), (Err(Rule::S7Personal), Again::Never));
    assert_eq!((of("set-cookie").0, of("set-cookie2").0), (ALL, ALL));
}

#[test]
fn s29_event_streams_are_shared_with_a_lifetime_or_public() {
    for value in ["text/event-stream", "Text/Event-Stream; charset=utf-8", " text/event-stream;x"] {
        let stream = ("content-type", value);
        for fields in [
            &[stream][..],
            &[stream, ("cache-control", "max-age=0")],
            &[stream, ("cache-control", "max-age=x")],
            &[stream, ("cache-control", "s-maxage=0, max-age=60")],
            &[stream, ("cache-control", "must-revalidate")],
            &[stream, ("cache-control", "public=x")],
            &[stream, ("expires", "0")],
            &[stream, ("expires", "Thu, 19 Nov 1981 08:52:00 GMT")],
            &[stream, ("cdn-cache-control", "max-age=60")],
        ] {
            assert_eq!(verdict(200, fields), Err(Rule::S29EventStream), "{fields:?}");
        }
        for fields in [
            &[stream, ("cache-control", "max-age=1")][..],
            &[stream, ("cache-control", "s-maxage=1")],
            &[stream, ("cache-control", "public")],
            &[stream, ("cache-control", "public, max-age=0")],
            &[stream, ("date", "Mon, 23 Nov 2026 12:00:00 GMT"), ("expires", "Mon, 23 Nov 2026 12:00:01 GMT")],
        ] {
            assert_eq!(verdict(200, fields), ALL, "{fields:?}");
        }
        assert_eq!(verdict(200, &[stream, ("cache-control", "no-cache")]), Err(Rule::S8CacheControl));
    }
    let sharing = Policy { share_event_streams: true, ..Policy::default() };
    let stream = response(200, &[("content-type", "text/event-stream")]);
    assert_eq!(judge(&sharing, RequestFacts::default(), &stream).0, ALL);
    for value in ["text/event-streams", "application/json", "text/plain; x=text/event-stream"] {
        assert_eq!(verdict(200, &[("content-type", value)]), ALL, "{value}");
    }
}

#[test]
fn s17_followers_get_no_field_that_names_one_exchange() {
    for name in [
        "X-Request-Id",
        "Request-Id",
        "X-Correlation-Id",
        "X-Trace-Id",
        "Traceparent",
        "Traceresponse",
        "DD-Trace-Id",
        "X-Datadog-Trace-Id",
        "X-B3-TraceId",
        "B3",
        "X-Amzn-RequestId",
        "X-Amzn-Trace-Id",
        "CF-Ray",
        "Fly-Request-Id",
        "X-Vercel-Id",
        "X-Azure-Ref",
        "X-Cloud-Trace-Context",
    ] {
        let mut head = response(200, &[(name, "1"), (name, "2"), ("etag", "\"1\"")]);
        // It does not keep an answer from being shared.
        assert_eq!(judge(&Policy::default(), RequestFacts::default(), &head).0, ALL, "{name}");
        follower_head(&mut head, &[]);
        assert_eq!(head.headers, response(200, &[("etag", "\"1\"")]).headers, "{name}");
    }
}
