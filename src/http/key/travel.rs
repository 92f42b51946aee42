//! The part of a key that may leave the process, for the flights of a fleet.

use http::HeaderName;

use super::{
    HttpKey,
    decode::{KeyPart, part},
    encode::Tag,
    fields::all_lines,
};

/// Request fields that may leave the process in a digest, beside those that begin as [`COMMON_BEGINNINGS`] do: browsers
/// and gRPC clients send them with every request. None of them is a user's own.
const COMMON: [&str; 10] = [
    "origin",
    "sec-purpose",
    "sec-gpc",
    "dnt",
    "save-data",
    "upgrade-insecure-requests",
    "x-requested-with",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
];

const COMMON_BEGINNINGS: [&str; 5] = ["accept", "content-", "grpc-", "sec-fetch-", "sec-ch-"];

/// What may leave the process beside that.
#[derive(Clone, Default)]
pub(in crate::http) struct Travelling {
    /// Fields that the application has named.
    pub(in crate::http) named: Vec<HeaderName>,
    /// Credentials and cookies, where they are in the key.
    pub(in crate::http) private: bool,
}

impl HttpKey {
    /// Returns what other processes can compare of this key: all of it except the epochs of fences, which each process
    /// counts for itself. `None` if it may not leave the process, or holds something that others cannot compare.
    pub(in crate::http) fn travelled(&self, travelling: &Travelling) -> Option<Vec<u8>> {
        // A value of the application's has no bytes to compare.
        if !self.identities().is_empty() {
            return None;
        }
        // What an answer says of credentials that are in no key is for this process to read (S5).
        let has_credentials = all_lines(self.others()).any(|(name, _)| is_credentials(name));
        if has_credentials && !travelling.private {
            return None;
        }
        let mut travelled = Vec::with_capacity(self.parts().len());
        let mut rest = self.parts();
        while !rest.is_empty() {
            let (next, after) = part(rest)?;
            let bytes = &rest[..rest.len() - after.len()];
            rest = after;
            match next {
                KeyPart::One(Tag::Epoch | Tag::Place, _) => continue,
                // Released callers, and requests that passed another service of the group, have met already.
                KeyPart::One(Tag::Variant | Tag::Passed | Tag::Above, _) => return None,
                KeyPart::One(..) | KeyPart::Many { tag: Tag::Parameters, .. } => {}
                KeyPart::Many { tag: Tag::Cookie, .. } if travelling.private => {}
                KeyPart::Many { tag: Tag::Cookie, .. } => return None,
                KeyPart::Line { name, .. } | KeyPart::Many { name, .. } if travelling.admits(name) => {}
                KeyPart::Forwarded { .. } | KeyPart::Gateways(_) if travelling.admits(b"forwarded") => {}
                KeyPart::Line { .. } | KeyPart::Many { .. } | KeyPart::Forwarded { .. } | KeyPart::Gateways(_) => {
                    return None;
                }
            }
            travelled.extend_from_slice(bytes);
        }
        Some(travelled)
    }

    /// Returns the lines of a field that `Vary` may name, in order (S9); of one that is in the key, none.
    pub(in crate::http) fn lines<'a>(&'a self, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
        super::fields::lines(self.others(), name.as_str().as_bytes())
    }
}

impl Travelling {
    fn admits(&self, name: &[u8]) -> bool {
        if is_credentials(name) || name == b"cookie" {
            return self.private;
        }
        COMMON.iter().any(|common| common.as_bytes() == name)
            || COMMON_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning.as_bytes()))
            || self.named.iter().any(|named| named.as_str().as_bytes() == name)
    }
}

fn is_credentials(name: &[u8]) -> bool {
    name == b"authorization" || name == b"proxy-authorization"
}

#[cfg(test)]
mod tests {
    use http::{Request, request};

    use super::*;
    use crate::{HttpSingleflightLayer, http::HttpGroup};

