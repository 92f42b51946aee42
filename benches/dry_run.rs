//! What a dry run costs an answer of 10 KiB that it watches and compares, in CPU time of the thread.

use std::{convert::Infallible, hint::black_box, time::Duration};

use bytes::Bytes;
use cpu_time::ThreadTime;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tokio::runtime::Builder;
use tower::{Layer, Service, service_fn};
use tower_singleflight::{HttpSingleflightLayer, http::DryRun};

/// An answer that is there in one piece.
static CONTENT: [u8; 10 << 10] = [b'x'; 10 << 10];

fn request() -> Request<Full<Bytes>> {
    let request =
        Request::get("/items/7").header("host", "bench").header("accept", "*/*").header("user-agent", "bench");
    request.body(Full::default()).expect("a request")
}

/// Returns the CPU time of one answer: two requests come at a time, so that what is watched is compared as well.
async fn of_one<S, B>(mut service: S, pairs: u64) -> Duration
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut spent = Duration::ZERO;
    for _ in 0..pairs {
        let requests = [request(), request()];
        let start = ThreadTime::now();
        let calls = requests.map(|request| service.call(request));
        for call in calls {
            let Ok(response) = call.await;
            black_box(response.into_body().collect().await.is_ok());
        }
        spent += start.elapsed();
    }
    spent / 2
}

fn watched(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pages = service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(&CONTENT))))
    });
    let mut bench = c.benchmark_group("an answer of 10 KiB, CPU");
    bench.bench_function("bare", |b| b.iter_custom(|count| runtime.block_on(of_one(pages, count))));
    let layer = HttpSingleflightLayer::new().dry_run(DryRun::new());
    bench.bench_function("watched", |b| b.iter_custom(|count| runtime.block_on(of_one(layer.layer(pages), count))));
    let unwatched = HttpSingleflightLayer::new().dry_run(DryRun::new().sample(0, 1));
    bench.bench_function("not watched", |b| {
        b.iter_custom(|count| runtime.block_on(of_one(unwatched.layer(pages), count)));
    });
    bench.finish();
    let report = layer.dry_run_report();
    let route = report.routes().first().expect("a route");
    assert_eq!(route.same(), route.saved(), "each pair is compared");
}

criterion_group!(benches, watched);
criterion_main!(benches);
