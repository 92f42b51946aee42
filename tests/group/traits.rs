//! Which of the public types cross threads, and which bounds the types do not have.

use tower::layer::Layer;
use tower_singleflight::{
    Call, Group, Limits, Outcome, Reason, ResponseFuture, Role, SharedError, Singleflight, SingleflightLayer,
};

fn crosses_threads<T: Send + Sync>() {}
fn moves_between_threads<T: Send + Unpin>() {}
fn is_error<T: std::error::Error + Clone + Send + Sync + 'static>() {}

#[derive(Clone)]
struct Plain;

/// Neither `Hash`, `Clone`, `Sync` nor anything else.
struct Unbounded(#[allow(dead_code)] std::cell::Cell<u8>);

#[test]
fn the_public_types_cross_threads() {
    crosses_threads::<Group<String, String>>();
    crosses_threads::<Singleflight<Plain, fn(&u8) -> Option<u8>, u8, Result<u8, u8>>>();
    crosses_threads::<SingleflightLayer<fn(&u8) -> Option<u8>, u8, Result<u8, u8>>>();
    crosses_threads::<(Limits, Outcome<u8>, Reason, Role, SharedError)>();
    moves_between_threads::<Call<String, String, fn() -> std::future::Ready<String>>>();
    moves_between_threads::<ResponseFuture<Plain, u8, u8, Result<u8, u8>>>();
    is_error::<SharedError>();
}

#[test]
fn types_can_be_named_and_layered_without_bounds() {
    drop(Group::<Unbounded, Unbounded>::new());
    drop(SingleflightLayer::<_, Unbounded, Unbounded>::new(Plain).layer(Unbounded(1.into())));
}
