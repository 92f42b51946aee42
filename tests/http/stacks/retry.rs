//! Who tries again: once, after a 503 or an error.
//!
//! Retry wants requests that can be cloned. Those of a server have a body that cannot: `BodySource` makes one that can,
//! each clone of which is read from the first frame on.

use std::future::{Ready, ready};

use http::{Request, Response, StatusCode};
use tower::retry::Policy;

#[derive(Clone)]
pub(crate) struct Once(bool);

impl Once {
    pub(crate) fn more() -> Self {
        Self(true)
    }

    fn again(&mut self, failed: bool) -> Option<Ready<()>> {
        (failed && std::mem::take(&mut self.0)).then(|| ready(()))
    }
}

fn failed<B, E>(result: &Result<Response<B>, E>) -> bool {
    let of_grpc = |response: &Response<B>| response.headers().get("grpc-status").is_some_and(|status| status == "14");
    result.as_ref().map_or(true, |response| response.status() == StatusCode::SERVICE_UNAVAILABLE || of_grpc(response))
}

impl<B: Clone, RB, E> Policy<Request<B>, Response<RB>, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<B>, result: &mut Result<Response<RB>, E>) -> Option<Ready<()>> {
        self.again(failed(result))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

impl<RB, E> Policy<reqwest::Request, Response<RB>, E> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut reqwest::Request, result: &mut Result<Response<RB>, E>) -> Option<Ready<()>> {
        self.again(failed(result))
    }

    fn clone_request(&mut self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }
}

/// For a typed gRPC call, whose error is the status.
impl<R> Policy<reports_proto::GetRequest, R, tonic::Status> for Once {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut reports_proto::GetRequest, result: &mut Result<R, tonic::Status>) -> Option<Ready<()>> {
        self.again(result.is_err())
    }

    fn clone_request(&mut self, request: &reports_proto::GetRequest) -> Option<reports_proto::GetRequest> {
        Some(*request)
    }
}
