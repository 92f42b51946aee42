//! Request fields that are no part of the key (S27): the one list of them, in groups, each with its reason.
//!
//! Everything else counts, whatever it is called: identity, tenant, version, representation, and what nobody thought of.

macro_rules! excepted {
    ($($group:literal, $reason:literal: [$($name:literal),+ $(,)?];)+) => {
        /// All names; one that ends in `*` stands for all that begin so.
        const NAMES: &[&str] = &[$($($name,)+)+];

        /// The groups, each with its reason and its names: what the docs show.
        pub(in crate::http) const GROUPS: &[(&str, &str, &[&str])] = &[$(($group, $reason, &[$($name),+]),)+];

        /// Request fields that are no part of the key.
        ///
        /// Every other field of a request counts, in any spelling. Names are whole unless they end in `*`. Of
        /// `forwarded` the parameters `for` and `by` do not count, of `baggage` the members `sentry-*`, of `cache-control`
        /// and `pragma` what says that the request goes alone or is a reload.
        ///
        /// A field of this list counts after all if its value holds anything but letters, digits, spaces and
        /// ``-._~:/?#[]@!$&'()*+,;=%`` (and `"` in `sec-ch-ua*`), so that nobody's odd value is reflected to others.
        /// Fields of the first group are left to the rules that name them, whatever their values.
        ///
        /// [`ignore_headers`](crate::HttpSingleflightLayer::ignore_headers) adds to it,
        /// [`key_header`](crate::HttpSingleflightLayer::key_header) takes from it.
        $(
            #[doc = concat!("\n\n**", $group, ".** ", $reason, "\n\n", $("`", $name, "` "),+)]
        )+
        #[cfg(any(doc, doctest))]
        pub mod fields {}
    };
}

excepted! {
    "What other rules settle", "Each sends its request alone, or is a part of the key once that is asked for.": [
        "host", "authorization", "proxy-authorization", "cookie", "cache-control", "pragma", "range", "if-range",
        "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "expect", "forwarded",
    ];
    "One hop, and the framing of one message", "They end at the next hop, or say how a message is sent.": [
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
        "http2-settings", "content-length", "via", "cdn-loop", "max-forwards", "date", "priority",
    ];
    "One call and its trace", "Tracers, meshes and gateways add them to every call.": [
        "traceparent", "tracestate", "baggage", "b3", "x-b3-*", "uber-trace-id", "x-ot-span-context",
        "x-cloud-trace-context", "x-amzn-trace-id", "x-amzn-requestid", "x-amz-cf-id", "sentry-trace",
        "grpc-trace-bin", "grpc-tags-bin", "grpc-previous-rpc-attempts", "x-datadog-*", "x-instana-*", "newrelic",
        "elastic-apm-traceparent", "l5d-ctx-trace", "x-envoy-attempt-count", "x-envoy-external-address",
        "x-envoy-decorator-operation", "x-request-id", "x-correlation-id", "x-trace-id", "x-client-trace-id",
        "x-request-start", "cf-ray", "fly-request-id", "x-vercel-id", "x-azure-ref",
    ];
    "Its time", "How long one caller waits; an answer that may be due to it reaches nobody else (S28).": [
        "grpc-timeout", "connect-timeout-ms", "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms", "x-envoy-expected-rq-timeout-ms", "request-timeout",
        "x-request-timeout", "x-request-deadline",
    ];
    "Where the caller is", "An application that decides by the client's address must put it back with `key_header`.": [
        "x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip", "x-cluster-client-ip",
        "fastly-client-ip",
    ];
    "The caller's software", "An answer that depends on it says so in `Vary`, which is obeyed.": [
        "user-agent", "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "referer",
    ];
}

/// How many names of the list are settled by other rules, whatever their values are: those of its first group.
const SETTLED: usize = GROUPS[0].2.len();

/// How many names other rules look at: those of the first two groups.
const RULED: usize = SETTLED + GROUPS[1].2.len();

