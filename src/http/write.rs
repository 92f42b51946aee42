//! A request that may change something: what it fences, once it has been answered (S21).

mod reference;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request};
use http_body::Body;

use self::reference::reference;
use super::{
    body::{SharedBody, Watch},
    fence::{EpochNumber, FencedPlace, Fences},
    group::HttpGroup,
    grpc_web,
    key::{Places, authority_of, service_of},
    membership::Fencing,
    observe::HttpEvent,
    policy::GRPC_STATUS,
    watch::HttpWatch,
};
use crate::rare::Rare;

/// Where a request that may change something was sent, and what its answer fences.
pub(super) struct Write {
    /// The group whose fences the answer raises.
    group: HttpGroup,
    kind: Kind,
    /// Where it was sent.
    uri: Site,
    /// What was asked for before a router stripped it, if that is another one.
    original: Option<Box<Site>>,
    /// Who is told of it.
    told: Rare<Told>,
}

/// The observers of a write: those that were there when its request came.
struct Told {
    observers: usize,
    label: Option<Box<str>>,
}

/// Authority and path of a URI: all that is kept of a request until its answer is there.
struct Site {
    /// What is fenced there.
    number: EpochNumber,
    text: Text,
    /// How many bytes of it the authority takes, if there is one.
    authority: Option<usize>,
}

/// Authority and path, one behind the other. Most are short, and are kept without an allocation, which would take 140
/// instructions.
enum Text {
    Few { bytes: [u8; FEW_BYTES], length: u8 },
    Many(Box<[u8]>),
}

const FEW_BYTES: usize = 62;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its URI, and those that the answer names.
    Http,
    /// The service, once its status is known, which as a rule is in the trailers.
    Grpc,
}

/// gRPC statuses that say that nothing was done: invalid argument, not found, already exists, permission denied, failed
/// precondition, out of range, unimplemented, unauthenticated.
const REFUSED: [&[u8]; 8] = [b"3", b"5", b"6", b"7", b"9", b"11", b"12", b"16"];

impl Write {
    #[inline]
    pub(super) fn http(group: HttpGroup, parts: &request::Parts) -> Self {
        Self::new(group, parts, Kind::Http)
    }

    pub(super) fn grpc(group: HttpGroup, parts: &request::Parts) -> Self {
        Self::new(group, parts, Kind::Grpc)
    }

    #[inline]
    fn new(group: HttpGroup, parts: &request::Parts, kind: Kind) -> Self {
        let Places { uri, original } = Places::of(parts);
        // `Host` is the first field, as a rule: looking at each name is cheaper than hashing this one.
        let host = parts.headers.iter().find(|(name, _)| **name == header::HOST);
        let host = host.map(|(_, value)| value.as_bytes());
        let site = |uri| Site::new(uri, host, kind, group.fences());
        let (uri, original) = (site(uri), original.map(|original| Box::new(site(original))));
        Self { group, kind, uri, original, told: Rare::NONE }
    }

    /// Lets those who watch the request be told of what it fences.
    #[cold]
    pub(super) fn watched_by(&mut self, watch: &HttpWatch) {
        let (observers, label) = watch.told();
        self.told = Some(Box::new(Told { observers, label: label.map(Into::into) })).into();
    }

    /// Raises the fences as the head of the answer says, before anyone gets it. Returns what the fleet is being told,
    /// or `None` if only the trailers say what to fence.
    pub(super) fn answered(&self, status: StatusCode, headers: &HeaderMap) -> Option<Fencing> {
        match self.kind {
            _ if status.is_client_error() => Some(Fencing::default()),
            Kind::Http => Some(self.raise(Some(headers))),
            Kind::Grpc if !status.is_success() || headers.contains_key(&GRPC_STATUS) => Some(self.ended(Some(headers))),
            Kind::Grpc => None,
        }
    }

    /// Raises the fences of a call that failed: what it has changed is not known.
    pub(super) fn failed(&self) -> Fencing {
        self.raise(None)
    }

    /// Raises the fence of a gRPC call as its status says; without one, what it has changed is not known.
    fn ended(&self, trailers: Option<&HeaderMap>) -> Fencing {
        self.concluded(trailers.and_then(|trailers| trailers.get(&GRPC_STATUS)).map(HeaderValue::as_bytes))
    }

    fn concluded(&self, status: Option<&[u8]>) -> Fencing {
        if status.is_some_and(|status| REFUSED.contains(&status)) { Fencing::default() } else { self.raise(None) }
    }

    /// Watches the body of an answer for its end.
    pub(super) fn watch<RB>(self, body: SharedBody<RB>) -> SharedBody<RB>
    where
        SharedBody<RB>: Body,
    {
        if body.is_end_stream() {
            told_in_passing(self.ended(None));
            return body;
        }
        body.watched(Box::new(Watched { write: Some(self), has_answered: false }))
    }

