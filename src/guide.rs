//! Pages to read: nothing is here but documentation.

/// Coming from Go.
#[doc = include_str!("../docs/coming-from-go.md")]
pub mod coming_from_go {}

/// Where the HTTP layer belongs.
#[cfg(feature = "http")]
#[doc = include_str!("../docs/placement.md")]
pub mod placement {}

/// Request fields that are no part of the key.
#[cfg(feature = "http")]
#[doc(inline)]
pub use crate::http::excepted_fields;
