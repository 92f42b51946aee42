//! The dry run: what passes through it, what it says would have been saved, and what it finds unsafe.

mod found;
#[cfg(feature = "axum")]
mod handlers;
mod saved;
mod transparent;