    fn parts(fields: &[(&str, &str)]) -> request::Parts {
        let request = Request::get("http://a/x?y=1");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn travelled(layer: &HttpSingleflightLayer, fields: &[(&str, &str)], travelling: &Travelling) -> Option<Vec<u8>> {
        layer.key(&parts(fields)).expect("it has a key").travelled(travelling)
    }

    fn named(names: &[&'static str]) -> Travelling {
        Travelling { named: names.iter().map(|name| HeaderName::from_static(name)).collect(), private: false }
    }

    const PRIVATE: Travelling = Travelling { named: Vec::new(), private: true };

    /// The fields of a page that is asked for in Chromium, and of a call of gRPC.
    #[test]
    fn what_browsers_and_grpc_clients_send_with_every_request_may_leave_the_process() {
        let layer = HttpSingleflightLayer::new();
        let fields = [
            ("accept", "text/html"),
            ("accept-language", "en"),
            ("content-type", "application/grpc"),
            ("grpc-accept-encoding", "gzip"),
            ("origin", "http://a"),
            ("sec-fetch-mode", "navigate"),
            ("sec-ch-prefers-color-scheme", "dark"),
            ("sec-purpose", "prefetch"),
            ("sec-gpc", "1"),
            ("dnt", "1"),
            ("save-data", "on"),
            ("upgrade-insecure-requests", "1"),
            ("x-requested-with", "XMLHttpRequest"),
            ("x-forwarded-host", "b"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "443"),
            ("user-agent", "Chrome"),
        ];
        let all = travelled(&layer, &fields, &Travelling::default()).expect("all of them may");
        for (index, (name, _)) in fields.iter().enumerate() {
            let others: Vec<_> = fields.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, it)| *it).collect();
            let without = travelled(&layer, &others, &Travelling::default()).expect("all others may");
            assert_eq!(without == all, *name == "user-agent", "{name}");
        }
    }

    #[test]
    fn a_field_that_may_be_a_users_own_stays_unless_it_is_named() {
        let layer = HttpSingleflightLayer::new();
        let fields =
            ["x-api-key", "x-tenant", "x-forwarded-user", "x-forwarded", "api-key", "token", "dnt2", "sec-", "if-x"];
        for name in fields {
            assert_eq!(travelled(&layer, &[(name, "1")], &Travelling::default()), None, "{name}");
            assert_eq!(travelled(&layer, &[(name, "1")], &PRIVATE), None, "{name}");
            assert_eq!(travelled(&layer, &[(name, "1")], &named(&["x-other"])), None, "{name}");
            assert!(travelled(&layer, &[(name, "1")], &named(&[name])).is_some(), "{name}");
        }
        // A value that is reflected to others counts, whatever its field is called.
        assert_eq!(travelled(&layer, &[("user-agent", "<script>")], &Travelling::default()), None);
        assert_eq!(travelled(&layer, &[("forwarded", "host=b")], &Travelling::default()), None);
        assert!(travelled(&layer, &[("forwarded", "host=b")], &named(&["forwarded"])).is_some());
        assert_eq!(travelled(&layer, &[("cache-control", "max-age=5")], &Travelling::default()), None);
    }

    #[test]
    fn s5_s6_credentials_and_cookies_stay_unless_all_may_leave() {
        let keyed = HttpSingleflightLayer::new().per_credential();
        let chosen = HttpSingleflightLayer::new().key_cookies(["sid"]);
        let by_response = HttpSingleflightLayer::new().share_authorized();
        for (layer, field) in [
            (&keyed, ("authorization", "Bearer a")),
            (&keyed, ("proxy-authorization", "Basic a")),
            (&keyed, ("cookie", "sid=a")),
            (&chosen, ("cookie", "sid=a")),
            (&by_response, ("authorization", "Bearer a")),
        ] {
            assert_eq!(travelled(layer, &[field], &Travelling::default()), None, "{field:?}");
            assert_eq!(travelled(layer, &[field], &named(&["x-other"])), None, "{field:?}");
            assert!(travelled(layer, &[field], &PRIVATE).is_some(), "{field:?}");
        }
    }

    #[test]
    fn s25_who_asks_never_leaves_the_process() {
        let layer = HttpSingleflightLayer::new().identity(|_| Some(7_u32));
        assert_eq!(travelled(&layer, &[], &PRIVATE), None);
        let own = HttpSingleflightLayer::new().key_fn(|_| Some("key"));
        assert_eq!(travelled(&own, &[], &PRIVATE), None);
    }

    /// Two processes count their fences by themselves.
    #[test]
    fn s21_what_fences_count_is_each_processs_own() {
        let layer = HttpSingleflightLayer::new().group(HttpGroup::new());
        let key = || layer.key(&parts(&[])).expect("it has a key");
        let before = key();
        layer.get_group().fence(Some("a"), "/x");
        let after = key();
        assert!(before != after);
        assert_eq!(before.travelled(&Travelling::default()), after.travelled(&Travelling::default()));
        assert!(before.travelled(&Travelling::default()).is_some());
    }

    #[test]
    fn s9_a_key_of_those_who_were_released_stays() {
        let key = HttpSingleflightLayer::new().key(&parts(&[("user-agent", "a")])).unwrap();
        let variant = key.variant(&[HeaderName::from_static("user-agent")]);
        assert!(key.travelled(&Travelling::default()).is_some());
        assert_eq!(variant.travelled(&PRIVATE), None);
        let lines: Vec<_> = key.lines(&http::header::USER_AGENT).collect();
        assert_eq!(lines, [b"a"]);
    }
}
