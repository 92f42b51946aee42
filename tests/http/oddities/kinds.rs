//! The odd requests, by what is odd about them, and what the origin makes of each.

use http::{HeaderValue, Request, Version};

use crate::{
    fields::COUNTED,
    origin::{RequestBody, get, get_with},
};

/// What the origin makes of the odd request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gets {
    /// What anybody gets.
    TheSame,
    /// An answer of its own, which shows what was asked.
    Its,
    Status(u16),
    /// An answer of its own that names the field in `Vary`.
    Varying(&'static str),
    Fault,
    /// What anybody gets, in a body of unknown length.
    Unannounced,
}

pub(super) struct Odd {
    pub(super) what: String,
    pub(super) request: Box<dyn Fn() -> Request<RequestBody>>,
    pub(super) gets: Gets,
}

pub(super) fn odd(gets: Gets, name: &str, value: &str) -> Odd {
    let (name, value) = (name.to_owned(), value.to_owned());
    let what = format!("{name}: {value}");
    Odd { what, request: Box::new(move || get_with("/x", &[(&name, &value)])), gets }
}

fn made(what: &str, gets: Gets, request: impl Fn() -> Request<RequestBody> + 'static) -> Odd {
    Odd { what: what.to_owned(), request: Box::new(request), gets }
}

/// Fields of the list that a caller may fill with what an origin dislikes.
const BLAMED: [&str; 6] = ["user-agent", "referer", "x-forwarded-for", "x-real-ip", "tracestate", "via"];

pub(super) const DEADLINES: [&str; 8] = [
    "grpc-timeout",
    "connect-timeout-ms",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-expected-rq-timeout-ms",
    "request-timeout",
    "x-request-timeout",
    "x-request-deadline",
];

pub(super) fn connections() -> Vec<Odd> {
    let listed = [
        "accept",
        "accept-encoding",
        "authorization",
        "cookie",
        "host",
        "x-user-id",
        "x-tenant",
        "x-forwarded-for",
        "x-forwarded-host",
        "content-length",
        "transfer-encoding",
        "range",
        "origin",
        "user-agent",
        "cache-control",
        "x-any",
        "close, x-any",
        "keep-alive, Upgrade, x-any",
        "http2-settings",
        "\"close\"",
        "a b",
        "*",
    ];
    let mut odd: Vec<_> = listed.iter().map(|value| self::odd(Gets::Its, "connection", value)).collect();
    for value in ["close", "keep-alive", "TE", "Upgrade", "close, close", ","] {
        odd.push(self::odd(Gets::TheSame, "connection", value));
    }
    for value in ["websocket", "h2c, websocket", "TLS/1.0", "", "foo/2"] {
        odd.push(self::odd(Gets::Its, "upgrade", value));
    }
    odd.push(self::odd(Gets::TheSame, "upgrade", "h2c"));
    odd.push(self::odd(Gets::Status(417), "expect", "200-ok"));
    odd
}

pub(super) fn overrides() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
        for name in [name.to_owned(), name.replace('-', "_"), name.to_ascii_uppercase(), name.replacen('-', "_", 1)] {
            for (method, gets) in [("DELETE", Gets::Its), ("PUT", Gets::Status(405)), ("<", Gets::Status(400))] {
                odd.push(self::odd(gets, &name, method));
            }
        }
    }
    for (name, value) in [
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-original-uri", "/admin"),
        ("x-forwarded-path", "/admin"),
        ("x-host", "evil"),
        ("x-original-host", "evil"),
        ("x-forwarded-server", "evil"),
        ("x-forwarded-scheme", "nothttps"),
        ("x-forwarded-proto", "ftp"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-ssl", "off"),
        ("x-url-scheme", "ftp"),
        ("front-end-https", "off"),
        ("x-http-destinationurl", "http://evil"),
        ("x-middleware-subrequest", "middleware"),
        ("x-middleware-prefetch", "1"),
        ("x-invoke-status", "500"),
        ("x-timer", "S1"),
        ("x-wap-profile", "http://evil"),
        ("forwarded", "host=evil"),
        ("forwarded", "host=evil;proto=ftp, for=a"),
        ("forwarded", "host=\"evil"),
        ("soapaction", "x"),
        ("translate", "f"),
        ("depth", "1"),
    ] {
        odd.push(self::odd(Gets::Its, name, value));
    }
    odd
}

