//! What must hold of the repository itself.

mod crates;
mod files;
mod imports;

mod circles;
mod doc_comments;
mod flights;
mod names;
mod pages;
mod rooms;
mod rules_page;
mod versions;
