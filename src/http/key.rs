//! What is asked: the key of an HTTP request.
//!
//! Two requests may share a flight only if their keys are equal, so a key holds everything that the answer may depend
//! on. A [`Recipe`] says what that is; a request in doubt has no key and goes alone: `Host` repeated, malformed or at
//! odds with the URI, a keyed field that is not ASCII, a cookie that does not parse, more bytes than the cap (S2, S26).

mod cookies;
mod encode;
mod fields;
mod forwarded;
mod http_key;
mod identity;
mod original;
mod recipe;
mod target;

pub use self::http_key::HttpKey;
pub(super) use self::recipe::{Metadata, Recipe};

#[cfg(test)]
mod tests;
