//! What is asked: the key of an HTTP request.
//!
//! Two requests may share a flight only if their keys are equal, so a key holds everything that the answer may depend
//! on: all fields but those of one list (S27). A [`Recipe`] says what that is. A request in doubt has no key and goes
//! alone: one whose `Host` is repeated, malformed or at odds with the URI, with a field that counts and is not ASCII,
//! with a cookie that does not parse, or with more bytes than the cap (S2, S26).

mod baggage;
mod cookies;
mod decode;
mod decoded;
mod difference;
mod directives;
mod encode;
mod excepted;
mod fields;
mod forwarded;
mod http_key;
mod identity;
mod ignored;
#[cfg(feature = "dry-run")]
mod one_call;
mod original;
mod places;
mod recipe;
mod target;
#[cfg(feature = "fleet")]
mod travel;

#[cfg(any(doc, doctest))]
pub use self::excepted::fields as excepted_fields;
#[cfg(feature = "fleet")]
pub(super) use self::travel::Travelling;
pub(super) use self::{
    cookies::are_all_named,
    original::original_uri,
    places::{Places, fenced, service_of},
    recipe::{Beside, Recipe},
    target::authority_of,
};
#[cfg(feature = "dry-run")]
pub(super) use self::{cookies::cookies_by_name, one_call::is_of_one_call};
pub use self::{difference::Difference, http_key::HttpKey};

#[cfg(test)]
mod tests;