/// The group of those that say how long one caller waits, and where it begins in the list.
const TIME: usize = 3;
const TIME_STARTS: usize = GROUPS[0].2.len() + GROUPS[1].2.len() + GROUPS[2].2.len();

/// Fields that are parts of the key in a form of their own; no other rule looks at them. `baggage` is read member by
/// member, each of which is odd or not.
const OWN: [&str; 3] = ["host", "forwarded", "baggage"];

/// How many buckets the whole names are looked up in.
const BUCKETS: usize = 256;

/// The whole names in order of their buckets, each with how it stands to the list.
static WHOLE: [(&str, Listed); whole()] = by_bucket();

/// Where the names of each bucket begin in [`WHOLE`], and where those of the last one end.
static STARTS: [u8; BUCKETS + 1] = starts();

/// Returns the bucket of a name: few names agree in length, first and last letter.
const fn bucket(name: &[u8]) -> usize {
    match name {
        [] => 0,
        [first, ..] => (name.len() * 11 + *first as usize * 31 + name[name.len() - 1] as usize * 7) % BUCKETS,
    }
}

const fn is_prefix(name: &str) -> bool {
    name.as_bytes()[name.len() - 1] == b'*'
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

const fn whole() -> usize {
    let (mut at, mut found) = (0, 0);
    while at < NAMES.len() {
        found += !is_prefix(NAMES[at]) as usize;
        at += 1;
    }
    found
}

/// The names that end in a star, without it.
const PREFIXES: [&[u8]; NAMES.len() - whole()] = prefixes();

const fn prefixes() -> [&'static [u8]; NAMES.len() - whole()] {
    let mut prefixes: [&[u8]; NAMES.len() - whole()] = [&[]; NAMES.len() - whole()];
    let (mut at, mut found) = (0, 0);
    while at < NAMES.len() {
        if let [prefix @ .., b'*'] = NAMES[at].as_bytes() {
            prefixes[found] = prefix;
            found += 1;
        }
        at += 1;
    }
    prefixes
}

const fn by_bucket() -> [(&'static str, Listed); whole()] {
    let mut sorted = [("", Listed::No); whole()];
    let (mut wanted, mut found) = (0, 0);
    while wanted < BUCKETS {
        let mut at = 0;
        while at < NAMES.len() {
            if bucket(NAMES[at].as_bytes()) == wanted && !is_prefix(NAMES[at]) {
                let standing = if same(NAMES[at], OWN[0]) || same(NAMES[at], OWN[1]) || same(NAMES[at], OWN[2]) {
                    Listed::Own
                } else if at < SETTLED {
                    Listed::Settled
                } else if at < RULED {
                    Listed::Ruled
                } else if at >= TIME_STARTS && at < TIME_STARTS + GROUPS[TIME].2.len() {
                    Listed::Time
                } else {
                    Listed::Yes
                };
                sorted[found] = (NAMES[at], standing);
                found += 1;
            }
            at += 1;
        }
        wanted += 1;
    }
    sorted
}

const fn starts() -> [u8; BUCKETS + 1] {
    let sorted = by_bucket();
    let mut starts = [0; BUCKETS + 1];
    let (mut wanted, mut at) = (0, 0);
    while wanted <= BUCKETS {
        while at < sorted.len() && bucket(sorted[at].0.as_bytes()) < wanted {
            at += 1;
        }
        starts[wanted] = at as u8;
        wanted += 1;
    }
    starts
}

/// How a field stands to the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed {
    /// It counts.
    No,
    /// It does not, unless its value is odd.
    Yes,
    /// Likewise, and it says how long its caller waits (S28).
    Time,
    /// Likewise, and another rule looks at it.
    Ruled,
    /// It does not: another rule looks at it.
    Settled,
    /// It does not: it is a part of the key in a form of its own.
    Own,
}

/// Looks a field up, by its name in small letters.
#[inline(always)]
pub(super) fn listed(name: &str) -> Listed {
    let bucket = bucket(name.as_bytes());
    for at in STARTS[bucket]..STARTS[bucket + 1] {
        let (whole, standing) = WHOLE[usize::from(at)];
        if whole == name {
            return standing;
        }
    }
    // All prefixes begin so.
    if !name.starts_with("x-") {
        return Listed::No;
    }
    let prefixed = PREFIXES.iter().any(|prefix| name.as_bytes().starts_with(prefix));
    if prefixed { Listed::Yes } else { Listed::No }
}

/// Returns whether a value is one that any caller might send: nothing in it can be reflected to harm.
pub(super) fn is_plain(name: &str, value: &[u8]) -> bool {
    let quotes = name.starts_with("sec-ch-ua");
    // Without a branch inside, so that the compiler takes sixteen bytes at once: some of these values are long. The last
    // sixteen may have been seen in part.
    let is_plain = |byte: u8| is_plain_byte(byte) | (quotes & (byte == b'"'));
    let are_plain = |piece: &[u8; 16]| piece.iter().fold(true, |all, byte| all & is_plain(*byte));
    match value.last_chunk() {
        Some(last) => value.chunks_exact(16).filter_map(<[u8]>::first_chunk).all(are_plain) && are_plain(last),
        None => value.iter().all(|byte| PLAIN[usize::from(*byte)] || (quotes && *byte == b'"')),
    }
}

/// Which bytes are plain, for short values.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = is_plain_byte(byte as u8);
        byte += 1;
    }
    plain
};

