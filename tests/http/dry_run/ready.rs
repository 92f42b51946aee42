//! With a dry run a service is as ready as it is without the layer: back-pressure reaches those who stand above.

use std::task::{Context, Poll};

use futures_util::future::{Pending, pending};
use http::{Request, Response};
use http_body::Body;
use tokio_test::task::spawn;
use tower::{
    Layer, Service, ServiceExt,
    limit::ConcurrencyLimit,
    load_shed::{LoadShed, error::Overloaded},
};
use tower_singleflight::{HttpSingleflightLayer, http::DryRun};

use crate::origin::{Fault, OriginBody, RequestBody, get};

/// Never answers; and if it is down, it is never ready.
#[derive(Clone)]
struct Origin {
    is_down: bool,
}

impl<B: Body> Service<Request<B>> for Origin {
    type Response = Response<OriginBody>;
    type Error = Fault;
    type Future = Pending<Result<Response<OriginBody>, Fault>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(if self.is_down { Err(Fault("down")) } else { Ok(()) })
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        pending()
    }
}

/// Returns whether the second of two requests is turned away, which find room for one.
fn sheds<S>(service: S) -> bool
where
    S: Service<Request<RequestBody>, Error = Fault>,
{
    let mut service = LoadShed::new(service);
    assert!(matches!(spawn(service.ready()).poll(), Poll::Ready(Ok(_))));
    let mut first = spawn(service.call(get("/x")));
    assert!(matches!(spawn(service.ready()).poll(), Poll::Ready(Ok(_))));
    let mut second = spawn(service.call(get("/y")));
    assert!(first.poll().is_pending());
    matches!(second.poll(), Poll::Ready(Err(error)) if error.is::<Overloaded>())
}

/// Returns whether it is told before a request is made that the service is down.
fn tells<S>(mut service: S) -> bool
where
    S: Service<Request<RequestBody>, Error = Fault>,
{
    let ready = spawn(service.ready()).poll().map(|ready| ready.map(drop));
    matches!(ready, Poll::Ready(Err(Fault("down"))))
}

#[tokio::test]
async fn who_stands_above_sees_whether_the_service_is_ready() {
    let heads = HttpSingleflightLayer::new().dry_run(DryRun::new());
    let content = HttpSingleflightLayer::new().content_key(64).dry_run(DryRun::new());
    let limited = || ConcurrencyLimit::new(Origin { is_down: false }, 1);
    assert!([sheds(limited()), sheds(heads.layer(limited())), sheds(content.layer(limited()))] == [true; 3]);
    let down = || Origin { is_down: true };
    assert!([tells(down()), tells(heads.layer(down())), tells(content.layer(down()))] == [true; 3]);
    assert_eq!((heads.dry_run_report().under_way(), content.dry_run_report().under_way()), ((0, 0), (0, 0)));
}
