//! With whom may an answer be shared?

use http::{HeaderMap, HeaderName, header, response};

use super::{
    Credentials, Policy, facts::RequestFacts, personal::is_personal, response_directives::ResponseDirectives,
    tokens::elements, vary::vary,
};
use crate::http::rule::Rule;

pub(in crate::http) static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// With whom an answer may be shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Verdict {
    /// An error: with nobody, by this rule.
    pub(in crate::http) share: Result<(), Rule>,
    /// The request fields in which followers must agree with the leader (S9), to have the answer or a second try.
    pub(in crate::http) names: Vec<HeaderName>,
    pub(in crate::http) again: Again,
    /// Its gRPC status says that the service fails or has too much to do, which says nothing of the next answer (D3).
    pub(in crate::http) fails: bool,
}

/// What a gRPC status means for followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct GrpcVerdict {
    /// The rule that keeps the answer from them, if one does.
    pub(in crate::http) rule: Option<Rule>,
    pub(in crate::http) again: Again,
    pub(in crate::http) fails: bool,
}

/// Whether a follower may try once more, before the answer reaches it (D9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Again {
    Never,
    /// The answer may be due to the leader's own request.
    Always,
    /// It is a failure; a caller that came late to the flight need not take it.
    IfLate,
}

/// What the head of an answer says, line by line.
#[derive(Default)]
struct Head<'a> {
    personal: bool,
    malformed: bool,
    /// `Vary` cannot be compared.
    varies: bool,
    ranged: bool,
    event_stream: bool,
    by_origin: bool,
    said: ResponseDirectives,
    names: Vec<HeaderName>,
    /// The gRPC status, where there is no message.
    grpc: Option<&'a [u8]>,
}

/// An answer as the policy sees it.
#[derive(Clone, Copy)]
pub(in crate::http) struct AnswerHead<'a> {
    pub(in crate::http) head: &'a response::Parts,
    /// Its length is known beforehand, or it has no content.
    pub(in crate::http) has_length: bool,
}

impl Verdict {
    /// Returns the verdict on an answer that is for its leader alone, and gives nobody a second try.
    const fn nobody(rule: Rule) -> Self {
        Self { share: Err(rule), names: Vec::new(), again: Again::Never, fails: false }
    }
}

impl Policy {
    /// Judges an error of the wrapped service (D4); if the leader has a deadline, that may be the reason for it (S28).
    pub(in crate::http) fn verdict_on_error(&self, facts: RequestFacts) -> Verdict {
        let share = match (self.share_server_errors, facts.deadline) {
            (false, _) => return Verdict::nobody(Rule::D4Failure),
            (true, true) => Err(Rule::S28Deadline),
            (true, false) => Ok(()),
        };
        Verdict { share, names: Vec::new(), again: Again::IfLate, fails: false }
    }

    /// Says with whom an answer may be shared.
    pub(in crate::http) fn verdict(&self, facts: RequestFacts, answer: AnswerHead<'_>) -> Verdict {
        let head = self.read(answer.head);
        // It says of itself that it is for its leader, so nobody has a second try (D9).
        if head.personal {
            return Verdict::nobody(Rule::S7Personal);
        }
        if head.said.private || head.malformed {
            return Verdict::nobody(Rule::S8CacheControl);
        }
        if head.varies {
            return Verdict::nobody(Rule::S9Vary);
        }
        let status = answer.head.status.as_u16();
        let grpc = head.grpc.and_then(|status| self.grpc_verdict(facts, status));
        let again = match (status, grpc) {
            // It may be due to the leader's own request, as far as anyone can tell.
            (400 | 401 | 403 | 407 | 408 | 411..=417 | 421 | 425 | 426 | 428 | 429 | 431, _) => Again::Always,
            (505 | 508, _) => Again::Always,
            (500..=599, _) if !self.share_server_errors => Again::Never,
            (499..=599, _) => Again::IfLate,
            (_, Some(grpc)) => grpc.again,
            // A connection of HTTP/1.0 is its leader's own.
            (..) if facts.http10 && !answer.has_length => Again::Always,
            (..) => Again::Never,
        };
        // S5: unless the answer is for all, it is for those without credentials, if it is for others at all. Its origin
        // need not name the field in Vary (RFC 9110, section 12.5.5).
        let by_credentials = self.credentials == Credentials::ByResponse && !head.said.is_for_all();
        let share = if facts.deadline && matches!(status, 408 | 499 | 504) {
            Err(Rule::S28Deadline)
        } else if let Some(GrpcVerdict { rule: Some(rule), .. }) = grpc {
            Err(rule)
        } else if head.said.unstored && !(500..=599).contains(&status) {
            Err(Rule::S8CacheControl)
        } else if head.ranged {
            Err(Rule::S10Status)
        } else if head.event_stream && !self.share_event_streams && !head.said.is_meant_for_all() {
            Err(Rule::S29EventStream)
        } else if by_credentials && facts.authorized {
            Err(Rule::S5Authorization)
        } else if facts.http10 && !answer.has_length {
            Err(Rule::S30Http10)
        } else {
            self.shares(status, head.said.storable, facts)
        };
        let mut names = head.names;
        let mut compare = |name: HeaderName| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        if head.by_origin {
            compare(header::ORIGIN);
        }
        if by_credentials {
            compare(header::AUTHORIZATION);
        }
        Verdict { share, names, again, fails: grpc.is_some_and(|grpc| grpc.fails) }
    }

    /// Says what trailers that come in place of a message mean for followers.
    pub(in crate::http) fn verdict_on_trailers(
        &self,
        facts: RequestFacts,
        trailers: &HeaderMap,
    ) -> Option<GrpcVerdict> {
        // S7: nobody has a second try, as with a head.
        if self.hands_out(trailers) {
            return Some(GrpcVerdict { rule: Some(Rule::S7Personal), again: Again::Never, fails: false });
        }
        self.grpc_verdict(facts, trailers.get(&GRPC_STATUS)?.as_bytes())
    }

