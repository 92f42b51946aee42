//! Fields of an answer that are for one caller (S7), and those that name one exchange (S17).

/// They name one exchange, for logs and traces: followers do not get the leader's (S17). One that ends in `*` stands for
/// all that begin so.
const EXCHANGE: [&str; 28] = [
    "x-request-id",
    "request-id",
    "x-correlation-id",
    "x-trace-id",
    "x-client-trace-id",
    "traceparent",
    "tracestate",
    "traceresponse",
    "dd-trace-id",
    "x-datadog-*",
    "x-b3-*",
    "b3",
    "uber-trace-id",
    "sentry-trace",
    "x-cloud-trace-context",
    "x-amzn-trace-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-amz-id-2",
    "x-amz-cf-id",
    "apigw-requestid",
    "cf-ray",
    "fly-request-id",
    "x-vercel-id",
    "x-azure-ref",
    "x-ms-request-id",
    "x-ms-client-request-id",
    "x-github-request-id",
];

/// Returns whether a field hands out a session, a token or a nonce: an answer that has it is for its leader alone (S7),
/// whatever the application adds to the list.
//
// Each field of each answer is looked up. The compiler turns this into a step by length; a list would be gone through.
pub(super) fn is_personal(name: &str) -> bool {
    matches!(
        name,
        "set-cookie"
            | "set-cookie2"
            | "mcp-session-id"
            | "x-csrf-token"
            | "x-xsrf-token"
            | "csrf-token"
            | "x-auth-token"
            | "x-session-token"
            | "x-session-id"
            // A server that renews a token says the new one in it.
            | "authorization"
            | "access-token"
            | "x-access-token"
            | "refresh-token"
            | "x-refresh-token"
            // What the client has to prove next (RFC 8555; RFC 9449; RFC 9110, section 11.6.3; device bound sessions).
            | "replay-nonce"
            | "dpop-nonce"
            | "authentication-info"
            | "proxy-authentication-info"
            | "secure-session-challenge"
            | "secure-session-registration"
            | "sec-session-challenge"
            | "sec-session-registration"
    )
}

/// Returns whether a field names one exchange (S17).
pub(super) fn names_exchange(name: &str) -> bool {
    let is = |known: &&str| known.strip_suffix('*').map_or(**known == *name, |prefix| name.starts_with(prefix));
    EXCHANGE.iter().any(is)
}
