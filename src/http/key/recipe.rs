//! How requests get their keys.

use std::{fmt, hash::Hash, sync::Arc};

use http::{HeaderName, HeaderValue, header, request, uri::Scheme};

use super::{
    HttpKey, baggage, cookies, directives,
    encode::{Tag, Written},
    excepted::{Listed, listed},
    fields::{Count, Found, Line},
    forwarded,
    identity::{Identity, IdentityFn},
    ignored::Ignored,
    places::Places,
    target::{Target, authority_of},
};
use crate::http::rule::Rule;

static CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

static VALIDATORS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// Which parts of a request its key is made of.
#[derive(Clone)]
pub(in crate::http) struct Recipe {
    /// Fields that count though the list has them.
    fields: Vec<HeaderName>,
    /// Fields that do not count though the list lacks them.
    ignored: Ignored,
    cookies: Vec<Box<str>>,
    pub(in crate::http) ignored_query: Vec<Box<str>>,
    identities: Vec<IdentityFn>,
    /// The user's own, in place of all else.
    key_fn: Option<IdentityFn>,
    default_scheme: Scheme,
    max_key_bytes: usize,
}

/// What is in a key beside its request's head.
#[derive(Clone, Copy, Default)]
pub(in crate::http) struct Beside<'a> {
    /// `Some` if it was read.
    pub(in crate::http) content: Option<&'a [u8]>,
    /// The sum of the epochs of all places that the request lies in (S21).
    pub(in crate::http) epoch: u64,
    /// How many services of the group the request has passed before (S2).
    pub(in crate::http) passed: u32,
    /// The key that it had at the last of them.
    pub(in crate::http) above: Option<&'a HttpKey>,
}

impl Recipe {
    pub(in crate::http) fn new() -> Self {
        Self {
            fields: Vec::new(),
            ignored: Ignored::default(),
            cookies: Vec::new(),
            ignored_query: Vec::new(),
            identities: Vec::new(),
            key_fn: None,
            default_scheme: Scheme::HTTP,
            max_key_bytes: 8 << 10,
        }
    }

    pub(in crate::http) fn per_credential(self) -> Self {
        CREDENTIALS.iter().cloned().fold(self, Self::key_header)
    }

    pub(in crate::http) fn key_validators(self) -> Self {
        VALIDATORS.iter().cloned().fold(self, Self::key_header)
    }

    pub(in crate::http) fn key_header(mut self, name: HeaderName) -> Self {
        if !self.fields.contains(&name) {
            self.fields.push(name);
        }
        self
    }

    /// # Panics
    ///
    /// Panics if the name is no field name, apart from a `*` at its end.
    #[track_caller]
    pub(in crate::http) fn ignore_header(mut self, name: &str) -> Self {
        self.ignored.add(name);
        self
    }

    pub(in crate::http) fn key_cookie(mut self, name: &str) -> Self {
        self.cookies.push(name.into());
        self
    }

    pub(in crate::http) fn ignore_query(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.ignored_query.extend(names.into_iter().map(|name| name.into().into_boxed_str()));
        self
    }

    pub(in crate::http) fn identity<F, I>(mut self, identity: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<I> + Send + Sync + 'static,
        I: Hash + Eq + Send + Sync + 'static,
    {
        self.identities.push(IdentityFn::new(identity));
        self
    }

    pub(in crate::http) fn key_fn<F, K>(mut self, key_fn: F) -> Self
    where
        F: Fn(&request::Parts) -> Option<K> + Send + Sync + 'static,
        K: Hash + Eq + Send + Sync + 'static,
    {
        self.key_fn = Some(IdentityFn::new(key_fn));
        self
    }

    /// Returns whether something else than the fields tells it who asks.
    pub(in crate::http) fn knows_who_asks(&self) -> bool {
        self.key_fn.is_some() || !self.identities.is_empty()
    }

    /// Returns whether cookies are parts of the key.
    pub(in crate::http) fn keys_cookies(&self) -> bool {
        !self.cookies.is_empty() || self.fields.contains(&header::COOKIE)
    }

    pub(in crate::http) fn default_scheme(mut self, scheme: Scheme) -> Self {
        self.default_scheme = scheme;
        self
    }

    pub(in crate::http) const fn max_key_bytes(mut self, bytes: usize) -> Self {
        self.max_key_bytes = bytes;
        self
    }

    /// Returns whether equal keys mean equal lines of this field.
    pub(in crate::http) fn covers(&self, name: &HeaderName) -> bool {
        self.key_fn.is_none() && self.standing(name, listed(name.as_str())) == Listed::No
    }

    /// Returns whether equal keys mean equal cookies of this name, where the field of all cookies is not in the key.
    #[cfg(feature = "dry-run")]
    pub(in crate::http) fn covers_cookie(&self, name: &[u8]) -> bool {
        self.key_fn.is_none() && self.cookies.iter().any(|chosen| chosen.as_bytes() == name)
    }

    /// Returns how a field stands to the list as the application has changed it.
    #[inline(always)]
    fn standing(&self, name: &HeaderName, listed: Listed) -> Listed {
        match listed {
            Listed::No if self.ignored.contains(name.as_str()) && !self.fields.contains(name) => Listed::Yes,
            Listed::No => Listed::No,
            _ if self.fields.contains(name) => Listed::No,
            listed => listed,
        }
    }

    /// Returns the key of a request. `look_at` is shown the lines that rules other than the key's look at, and may send it
    /// alone.
    ///
    /// What it calls is inlined always, since it is compiled for two kinds of `look_at`: without that, the one that every
    /// request takes cost 95 instructions more.
    pub(in crate::http) fn key(
        &self,
        parts: &request::Parts,
        beside: Beside<'_>,
        look_at: impl FnMut(&str, &HeaderValue) -> Result<(), Rule>,
    ) -> Result<HttpKey, Rule> {
        let mut written = Written::new();
        let mut found = Found::default();
        let is_users = self.key_fn.is_some();
        // Looked at once, and not for each field.
        let as_listed = self.fields.is_empty() && self.ignored.is_empty();
        let count = |name: &HeaderName, line: Line<'_>, listed| match listed {
            _ if is_users => Count::Never,
            listed if as_listed => Count::of(line, listed),
            listed => Count::of(line, self.standing(name, listed)),
        };
        found.gather(&parts.headers, &mut written, count, look_at)?;
        let start = written.len();
        let identities = self.identities(parts, beside.above)?;
        if is_users {
            write_users(parts, beside, &mut written);
        } else {
            self.write(parts, &found, beside, &mut written)?;
        }
        // The content has a cap of its own.
        let content = beside.content.map_or(0, <[u8]>::len);
        if written.len() - start > self.max_key_bytes.saturating_add(content) {
            return Err(Rule::S26KeyLength);
        }
        Ok(HttpKey::new(written.bytes(), start, identities, found.deadline))
    }

