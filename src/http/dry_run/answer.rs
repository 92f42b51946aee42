//! What is kept of an answer to compare it with another one.

use http::{HeaderName, StatusCode, response};

use super::{difference::Part, digest::Digester};
use crate::http::policy::{Policy, follower_fields};

/// Fields that differ from one answer to the next whatever was asked; those of [`IGNORED_PREFIX`] too.
const IGNORED: [&str; 5] = ["date", "age", "server-timing", "x-request-id", "traceparent"];
const IGNORED_PREFIX: &str = "ratelimit-";

/// Status and fields of an answer.
#[derive(Debug)]
pub(super) struct Head {
    status: StatusCode,
    /// In order of their names.
    fields: Vec<(HeaderName, u64)>,
}

/// How an answer came to its end.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// The service failed: there is no answer to compare.
    Failed,
    /// The caller left before the head was there.
    Left,
    /// The body came to its end, or was cut: it failed, or its caller left.
    Body(Body),
}

/// What passed by of a body.
#[derive(Clone, Debug)]
pub(super) struct Body {
    /// In bytes. Unless the body was cut, only those that were compared count.
    pub(super) length: u64,
    /// The digest of the bytes that were compared.
    pub(super) digest: u64,
    pub(super) end: ComparedEnd,
}

/// How the compared bytes of a body ended; `Ending` says how the answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ComparedEnd {
    /// With trailers of this digest, if it had some.
    Whole(Option<u64>),
    Cut,
    /// There is more than is compared.
    Over,
}

/// What became of comparing two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    Different(Vec<Part>),
    /// They are larger than what is compared, or both are failures.
    Unknown,
    /// One of them did not come to its end.
    Dropped,
}

impl Ending {
    /// Returns the digest of what came of the body; 0 if there is none.
    pub(super) fn digest(&self) -> u64 {
        match self {
            Self::Failed | Self::Left => 0,
            Self::Body(body) => body.digest,
        }
    }
}

impl Compared {
    /// Returns in what the answers differ.
    pub(super) fn parts(&self) -> Vec<Part> {
        match self {
            Self::Different(parts) => parts.clone(),
            Self::Same | Self::Unknown | Self::Dropped => Vec::new(),
        }
    }
}

impl Head {
    pub(super) fn of(head: &response::Parts, policy: &Policy, ignored: &[HeaderName], digester: &Digester) -> Self {
        let compares = |name: &&HeaderName| {
            let text = name.as_str();
            !IGNORED.contains(&text) && !text.starts_with(IGNORED_PREFIX) && !ignored.contains(name)
        };
        let names = follower_fields(&head.headers, &policy.dropped).filter(compares);
        let digest = |name| digester.of(head.headers.get_all(name).iter().map(http::HeaderValue::as_bytes));
        let mut fields: Vec<_> = names.map(|name| (name.clone(), digest(name))).collect();
        fields.sort_unstable_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Self { status: head.status, fields }
    }

    /// Returns in which parts two heads differ.
    fn differs(&self, other: &Self) -> Vec<Part> {
        let mut parts = Vec::new();
        if self.status != other.status {
            parts.push(Part::Status);
        }
        let lacks = |fields: &[(HeaderName, u64)], field| !fields.contains(field);
        let ours = self.fields.iter().filter(|field| lacks(&other.fields, field));
        let theirs = other.fields.iter().filter(|field| lacks(&self.fields, field));
        for (name, _) in ours.chain(theirs) {
            let part = Part::Field(name.as_str().into());
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts
    }
}

/// Compares two answers; `None` stands for the head of one that failed.
pub(super) fn compare(one: (Option<&Head>, &Ending), other: (Option<&Head>, &Ending)) -> Compared {
    let ((Some(head), Ending::Body(body)), (Some(others), Ending::Body(bodies))) = (one, other) else {
        return match (one.1, other.1) {
            (Ending::Left, _) | (_, Ending::Left) => Compared::Dropped,
            (Ending::Failed, Ending::Failed) => Compared::Unknown,
            _ => Compared::Different(vec![Part::Failure]),
        };
    };
    let mut parts = head.differs(others);
    let same = body.digest == bodies.digest && body.length == bodies.length;
    let comparable = match (body.end, bodies.end) {
        (ComparedEnd::Whole(trailers), ComparedEnd::Whole(others)) => {
            if !same {
                parts.push(Part::Body);
            }
            if trailers != others {
                parts.push(Part::Trailers);
            }
            true
        }
        (ComparedEnd::Cut, ComparedEnd::Cut) if body.length != bodies.length => false,
        (ComparedEnd::Cut, ComparedEnd::Cut) | (ComparedEnd::Over, ComparedEnd::Over) => {
            if !same {
                parts.push(Part::Body);
            }
            body.end == ComparedEnd::Cut
        }
        // One is longer than the other.
        (ComparedEnd::Whole(_), ComparedEnd::Over) | (ComparedEnd::Over, ComparedEnd::Whole(_)) => {
            parts.push(Part::Body);
            true
        }
        (ComparedEnd::Cut, _) | (_, ComparedEnd::Cut) => false,
    };
    match (parts.is_empty(), comparable) {
        (false, _) => Compared::Different(parts),
        (true, true) => Compared::Same,
        (true, false) if body.end == ComparedEnd::Over && bodies.end == ComparedEnd::Over => Compared::Unknown,
        (true, false) => Compared::Dropped,
    }
}
