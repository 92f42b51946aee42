//! An answer as it goes from one process to another.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, Version, response};
use serde::{Deserialize, Serialize};

use crate::http::{answer::Terms, key::HttpKey, policy::Again};

/// A digest of what two processes compare without showing it, under the fleet's secret.
pub(super) type Digest = [u8; 16];

/// What stands before the content.
#[derive(Deserialize, Serialize)]
pub(super) struct Head {
    terms: SentTerms,
    #[serde(with = "http_serde::status_code")]
    status: StatusCode,
    #[serde(with = "http_serde::version")]
    version: Version,
    #[serde(with = "http_serde::header_map")]
    headers: HeaderMap,
    /// Which lines must not be compressed, in the order in which they stand.
    sensitive: Vec<u32>,
    #[serde(with = "http_serde::option::header_map")]
    trailers: Option<HeaderMap>,
}

/// The terms on which other processes may have an answer, or ask once more.
#[derive(Clone, Default, Deserialize, Serialize)]
pub(super) struct SentTerms {
    /// The fields in which they must agree with the leader, and digests of its lines (S9, S20).
    compared: Vec<(String, Digest)>,
    /// Whether they may ask once more (D9): 0 never, 1 always, 2 if they came late.
    again: u8,
    /// From the work's first poll to its answer, in microseconds.
    took: u64,
    /// From the answer until all of the body had come and the message was made, in microseconds.
    read: u64,
}

/// An answer that came from another process.
pub(super) struct Received {
    pub(super) terms: SentTerms,
    pub(super) head: response::Parts,
    pub(super) content: Bytes,
    pub(super) trailers: Option<HeaderMap>,
}

/// A message that is not in order.
pub(super) type Malformed = Box<dyn Error + Send + Sync>;

impl SentTerms {
    /// `digest` makes a digest of a list of parts; no two lists have the same.
    pub(super) fn new(terms: Option<&Terms>, digest: impl Fn(&[&[u8]]) -> Digest) -> Self {
        let Some(terms) = terms else { return Self::default() };
        let compared = terms.names.iter().map(|name| (name.to_string(), of_lines(&terms.leader, name, &digest)));
        let again = match terms.again {
            Again::Never => 0,
            Again::Always => 1,
            Again::IfLate => 2,
        };
        let took = micros(terms.answered.saturating_duration_since(terms.began));
        Self { compared: compared.collect(), again, took, read: 0 }
    }

    /// Returns whether a request agrees with the leader's in what the answer depends on.
    pub(super) fn agree(&self, key: &HttpKey, digest: impl Fn(&[&[u8]]) -> Digest) -> bool {
        self.compared.iter().all(|(name, leaders)| {
            HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| of_lines(key, &name, &digest) == *leaders)
        })
    }

    pub(super) const fn again(&self) -> Again {
        match self.again {
            1 => Again::Always,
            2 => Again::IfLate,
            _ => Again::Never,
        }
    }

    pub(super) const fn took(&self) -> Duration {
        Duration::from_micros(self.took)
    }

    /// Returns how old the answer was when its message was made.
    pub(super) const fn read(&self) -> Duration {
        Duration::from_micros(self.read)
    }

    /// Returns the payload of a message that has no answer.
    pub(super) fn encode(&self) -> Vec<u8> {
        // All its parts can be written.
        postcard::to_allocvec(self).unwrap_or_default()
    }

    pub(super) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        postcard::from_bytes(payload).map_err(Into::into)
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX)
}

/// Returns a digest of all lines of a field, in order.
fn of_lines(key: &HttpKey, name: &HeaderName, digest: impl Fn(&[&[u8]]) -> Digest) -> Digest {
    let mut parts: Vec<&[u8]> = vec![b"field", name.as_str().as_bytes()];
    parts.extend(key.lines(name));
    digest(&parts)
}

impl Head {
    pub(super) fn new(terms: SentTerms, head: response::Parts) -> Self {
        let response::Parts { status, version, headers, .. } = head;
        let sensitive = headers.values().enumerate().filter(|(_, value)| value.is_sensitive());
        let sensitive = sensitive.filter_map(|(at, _)| at.try_into().ok()).collect();
        Self { terms, status, version, headers, sensitive, trailers: None }
    }