    /// Says what a gRPC status means for followers: the rule that keeps the answer from them, if one does, and whether they
    /// may try again; `None` for success, and for an answer to what all have asked.
    pub(super) fn grpc_verdict(&self, facts: RequestFacts, status: &[u8]) -> Option<GrpcVerdict> {
        let (rule, again, fails) = match status {
            // Cancelled, deadline exceeded, resource exhausted (S28).
            b"1" | b"4" | b"8" if facts.deadline => (Some(Rule::S28Deadline), Again::IfLate, true),
            // About one call's deadline or rate, as the statuses of S10 are.
            b"1" | b"4" | b"8" => (Some(Rule::S10Status), Again::Always, true),
            // Likewise, about its credentials.
            b"7" | b"16" => (Some(Rule::S10Status), Again::Always, false),
            // Unknown, aborted, internal, unavailable, data loss: failures (D4).
            b"2" | b"10" | b"13" | b"14" | b"15" => (None, Again::IfLate, true),
            _ => return None,
        };
        Some(match again {
            // D4: as with 5xx.
            Again::IfLate if !self.share_server_errors => {
                GrpcVerdict { rule: rule.or(Some(Rule::D4Failure)), again: Again::Never, fails }
            }
            _ => GrpcVerdict { rule, again, fails },
        })
    }

    /// Returns whether any of these is a field that keeps an answer for its leader alone (S7).
    pub(in crate::http) fn hands_out(&self, fields: &HeaderMap) -> bool {
        fields.keys().any(|name| self.is_for_one(name))
    }

    /// Returns whether an answer with this field is for its leader alone (S7).
    fn is_for_one(&self, name: &HeaderName) -> bool {
        is_personal(name.as_str()) || self.kept.contains(name)
    }

    fn read<'a>(&self, head: &'a response::Parts) -> Head<'a> {
        // S7: what the application keeps, it keeps whatever else a field says.
        let personal = !self.kept.is_empty() && head.headers.keys().any(|name| self.kept.contains(name));
        let mut read = Head { personal, ..Head::default() };
        for (name, value) in &head.headers {
            let value = value.as_bytes();
            match name.as_str() {
                // S7: RFC 9111, section 7.3, lets them be reused; their purpose does not.
                "set-cookie" | "set-cookie2" if self.strip_set_cookie => {}
                // S10: a part of something, whatever the status says (RFC 9110, sections 14.4, 14.6).
                "content-range" => read.ranged = true,
                "content-type" => {
                    read.ranged |= is_type(value, "multipart/byteranges");
                    read.event_stream |= is_type(value, "text/event-stream");
                }
                "cache-control" => read.malformed |= read.said.read(value).is_none(),
                "vary" => read.varies |= vary(value, &mut read.names).is_none(),
                // S20: the origin that is named is the leader's (RFC 9110, section 12.5.5).
                "access-control-allow-origin" => read.by_origin |= value != b"*",
                "expires" => {
                    let date = head.headers.get(header::DATE).map(http::HeaderValue::as_bytes);
                    read.said.read_expires(value, date);
                }
                "age" => read.said.read_age(value),
                // S7: the trailers that it announces come when all have the head already (RFC 9110, section 6.6.2).
                "trailer" => {
                    let mut announced = elements(value).filter_map(|name| HeaderName::from_bytes(name).ok());
                    read.personal |= announced.any(|name| self.is_for_one(&name));
                }
                "grpc-status" => read.grpc = Some(value),
                // S8: what is meant for caches like this one (RFC 9213), of any make.
                name if name == "surrogate-control" || name.ends_with("cdn-cache-control") => {
                    read.malformed |= read.said.read_targeted(value).is_none();
                }
                text => read.personal |= is_personal(text),
            }
        }
        read
    }

    /// S10: RFC 9110, section 15.1; RFC 9111, section 3.
    #[inline]
    fn shares(&self, status: u16, storable: bool, facts: RequestFacts) -> Result<(), Rule> {
        let shares = match status {
            // Interim answers; a part, or a change to what the caller has already (RFC 3229, section 10.4.1).
            ..=199 | 206 | 226 => false,
            // About one request's credentials;
            401 | 403 | 407 => false,
            // its connection, its protocol, or the way it came;
            408 | 421 | 425 | 426 | 505 | 508 => false,
            // its rate, the size of its fields, or its network.
            429 | 431 | 511 => false,
            304 => facts.validated,
            // D4.
            500..=599 => return if self.share_server_errors { Ok(()) } else { Err(Rule::D4Failure) },
            // Heuristically cacheable.
            200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 => true,
            201..=499 => storable,
            // Of no class (section 15).
            600.. => false,
        };
        if shares { Ok(()) } else { Err(Rule::S10Status) }
    }
}

/// Returns whether an answer is a stream of events, which comes as long as its reader stays.
#[cfg(feature = "fleet")]
pub(in crate::http) fn is_event_stream(headers: &HeaderMap) -> bool {
    let types = headers.get_all(header::CONTENT_TYPE);
    types.into_iter().any(|value| is_type(value.as_bytes(), "text/event-stream"))
}

/// Returns whether a media type is this one, whatever its parameters are.
fn is_type(value: &[u8], wanted: &str) -> bool {
    let value = value.trim_ascii_start();
    let Some((kind, rest)) = value.split_at_checked(wanted.len()) else { return false };
    kind.eq_ignore_ascii_case(wanted.as_bytes()) && rest.first().is_none_or(|byte| b"; \t".contains(byte))
}