/// Returns whether a byte is printable ASCII, and stands nowhere for markup, quotes or escapes.
const fn is_plain_byte(byte: u8) -> bool {
    // Comparisons are what a long value costs, so there are few: `<`, `>`, `\`, `^` and `|` differ from `~` in three
    // bits only, and from `{` on only `~` is plain.
    let (alike, late) = (byte | 0x62 == b'~', byte >= b'{');
    (byte >= b' ') & (byte != b'"') & (byte != b'`') & ((byte == b'~') | !(alike | late))
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, Listed, OWN, TIME, is_plain, listed};

    /// The same as the docs say it.
    #[test]
    fn s27_plain_values_hold_letters_digits_and_these() {
        for byte in 0..=u8::MAX {
            let plain = byte.is_ascii_alphanumeric() || b" -._~:/?#[]@!$&'()*+,;=%".contains(&byte);
            assert_eq!(is_plain("user-agent", &[b'a', byte]), plain, "{byte}");
            assert_eq!(is_plain("sec-ch-ua-mobile", &[byte; 40]), plain || byte == b'"', "{byte}");
        }
    }

    #[test]
    fn s27_every_name_of_the_list_is_found() {
        for (group, _, names) in GROUPS {
            for name in *names {
                let expected = match group {
                    _ if OWN.contains(name) => Listed::Own,
                    group if *group == GROUPS[0].0 => Listed::Settled,
                    group if *group == GROUPS[1].0 => Listed::Ruled,
                    group if *group == GROUPS[TIME].0 => Listed::Time,
                    _ => Listed::Yes,
                };
                assert!(!name.ends_with('*') || name.starts_with("x-"), "{name}");
                match name.strip_suffix('*') {
                    Some(prefix) => assert_eq!(listed(&format!("{prefix}any")), Listed::Yes, "{name}"),
                    None => assert_eq!(listed(name), expected, "{name}"),
                }
            }
        }
    }

    #[test]
    fn s27_all_else_counts() {
        for name in ["x-api-key", "x-b4-traceid", "x_request_id", "user_agent", "x-forwarded-host", "accept", "x", ""] {
            assert_eq!(listed(name), Listed::No, "{name}");
        }
        assert_eq!(listed(&"x".repeat(1000)), Listed::No);
    }
}
