//! Recipes to copy from; each has a program that shows it and a test.

#![forbid(unsafe_code)]

pub mod cache;
pub mod hedge;
pub mod own_writes;
pub mod settings;
