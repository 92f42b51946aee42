//! The dry run: what passes through it, what it says would have been saved, and what it finds unsafe.

mod found;
mod saved;
mod transparent;