    fn raise(&self, head: Option<&HeaderMap>) -> Fencing {
        let fencing = self.raise_all(head);
        if let Some(Told { observers, label }) = self.told.as_deref() {
            self.group.observers().tell(*observers, &HttpEvent::Fenced { label: label.as_deref() });
        }
        fencing
    }

    fn raise_all(&self, head: Option<&HeaderMap>) -> Fencing {
        let fences = self.group.fences();
        let sites = || [Some(&self.uri), self.original.as_deref()].into_iter().flatten();
        sites().for_each(|site| fences.raise_number(site.number));
        let (Kind::Http, Some(head)) = (self.kind, head) else {
            let paths = sites().map(|site| site.split().1);
            return self.group.fleets().fence(self.kind == Kind::Grpc, paths);
        };
        let mut led_to = Vec::new();
        // Each field leads somewhere once; one pass is cheaper than looking both up.
        for (name, value) in head {
            if *name == header::LOCATION || *name == header::CONTENT_LOCATION {
                let Ok(value) = std::str::from_utf8(value.as_bytes()) else { continue };
                led_to.extend(sites().filter_map(|site| {
                    let (authority, path) = site.split();
                    Some((authority, reference(authority, path, value)?))
                }));
            }
        }
        led_to.iter().for_each(|(authority, path)| fences.raise(FencedPlace::Path(*authority, path)));
        self.group
            .fleets()
            .fence(false, sites().map(|site| site.split().1).chain(led_to.iter().map(|(_, path)| &**path)))
    }
}

impl Site {
    fn new(uri: &Uri, host: Option<&[u8]>, kind: Kind, fences: &Fences) -> Self {
        let authority = authority_of(uri, host);
        let path = uri.path();
        let place = match kind {
            Kind::Http => FencedPlace::Path(authority, path),
            Kind::Grpc => FencedPlace::Service(authority, service_of(path)),
        };
        let text = Text::new(authority.unwrap_or_default(), path.as_bytes());
        Self { number: fences.number(place), text, authority: authority.map(<[u8]>::len) }
    }

    /// Returns the authority and the path.
    fn split(&self) -> (Option<&[u8]>, &str) {
        let (authority, path) = self.text.bytes().split_at(self.authority.unwrap_or_default());
        // It was the path of a URI, which is text.
        (self.authority.map(|_| authority), std::str::from_utf8(path).unwrap_or_default())
    }
}

impl Text {
    #[inline]
    fn new(authority: &[u8], path: &[u8]) -> Self {
        let length = authority.len() + path.len();
        let mut bytes = [0; FEW_BYTES];
        match bytes.split_at_mut_checked(authority.len()) {
            Some((first, rest)) if length <= FEW_BYTES => {
                first.copy_from_slice(authority);
                rest[..path.len()].copy_from_slice(path);
                Self::Few { bytes, length: length as u8 }
            }
            _ => Self::Many([authority, path].concat().into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Few { bytes, length } => &bytes[..usize::from(*length)],
            Self::Many(bytes) => bytes,
        }
    }
}

/// Raises the fences of a call that panics: what it has changed is not known (S21). To be forgotten once a poll has
/// returned: it would not do to ask whether the thread unwinds, since a `Drop` that runs meanwhile may poll a call.
pub(super) struct FenceOnPanic<'a>(pub(super) &'a mut Option<Write>);

impl Drop for FenceOnPanic<'_> {
    fn drop(&mut self) {
        if let Some(write) = self.0.take() {
            told_in_passing(write.failed());
        }
    }
}

/// Lets go of a write that is being told, where nobody can wait for it: the fleet is told all the same.
pub(super) fn told_in_passing(_: Fencing) {}

/// A gRPC call whose answer is being read.
struct Watched {
    /// `None` once its end is known.
    write: Option<Write>,
    /// A message has come: the call has done something, and its caller has been told.
    has_answered: bool,
}

impl Watch for Watched {
    fn data(&mut self, data: &Bytes) {
        if self.has_answered || data.is_empty() {
            return;
        }
        self.has_answered = true;
        if let (Some(status), Some(write)) = (grpc_web::status(data), &self.write) {
            told_in_passing(write.concluded(Some(status.as_bytes())));
            self.write = None;
        }
    }

    fn end(mut self: Box<Self>, trailers: Option<&HeaderMap>) {
        if let Some(write) = self.write.take() {
            told_in_passing(write.ended(trailers));
        }
    }
}

/// A caller that hangs up after a message may go on to read what the call has written, so the fences are raised. Before
/// the first message it is a call that was hung up, which fences nothing.
impl Drop for Watched {
    fn drop(&mut self) {
        if let Some(write) = self.write.take().filter(|_| self.has_answered) {
            told_in_passing(write.failed());
        }
    }
}
