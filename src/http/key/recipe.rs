//! How requests get their keys.

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher},
    sync::Arc,
};

use http::{HeaderName, Method, header, request, uri::Scheme};

use super::{
    HttpKey, cookies,
    encode::{Hashed, Sink, Tag, Write, encode},
    fields::{Fields, Lines},
    forwarded,
    identity::IdentityFn,
    target::{Target, host},
};

static CREDENTIALS: [HeaderName; 3] = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

static VALIDATORS: [HeaderName; 2] = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// What the content is, without which its bytes mean nothing (draft QUERY, "Caching").
static CONTENT: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION];

/// Which parts of a request its key is made of.
#[derive(Clone)]
pub(in crate::http) struct Recipe {
    /// Beside the negotiated ones.
    fields: Vec<HeaderName>,
    cookies: Vec<Box<str>>,
    ignored_query: Vec<Box<str>>,
    identities: Vec<IdentityFn>,
    default_scheme: Scheme,
    max_key_bytes: usize,
}

/// Which fields of a request count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Metadata {
    /// Those that the recipe names.
    Ordinary,
    /// All but those of one hop or one call.
    Grpc,
}

impl Recipe {
    pub(in crate::http) fn new() -> Self {
        Self {
            fields: Vec::new(),
            cookies: Vec::new(),
            ignored_query: Vec::new(),
            identities: Vec::new(),
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
        if !self.covers(&name) {
            self.fields.push(name);
        }
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
        is_negotiated(name) || self.fields.contains(name)
    }

    /// Returns the key of a request; content is `Some` if it was read.
    pub(in crate::http) fn key(
        &self,
        parts: &request::Parts,
        content: Option<&[u8]>,
        metadata: Metadata,
        epoch: u64,
    ) -> Option<HttpKey> {
        let mut identities = Vec::new();
        for identity in &self.identities {
            // Nobody is never the same as nobody else (S3).
            identities.push(identity.read(parts)?);
        }
        // The content has a cap of its own.
        let max = self.max_key_bytes.saturating_add(content.map_or(0, <[u8]>::len));
        // Other methods than these are about their content, even if it is empty.
        let has_content = content.is_some() || !matches!(parts.method, Method::GET | Method::HEAD);
        let counts = |name: &HeaderName| match metadata {
            Metadata::Ordinary => self.covers(name) || (has_content && CONTENT.contains(name)),
            // What is named stays a part: `covers` has promised it.
            Metadata::Grpc => !is_per_call(name) || self.covers(name),
        };
        let mut lines = Lines::default();
        lines.gather(&parts.headers, counts)?;
        let target = Target::new(parts, lines.host, &self.ignored_query)?;
        let key = Key { recipe: self, target, parts, content, lines: &lines, epoch };
        let encoded = encode(&key, &Fields(&parts.headers), max)?;
        Some(HttpKey::new(encoded, (!identities.is_empty()).then(|| Arc::from(identities))))
    }

    /// Returns a hash of the URI as the key has it, its scheme left out: equal for all keys of one URI (S21).
    pub(in crate::http) fn uri_hash(&self, parts: &request::Parts, hasher: &impl BuildHasher) -> u64 {
        let mut sink = Hashed(hasher.build_hasher());
        // A request without a valid target has no key either.
        let target = host(&parts.headers).and_then(|host| Target::new(parts, host, &self.ignored_query));
        if let Some(target) = target {
            let _ = target.write(&mut sink);
        }
        sink.0.finish()
    }
}

/// All parts of a request's key.
struct Key<'a> {
    recipe: &'a Recipe,
    target: Target<'a>,
    parts: &'a request::Parts,
    content: Option<&'a [u8]>,
    lines: &'a Lines<'a>,
    epoch: u64,
}

impl Write for Key<'_> {
    fn write(&self, sink: &mut impl Sink) -> Option<()> {
        let Self { recipe, target, parts, content, lines, epoch } = self;
        // Epoch 0, of URIs that were never fenced, takes no bytes.
        if *epoch > 0 {
            sink.part(Tag::Epoch, &epoch.to_le_bytes());
        }
        sink.part(Tag::Method, parts.method.as_str().as_bytes());
        for scheme in target.schemes().into_iter().flatten() {
            sink.part(Tag::Scheme, scheme.unwrap_or(&recipe.default_scheme).as_str().as_bytes());
        }
        target.write(sink)?;
        lines.write(sink)?;
        if lines.forwarded {
            forwarded::write(&parts.headers, sink)?;
        }
        if !recipe.cookies.is_empty() {
            cookies::write(&recipe.cookies, &parts.headers, sink)?;
        }
        if let Some(content) = content {
            sink.part(Tag::Content, content);
        }
        Some(())
    }
}

/// Returns whether a field is always a part of the key. A handler that forgets `Vary` is the commonest fault;
/// `Last-Event-ID` says where an event stream is to go on; and of what a gateway saw, or says was asked for, a handler
/// may make links and redirects, and frameworks the target itself.
fn is_negotiated(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept"
            | "accept-encoding"
            | "accept-language"
            | "origin"
            | "x-forwarded-host"
            | "x-forwarded-proto"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-original-url"
            | "x-rewrite-url"
            | "last-event-id"
    )
}

/// Fields that differ between calls which ask the same: of one hop (RFC 9110, section 7.6.1), of one message's framing,
/// of one call's deadline, attempt or trace. `host` is a part of the target.
fn is_per_call(name: &HeaderName) -> bool {
    let text = name.as_str();
    matches!(
        text,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "host"
            | "content-length"
            | "grpc-timeout"
            | "grpc-previous-rpc-attempts"
            | "traceparent"
            | "tracestate"
            | "baggage"
            | "b3"
            | "grpc-trace-bin"
            | "grpc-tags-bin"
            | "uber-trace-id"
            | "x-cloud-trace-context"
            | "x-amzn-trace-id"
            | "sentry-trace"
            | "x-request-id"
            | "x-correlation-id"
    ) || text.starts_with("x-b3-")
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
            .field("cookies", &self.cookies)
            .field("ignored_query", &self.ignored_query)
            .field("identities", &self.identities.len())
            .field("max_key_bytes", &self.max_key_bytes)
            .finish_non_exhaustive()
    }
}
