//! The dry run: what passes through it, what it says would have been saved, and what it finds unsafe.

mod bounds;
mod compared;
mod content;
mod found;
#[cfg(feature = "axum")]
mod handlers;
mod kept;
mod named;
mod ready;
mod reloads;
mod saved;
mod transparent;
mod two_layers;
