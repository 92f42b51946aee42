//! Keys that were once too equal, or not equal enough.

use http::HeaderName;

use super::{Metadata, Recipe, parts};

#[test]
fn s09_a_field_that_is_named_counts_over_grpc_too() {
    let name = HeaderName::from_static("x-request-id");
    let recipe = Recipe::new().key_header(name.clone());
    let of = |id| recipe.key(&parts("/p.S/M", &[("x-request-id", id)]), Some(b"m"), Metadata::Grpc, 0).unwrap();
    assert_eq!(of("1"), of("1"));
    // What `covers` promises lets a `Vary` go unchecked.
    assert!(recipe.covers(&name));
    assert_ne!(of("1"), of("2"));
}
