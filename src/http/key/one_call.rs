//! Fields that name one call: no two requests agree in them.

use super::excepted::GROUPS;

/// Which of the groups they are.
const ONE_CALL: usize = 2;

/// Of that group, those that callers may have in common.
const SHARED: [&str; 2] = ["baggage", "x-envoy-external-address"];

/// Returns whether a field names one call, as a trace does; its name is in small letters.
pub(in crate::http) fn is_of_one_call(name: &str) -> bool {
    let listed = GROUPS[ONE_CALL].2.iter().any(|listed| match listed.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => *listed == name,
    });
    listed && !SHARED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::is_of_one_call;

    #[test]
    fn what_names_one_call_is_told_from_what_callers_have_in_common() {
        for name in ["traceparent", "x-request-id", "x-b3-traceid", "cf-ray"] {
            assert!(is_of_one_call(name), "{name}");
        }
        for name in ["baggage", "x-forwarded-for", "user-agent", "x-tenant", "grpc-timeout", "via"] {
            assert!(!is_of_one_call(name), "{name}");
        }
    }
}
