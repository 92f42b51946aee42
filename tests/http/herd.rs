//! Many callers of one page, each a task of its own.

use http::{Request, Response};
use tokio::task::JoinHandle;
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    http::{Coalesced, Rule},
};

use crate::origin::{Answer, OriginBody, Plain, RequestBody, bench, get, ok, text};

pub(crate) type Task = JoinHandle<Answer>;

/// Sends so many plain requests, each polled by a task of its own.
pub(crate) fn herd(bench: &mut Plain, callers: usize) -> Vec<Task> {
    let calls: Vec<_> = (0..callers).map(|_| bench.call(get("/x"))).collect();
    calls.into_iter().map(|call| tokio::spawn(call.into_inner())).collect()
}

pub(crate) async fn texts(tasks: Vec<Task>) -> Vec<String> {
    let mut texts = Vec::new();
    for task in tasks {
        texts.push(text(task.await.unwrap().unwrap()).await);
    }
    texts
}

pub(crate) fn rule(response: &Response<SharedBody<OriginBody>>) -> Option<Rule> {
    response.extensions().get::<Coalesced>().unwrap().rule
}

/// Lets so many requests meet one answer, given to each call; returns how many calls that took.
pub(crate) async fn calls(
    layer: HttpSingleflightLayer,
    requests: [Request<RequestBody>; 3],
    said: &[(&str, &str)],
) -> usize {
    let mut bench: Plain = bench(layer);
    let tasks = requests.map(|request| bench.call(request)).map(|call| tokio::spawn(call.into_inner()));
    let mut answered = 0;
    while answered < bench.count().await {
        bench.next().await.answer(ok(said, "x"));
        answered += 1;
    }
    for task in tasks {
        assert_eq!(text(task.await.unwrap().unwrap()).await, "x");
    }
    assert!(bench.group.is_empty());
    answered
}

pub(crate) fn plain() -> [Request<RequestBody>; 3] {
    [get("/x"), get("/x"), get("/x")]
}
