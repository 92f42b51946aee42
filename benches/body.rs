//! What sharing a body costs its readers, beside the body itself.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tower_singleflight::http::BodySource;

const CHUNK: usize = 64 << 10;
const CHUNKS: usize = 64;

/// Chunks that are there at once.
struct Chunks(Bytes, usize);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.1 == 0 {
            return Poll::Ready(None);
        }
        self.1 -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.0.clone()))))
    }
}

async fn read(mut body: impl Body<Data = Bytes, Error: std::fmt::Debug> + Unpin) -> usize {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("a frame").data_ref().map_or(0, Bytes::len);
    }
    bytes
}

fn readers(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let chunk = Bytes::from(vec![7; CHUNK]);
    let chunks = || Chunks(chunk.clone(), CHUNKS);
    let mut bench = c.benchmark_group("body");
    bench.throughput(Throughput::Elements(CHUNKS as u64));
    bench.bench_function("the body itself", |b| b.to_async(&runtime).iter(|| read(chunks())));
    bench.bench_function("1 reader", |b| b.to_async(&runtime).iter(|| read(BodySource::new(chunks()).into_reader())));
    for readers in [2, 100] {
        bench.throughput(Throughput::Elements((readers * CHUNKS) as u64));
        bench.bench_function(format!("{readers} readers"), |b| {
            b.to_async(&runtime).iter(|| {
                let source = BodySource::new(chunks());
                let claims: Vec<_> = (1..readers).map(|_| source.clone()).collect();
                join_all(claims.into_iter().chain([source]).map(|claim| read(claim.into_reader())))
            });
        });
    }
}

criterion_group!(benches, readers);
criterion_main!(benches);
