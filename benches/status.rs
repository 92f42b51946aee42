//! What the live page costs: a snapshot of it with 1,000 routes, and each call that it counts. A snapshot is measured in
//! CPU time of its thread, so that it matters little what else the machine does.

use std::{future::pending, hint::black_box, thread, time::Duration};

use cpu_time::ThreadTime;
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::Request;
use http_body_util::BodyExt;
use tokio::runtime::{Builder, Runtime};
use tower::Service;
use tower_singleflight::{Group, http::StatusPage};

/// A snapshot is made once in this time, whoever asks.
const PERIOD: Duration = Duration::from_millis(250);

/// Tokio's time, which goes on when it is told to.
fn paused() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// Returns how many bytes the first event of a new stream has.
async fn event(page: &mut StatusPage) -> usize {
    let request = Request::get("/events").body(()).expect("a request");
    let Ok(response) = page.call(request).await;
    let mut events = response.into_body();
    let mut length = 0;
    for _ in 0..2 {
        let frame = events.frame().await.and_then(Result::ok).and_then(|frame| frame.into_data().ok());
        length = frame.expect("an event").len();
    }
    length
}

/// Counts calls of all routes, as each thread of a server would.
fn calls(page: &StatusPage) {
    for number in 0..1_000 {
        let group = Group::<u32, ()>::new().observed(page.named(&format!("/some/route/{number:03}/of/many")));
        for _ in 0..4 {
            group.call(7, || async {}).now_or_never();
        }
    }
}

fn snapshot(c: &mut Criterion) {
    let runtime = paused();
    let _inside = runtime.enter();
    let mut page = StatusPage::new();
    // On as many threads as there are stripes at most; each has the runtime's time.
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let _inside = runtime.enter();
                calls(&page);
            });
        }
    });
    let group = Group::<u32, ()>::new().observed(page.named("/under/way"));
    let under_way: Vec<_> = (0..1_000).map(|key| group.call(key, pending)).collect();
    runtime.block_on(tokio::time::advance(Duration::from_secs(60)));
    calls(&page);
    c.bench_function("a snapshot of 1,000 routes and flights, CPU", |b| {
        b.iter_custom(|count| {
            let mut spent = Duration::ZERO;
            for _ in 0..count {
                runtime.block_on(tokio::time::advance(PERIOD));
                let start = ThreadTime::now();
                black_box(runtime.block_on(event(&mut page)));
                spent += start.elapsed();
            }
            spent
        });
    });
    println!("it has {} bytes", runtime.block_on(event(&mut page)));
    drop(under_way);
}

fn counting(c: &mut Criterion) {
    let mut bench = c.benchmark_group("solo call");
    let bare = Group::new();
    bench.bench_function("unobserved", |b| b.iter(|| black_box(bare.call(7, || async { 7 }).now_or_never())));
    let observed = Group::new().observed(StatusPage::new());
    bench.bench_function("on the page", |b| b.iter(|| black_box(observed.call(7, || async { 7 }).now_or_never())));
}

criterion_group!(benches, snapshot, counting);
criterion_main!(benches);
