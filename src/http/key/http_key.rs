//! The key itself.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use http::HeaderName;

use super::{
    encode::{Tag, Written, counted},
    fields::lines,
    identity::Identity,
};

/// What an HTTP request asks for; requests with equal keys may share a flight.
///
/// It is compared in full, and cheap to clone. [`HttpSingleflightLayer::key`](crate::HttpSingleflightLayer::key) makes it.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use tower_singleflight::HttpSingleflightLayer;
///
/// let (parts, ()) = Request::get("https://example.com/report/7?page=2").body(()).unwrap().into_parts();
/// let key = HttpSingleflightLayer::new().key(&parts).unwrap();
/// assert_eq!((key.method(), key.authority()), ("GET", Some("example.com")));
/// assert_eq!(key.path(), Some("/report/7"));
/// ```
#[derive(Clone)]
pub struct HttpKey {
    /// The request's fields that do not count, as they were asked, and behind them the tagged parts.
    bytes: Arc<[u8]>,
    /// Where the parts begin.
    start: usize,
    /// In the order of the recipe. Behind a pointer, since few keys have any and all are moved about.
    identities: Option<Arc<Vec<Identity>>>,
    /// The request says how long its caller waits, which is no part of what it asks for (S28).
    deadline: bool,
}

impl HttpKey {
    #[inline(always)]
    pub(super) fn new(bytes: &[u8], start: usize, identities: Option<Arc<Vec<Identity>>>, deadline: bool) -> Self {
        Self { bytes: Arc::from(bytes), start, identities, deadline }
    }

    /// Returns the tagged parts.
    #[inline]
    pub(super) fn parts(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Returns the lines of the fields that do not count.
    pub(super) fn others(&self) -> &[u8] {
        &self.bytes[..self.start]
    }

    /// Returns how many bytes it takes beside its identities.
    #[cfg(feature = "dry-run")]
    pub(in crate::http) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn identities(&self) -> &[Identity] {
        self.identities.as_ref().map_or(&[], |identities| identities)
    }

    /// Returns whether the request that it was made of has a deadline of its own (S28).
    pub(in crate::http) fn has_deadline(&self) -> bool {
        self.deadline
    }

    /// Returns the method.
    pub fn method(&self) -> &str {
        self.text(Tag::Method).unwrap_or_default()
    }

    /// Returns host and port as they were asked for; `None` if there were none, or if the application's key function
    /// took the place of the request's parts.
    pub fn authority(&self) -> Option<&str> {
        self.text(Tag::Authority)
    }

    /// Returns the path as it was asked for, before a router stripped it; `None` if the application's key function took
    /// the place of the request's parts.
    pub fn path(&self) -> Option<&str> {
        self.text(Tag::Path)
    }

    /// Returns the first part of a kind, up to the path.
    fn text(&self, wanted: Tag) -> Option<&str> {
        let mut rest = self.parts();
        while let Some((&tag, after)) = rest.split_first() {
            let (value, after) = counted(after)?;
            if tag == wanted as u8 {
                return std::str::from_utf8(value).ok();
            }
            if tag == Tag::Path as u8 {
                return None;
            }
            rest = after;
        }
        None
    }

    /// Returns the key of those who also agree in the named fields (S9).
    pub(in crate::http) fn variant(&self, names: &[HeaderName]) -> Self {
        let mut names = names.to_vec();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let mut written = Written::new();
        written.raw(&self.bytes);
        written.part(Tag::Variant, &[]);
        for name in &names {
            let name = name.as_str().as_bytes();
            written.values(Tag::Pieces, name, || lines(self.others(), name));
        }
        Self::new(written.bytes(), self.start, self.identities.clone(), self.deadline)
    }

    /// Returns the key of those whose content has this digest too.
    #[cfg(feature = "dry-run")]
    pub(in crate::http) fn with_content(&self, digest: &[u8]) -> Self {
        let mut written = Written::new();
        written.raw(&self.bytes);
        written.part(Tag::Content, digest);
        Self::new(written.bytes(), self.start, self.identities.clone(), self.deadline)
    }

    /// Returns whether both requests have the same lines in each of the named fields (S9).
    pub(in crate::http) fn agrees(&self, other: &Self, names: &[HeaderName]) -> bool {
        names.iter().all(|name| {
            let name = name.as_str().as_bytes();
            lines(self.others(), name).eq(lines(other.others(), name))
        })
    }
}

impl PartialEq for HttpKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts() && self.identities == other.identities
    }
}

impl Eq for HttpKey {}

impl Hash for HttpKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.parts());
        if let Some(identities) = &self.identities {
            identities.hash(state);
        }
    }
}

/// Prints nothing of the key: it may hold credentials.
impl fmt::Debug for HttpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpKey").finish_non_exhaustive()
    }
}