    /// Returns who asks: what the user's function finds, or else each identity, and who asked above.
    #[inline(always)]
    fn identities(&self, parts: &request::Parts, above: Option<&HttpKey>) -> Result<Option<Arc<Vec<Identity>>>, Rule> {
        let readers = self.key_fn.as_ref().map_or(&self.identities[..], std::slice::from_ref);
        let above = above.map_or(&[][..], HttpKey::identities);
        if readers.is_empty() && above.is_empty() {
            return Ok(None);
        }
        // That nothing is known of two callers does not make them the same one (S3).
        let found = readers.iter().map(|reader| reader.read(parts).ok_or(Rule::S3NoKey));
        let identities = found.chain(above.iter().cloned().map(Ok)).collect::<Result<_, _>>()?;
        Ok(Some(Arc::new(identities)))
    }

    /// Writes all parts of a request's key.
    #[inline(always)]
    fn write(
        &self,
        parts: &request::Parts,
        found: &Found<'_>,
        beside: Beside<'_>,
        written: &mut Written,
    ) -> Result<(), Rule> {
        let target = Target::new(parts, found.host, &self.ignored_query).ok_or(Rule::S2Target)?;
        write_beside(beside, parts, written);
        for scheme in target.schemes().into_iter().flatten() {
            written.part(Tag::Scheme, scheme.unwrap_or(&self.default_scheme).as_str().as_bytes());
        }
        target.write(written);
        found.counted.write(written);
        if found.forwarded {
            forwarded::write(&parts.headers, written)?;
        }
        if found.baggage {
            baggage::write(&parts.headers, written)?;
        }
        if found.directives {
            directives::write(&parts.headers, |name| !self.ignored.contains(name.as_str()), written);
        }
        if !self.cookies.is_empty() {
            cookies::write(&self.cookies, &parts.headers, written)?;
        }
        if let Some(content) = beside.content {
            written.part(Tag::Content, content);
        }
        Ok(())
    }
}

/// What every key begins with.
#[inline(always)]
fn write_beside(beside: Beside<'_>, parts: &request::Parts, written: &mut Written) {
    // Epoch 0, of what was never fenced, takes no bytes.
    if beside.epoch > 0 {
        written.part(Tag::Epoch, &beside.epoch.to_le_bytes());
    }
    if beside.passed > 0 {
        written.part(Tag::Passed, &beside.passed.to_le_bytes());
    }
    if let Some(above) = beside.above {
        written.part(Tag::Above, above.parts());
    }
    written.part(Tag::Method, parts.method.as_str().as_bytes());
}

/// Writes the parts that go with a key which the user's function found. A `HEAD` has another answer than a `GET`,
/// whatever the function says (S4).
fn write_users(parts: &request::Parts, beside: Beside<'_>, written: &mut Written) {
    write_beside(beside, parts, written);
    // The epochs of two places say nothing of each other, and the function may take both for one (S21).
    if beside.epoch > 0 {
        let Places { uri, original } = Places::of(parts);
        let host = parts.headers.get(header::HOST).map(HeaderValue::as_bytes);
        for uri in [uri, original.unwrap_or(uri)] {
            written.part(Tag::Place, &authority_of(uri, host).unwrap_or_default().to_ascii_lowercase());
            written.part(Tag::Place, uri.path().as_bytes());
        }
    }
    if let Some(content) = beside.content {
        written.part(Tag::Content, content);
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe")
            .field("fields", &self.fields)
            .field("ignored", &self.ignored)
            .field("cookies", &self.cookies)
            .field("ignored_query", &self.ignored_query)
            .field("identities", &self.identities.len())
            .field("max_key_bytes", &self.max_key_bytes)
            .finish_non_exhaustive()
    }
}