pub(super) fn malformed() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in
        ["user-agent", "referer", "x-request-id", "x-forwarded-for", "traceparent", "sec-ch-ua", "via", "priority"]
    {
        for value in ["<script>", "${jndi:ldap}", "a\\b", "{}", "a|b", "a\tb", "`id`"] {
            odd.push(self::odd(Gets::Its, name, value));
        }
        odd.push(self::odd(Gets::TheSame, name, ""));
        let bytes = move || {
            let mut request = get("/x");
            request.headers_mut().insert(name, HeaderValue::from_bytes(b"\xc3\x28").unwrap());
            request
        };
        odd.push(made(&format!("{name}: no ASCII"), Gets::Its, bytes));
    }
    for (name, value) in [
        ("accept", ";;;"),
        ("accept-encoding", "gzip;q=x"),
        ("content-type", "text"),
        ("content-encoding", "x"),
        ("cache-control", "a b"),
        ("cache-control", "no-store"),
        ("range", "bytes=x"),
        ("if-none-match", "x"),
        ("if-modified-since", "x"),
        ("if-match", "x"),
        ("authorization", "x"),
        ("proxy-authorization", "x"),
        ("cookie", "a"),
        ("cookie", ""),
        ("host", "a b"),
        ("host", ""),
        ("host", "evil"),
        ("content-length", "1"),
        ("content-length", "x"),
        ("transfer-encoding", "x"),
        ("baggage", "tenant=1"),
        ("baggage", "sentry-a=<"),
    ] {
        odd.push(self::odd(Gets::Its, name, value));
    }
    // Others may have the answer that a reload leads to (S13): it says how fresh, not what.
    for (name, value) in [("cache-control", "no-cache"), ("cache-control", "max-age=x"), ("pragma", "no-cache")] {
        odd.push(self::odd(Gets::TheSame, name, value));
    }
    odd
}

pub(super) fn blamed() -> Vec<Odd> {
    let mut odd = Vec::new();
    for name in BLAMED {
        for code in [400, 401, 403, 407, 408, 412, 413, 414, 415, 417, 421, 425, 428, 429, 431, 500, 502, 503, 504] {
            odd.push(self::odd(Gets::Status(code), name, "sqlmap/1.7"));
        }
        odd.push(self::odd(Gets::Fault, name, "sqlmap/1.7"));
        odd.push(self::odd(Gets::Varying(name), name, "sqlmap/1.7"));
    }
    for name in DEADLINES {
        for code in [408, 499, 504] {
            odd.push(self::odd(Gets::Status(code), name, "1"));
        }
        odd.push(self::odd(Gets::Fault, name, "1"));
        odd.push(self::odd(Gets::TheSame, name, "1"));
    }
    odd
}

pub(super) fn by_other_means() -> Vec<Odd> {
    let versioned = |version| {
        move || {
            let mut request = get("/x");
            *request.version_mut() = version;
            request
        }
    };
    let method = |method: &'static str| move || crate::origin::request(method, "/x", &[]);
    let mut odd = vec![
        made("HTTP/1.0", Gets::TheSame, versioned(Version::HTTP_10)),
        made("HTTP/1.0, unknown length", Gets::Unannounced, versioned(Version::HTTP_10)),
        made("HTTP/1.0, refused", Gets::Status(426), versioned(Version::HTTP_10)),
        made("HTTP/1.0, not supported", Gets::Status(505), versioned(Version::HTTP_10)),
        made("HTTP/0.9", Gets::Unannounced, versioned(Version::HTTP_09)),
        made("HTTP/2", Gets::TheSame, versioned(Version::HTTP_2)),
        made("HTTP/1.1, unknown length", Gets::Unannounced, versioned(Version::HTTP_11)),
        made("300 fields", Gets::Status(431), || {
            let mut request = get("/x");
            for i in 0..300 {
                request
                    .headers_mut()
                    .insert(http::HeaderName::try_from(format!("x-{i}")).unwrap(), HeaderValue::from(i));
            }
            request
        }),
        made("64 KiB in a listed field", Gets::Status(431), || {
            get_with("/x", &[("user-agent", &"a".repeat(64 << 10))])
        }),
        made("64 KiB in another field", Gets::Status(413), || get_with("/x", &[("x-any", &"a".repeat(64 << 10))])),
        made("a loop", Gets::Status(508), || get_with("/x", &[("cdn-loop", "a, b, a")])),
        made("300 hops", Gets::Status(400), || {
            let mut request = get("/x");
            for _ in 0..300 {
                request.headers_mut().append("via", HeaderValue::from_static("1.1 a"));
            }
            request
        }),
    ];
    for name in ["HEAD", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"] {
        odd.push(made(name, Gets::Its, method(name)));
    }
    odd.extend(COUNTED.iter().map(|name| self::odd(Gets::Its, name, "mallory")));
    odd.extend(COUNTED.iter().take(12).map(|name| self::odd(Gets::Status(403), name, "mallory")));
    odd
}
