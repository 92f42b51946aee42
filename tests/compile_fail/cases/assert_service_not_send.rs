//! A flight that is shared calls the service in a task of its own.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    rc::Rc,
    task::{Context, Poll},
};

use tower::{Layer, Service};
use tower_singleflight::{SingleflightLayer, assert_service};

#[derive(Clone)]
struct Counts(Rc<u64>);

impl Service<u64> for Counts {
    type Response = u64;
    type Error = Infallible;
    type Future = Ready<Result<u64, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, id: u64) -> Self::Future {
        ready(Ok(id + *self.0))
    }
}

fn by_id(id: &u64) -> Option<u64> {
    Some(*id)
}

fn main() {
    assert_service::<u64, _>(&SingleflightLayer::new(by_id).layer(Counts(Rc::new(7))));
}
