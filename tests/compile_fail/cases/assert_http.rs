//! What a service has to be for the HTTP layer.

use std::{collections::VecDeque, convert::Infallible};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Full, combinators::BoxBody};
use tower::{
    BoxError, Layer,
    util::{BoxCloneSyncService, BoxService},
};
use tower_singleflight::{HttpSingleflightLayer, assert_service};

type Body = Full<Bytes>;
type Asked = Request<Body>;
type Service<RB, E> = BoxCloneSyncService<Asked, Response<RB>, E>;

struct NoError;

fn an_error_that_is_not_clone(service: Service<Body, BoxError>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().layer(service));
}

fn a_service_that_is_not_clone(service: BoxService<Asked, Response<Body>, Infallible>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().layer(service));
}

fn a_body_whose_data_is_not_bytes(service: Service<Full<VecDeque<u8>>, Infallible>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().layer(service));
}

fn a_response_without_a_body(service: Service<(), Infallible>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().layer(service));
}

fn a_body_whose_error_is_none(service: Service<BoxBody<Bytes, NoError>, Infallible>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().layer(service));
}

fn a_service_that_takes_no_content_that_was_read(service: Service<Body, Infallible>) {
    assert_service::<Asked, _>(&HttpSingleflightLayer::new().content_key(1 << 10).layer(service));
}

fn main() {}
