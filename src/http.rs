//! Coalescing over HTTP.

mod body;
mod key;
mod policy;