    /// Returns the payload of a message: the head, and behind it the content as it is. `read`: how long the content
    /// took.
    pub(super) fn encode(
        mut self,
        content: &[Bytes],
        trailers: Option<HeaderMap>,
        read: Duration,
    ) -> Result<Vec<u8>, Malformed> {
        (self.trailers, self.terms.read) = (trailers, micros(read));
        let mut payload = postcard::to_allocvec(&self)?;
        payload.reserve_exact(content.iter().map(Bytes::len).sum());
        content.iter().for_each(|piece| payload.extend_from_slice(piece));
        Ok(payload)
    }
}

impl Received {
    pub(super) fn decode(payload: Vec<u8>) -> Result<Self, Malformed> {
        let payload = Bytes::from(payload);
        let (sent, content) = postcard::take_from_bytes::<Head>(&payload)?;
        let content = payload.slice_ref(content);
        let Head { terms, status, version, mut headers, sensitive, trailers } = sent;
        for (at, value) in headers.values_mut().enumerate() {
            value.set_sensitive(u32::try_from(at).is_ok_and(|at| sensitive.binary_search(&at).is_ok()));
        }
        let (mut head, ()) = http::Response::new(()).into_parts();
        (head.status, head.version, head.headers) = (status, version, headers);
        Ok(Self { terms, head, content, trailers })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn head(lines: &[(usize, Vec<u8>, bool)]) -> response::Parts {
        let names = ["content-type", "x-a", "vary", "etag"];
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = StatusCode::NOT_FOUND;
        head.version = Version::HTTP_2;
        for (name, value, sensitive) in lines {
            let mut value = HeaderValue::from_bytes(value).expect("a field's value");
            value.set_sensitive(*sensitive);
            head.headers.append(names[name % names.len()], value);
        }
        head
    }

    fn lines() -> impl Strategy<Value = Vec<(usize, Vec<u8>, bool)>> {
        let value = prop::collection::vec(prop_oneof![0x20_u8..=0x7e, 0x80_u8..=0xff], 0..20);
        prop::collection::vec((0_usize..4, value, any::<bool>()), 0..12)
    }

    proptest! {
        #[test]
        fn an_answer_comes_as_it_was_sent(
            lines in lines(), trailers in prop::option::of(lines()),
            content in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let (head, trailers) = (head(&lines), trailers.map(|lines| head(&lines).headers));
            let pieces: Vec<_> = content.iter().cloned().map(Bytes::from).collect();
            let sent = Head::new(SentTerms::default(), head.clone());
            let payload = sent.encode(&pieces, trailers.clone(), Duration::from_millis(7)).unwrap();
            let received = Received::decode(payload.clone()).unwrap();
            prop_assert_eq!((received.head.status, received.head.version), (head.status, head.version));
            let flat = |headers: &HeaderMap| -> Vec<_> {
                headers.iter().map(|(name, value)| (name.clone(), value.clone(), value.is_sensitive())).collect()
            };
            prop_assert_eq!(flat(&received.head.headers), flat(&head.headers));
            prop_assert_eq!(received.trailers, trailers);
            prop_assert_eq!(received.terms.read(), Duration::from_millis(7));
            prop_assert_eq!(&received.content[..], &content.concat()[..]);
            // Cut within the head it is no answer. The content is as long as the message, which is sealed as a whole.
            let head_length = payload.len() - content.concat().len();
            prop_assert!(Received::decode(payload[..cut.index(head_length)].to_vec()).is_err());
        }

        #[test]
        fn what_is_no_answer_is_an_error_and_never_a_panic(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Received::decode(payload.clone());
            let _ = SentTerms::decode(&payload);
        }
    }

    /// A length of a gibibyte, wherever one may stand: the process that sent it has the secret, so its seal is in order.
    #[test]
    fn f6_a_head_that_announces_a_gibibyte_is_refused_or_read_without_it() {
        let lines = [(0, b"text/plain".to_vec(), false), (1, b"a".to_vec(), false), (1, b"b".to_vec(), true)];
        let terms = SentTerms { compared: vec![("vary".to_owned(), [1; 16])], again: 0, took: 7, read: 0 };
        let trailers = head(&lines[1..]).headers;
        let payload = Head::new(terms, head(&lines)).encode(&[], Some(trailers), Duration::ZERO).unwrap();
        let announced = postcard::to_allocvec(&(1_u32 << 30)).unwrap();
        for at in 0..payload.len() {
            let announces = [&payload[..at], &announced, &payload[at + 1..]].concat();
            if let Ok(received) = Received::decode(announces) {
                assert!(received.content.len() <= announced.len(), "byte {at}");
            }
        }
    }
}
