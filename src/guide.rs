//! Pages to read: nothing is here but documentation.

/// Coming from Go.
#[doc = include_str!("../docs/coming-from-go.md")]
pub mod coming_from_go {}

/// Where the HTTP layer belongs.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/placement.md")]
pub mod placement {}

/// What is promised, what the key cannot see, and how to check a route.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/security.md")]
pub mod security {}

/// How to do what is often wanted.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/recipes.md")]
pub mod recipes {}

/// Why two requests did not merge, and what to do when it does not compile, hangs, is slow or panics.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/troubleshooting.md")]
pub mod troubleshooting {}

/// The rules of sharing over HTTP, by their numbers.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/http-rules.md")]
pub mod http_rules {}

/// What it costs, beside the alternatives.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}

/// Request fields that are no part of the key.
#[cfg(feature = "http")]
#[doc(inline)]
pub use crate::http::excepted_fields;
