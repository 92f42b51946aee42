//! What must hold of the repository itself.

mod files;

mod rules_page;
