//! What must hold of the repository itself.

mod crates;
mod files;
mod imports;

mod circles;
mod pages;
mod rooms;
mod rules_page;
mod versions;
