//! With a dry run every request and every answer is what it is without the layer: a property test of random requests, bodies
//! and faults.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio_test::task::spawn;
use tower::{Layer, Service};
use tower_singleflight::{HttpSingleflightLayer, http::DryRun};

use crate::origin::Fault;

/// What the service does with a request, and what its caller does.
#[derive(Clone, Debug)]
struct Plan {
    method: &'static str,
    path: &'static str,
    fields: Vec<(&'static str, &'static str)>,
    content: &'static str,
    /// How often the service is pending before its head.
    waits: usize,
    /// `None`: an error.
    status: Option<u16>,
    said: Vec<(&'static str, &'static str)>,
    frames: Vec<Part>,
    sized: bool,
    /// After how many polls the caller leaves.
    leaves: usize,
}

#[derive(Clone, Debug)]
enum Part {
    Wait,
    Data(&'static str),
    Trailers,
    Fault,
}

/// All that can be seen of one call, from above and from below.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    requests: Vec<String>,
    answer: Vec<String>,
}

struct Parts {
    left: VecDeque<Part>,
    size: Option<u64>,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Poll::Ready(match self.left.pop_front() {
            None => None,
            Some(Part::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Part::Data(data)) => {
                self.size = self.size.map(|size| size - data.len() as u64);
                Some(Ok(Frame::data(Bytes::from_static(data.as_bytes()))))
            }
            Some(Part::Trailers) => {
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            Some(Part::Fault) => Some(Err(Fault("cut"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Answers the request of each number by its plan.
#[derive(Clone)]
struct Planned {
    plans: Arc<Vec<Plan>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Number(usize);

impl<B> Service<Request<B>> for Planned
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Debug,
{
    type Response = Response<Parts>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Parts>, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let number = parts.extensions.get::<Number>().unwrap().0;
        let seen = Arc::clone(&self.seen);
        let plan = self.plans[number].clone();
        let head = format!(
            "{:?} {:?} {:?} {:?} {} {:?} {}",
            parts.method,
            parts.uri,
            parts.version,
            parts.headers,
            parts.extensions.len(),
            body.size_hint(),
            body.is_end_stream()
        );
        Box::pin(async move {
            let mut body = std::pin::pin!(body);
            let mut content = Vec::new();
            while let Some(frame) = body.frame().await {
                content.push(format!("{frame:?} {:?}", body.size_hint()));
            }
            seen.lock().unwrap()[number].requests.push(format!("{head} {content:?}"));
            for _ in 0..plan.waits {
                tokio::task::yield_now().await;
            }
            let Some(status) = plan.status else { return Err(Fault("down")) };
            let response = plan.said.iter().fold(Response::builder().status(status), |b, (n, v)| b.header(*n, *v));
            let size = plan.frames.iter().map(|part| if let Part::Data(data) = part { data.len() as u64 } else { 0 });
            let size = plan.sized.then(|| size.sum());
            Ok(response.extension(number).body(Parts { left: plan.frames.into(), size }).unwrap())
        })
    }
}

fn request(plan: &Plan, number: usize) -> Request<Full<Bytes>> {
    let builder = Request::builder().method(Method::from_bytes(plan.method.as_bytes()).unwrap()).uri(plan.path);
    let builder = plan.fields.iter().fold(builder, |b, (name, value)| b.header(*name, *value));
    builder.version(Version::HTTP_11).extension(Number(number)).body(Full::from(plan.content)).unwrap()
}

/// Sends all requests at once and polls them in turn; returns what was seen of each.
async fn run<S, RB>(plans: &[Plan], service: impl FnOnce(Planned) -> S) -> Vec<Seen>
where
    S: Service<Request<Full<Bytes>>, Response = Response<RB>, Error = Fault>,
    RB: Body<Data = Bytes>,
    RB::Error: std::fmt::Display,
{
    let seen = Arc::new(Mutex::new(vec![Seen::default(); plans.len()]));
    let mut service = service(Planned { plans: Arc::new(plans.to_vec()), seen: Arc::clone(&seen) });
    let mut calls: Vec<_> =
        plans.iter().enumerate().map(|(n, plan)| Some(spawn(service.call(request(plan, n))))).collect();
    let mut bodies: Vec<_> = plans.iter().map(|_| None).collect();
    for round in 0..64 {
        for (number, plan) in plans.iter().enumerate() {
            if round >= plan.leaves {
                (calls[number], bodies[number]) = (None, None);
                continue;
            }
            let note = |text: String| seen.lock().unwrap()[number].answer.push(text);
            if let Some(Poll::Ready(result)) = calls[number].as_mut().map(|call| call.poll()) {
                calls[number] = None;
                match result {
                    Ok(response) => {
                        let (head, body) = response.into_parts();
                        let own = head.extensions.get::<usize>().copied();
                        note(format!(
                            "{:?} {:?} {:?} {}",
                            head.status,
                            head.version,
                            head.headers,
                            head.extensions.len()
                        ));
                        note(format!("{own:?} {:?} {}", body.size_hint(), body.is_end_stream()));
                        bodies[number] = Some(Box::pin(body));
                    }
                    Err(error) => note(error.to_string()),
                }
            } else if let Some(body) = &mut bodies[number] {
                let polled = std::future::poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await;
                match polled {
                    Poll::Pending => note("pending".to_owned()),
                    Poll::Ready(None) => note("end".to_owned()),
                    Poll::Ready(Some(Ok(frame))) => note(format!("{frame:?}")),
                    Poll::Ready(Some(Err(error))) => note(format!("error {error}")),
                }
                note(format!("{:?} {}", body.size_hint(), body.is_end_stream()));
            }
        }
        tokio::task::yield_now().await;
    }
    drop((calls, bodies));
    std::mem::take(&mut seen.lock().unwrap())
}

fn plan() -> impl Strategy<Value = Plan> {
    let field = || {
        let names =
            prop::sample::select(&["accept", "x-tenant", "user-agent", "x-request-id", "cookie", "cache-control"][..]);
        (names, prop::sample::select(&["a", "b", "no-cache", "odd\"value"][..]))
    };
    let said = || {
        let fields = [
            ("vary", "user-agent"),
            ("vary", "*"),
            ("cache-control", "private"),
            ("cache-control", "max-age=5"),
            ("set-cookie", "a=b"),
            ("content-length", "4"),
            ("connection", "x-hop"),
            ("date", "now"),
        ];
        prop::sample::select(fields.to_vec())
    };
    let part = prop_oneof![
        Just(Part::Wait),
        prop::sample::select(&["", "rows", "more rows"][..]).prop_map(Part::Data),
        Just(Part::Trailers),
        Just(Part::Fault),
    ];
    let asked = (
        prop::sample::select(&["GET", "GET", "GET", "HEAD", "POST", "PUT", "QUERY"][..]),
        prop::sample::select(&["/a", "/b?x=1", "http://example.com/a"][..]),
        prop::collection::vec(field(), 0..3),
        prop::sample::select(&["", "", "content"][..]),
    );
    let answered = (
        0..6_usize,
        prop::option::weighted(0.9, prop::sample::select(&[200_u16, 200, 200, 204, 404, 403, 500, 206][..])),
        prop::collection::vec(said(), 0..3),
        prop::collection::vec(part, 0..5),
        any::<bool>(),
        prop_oneof![Just(64), 0..20_usize],
    );
    (asked, answered).prop_map(|((method, path, fields, content), (waits, status, said, frames, sized, leaves))| Plan {
        method,
        path,
        fields,
        content,
        waits,
        status,
        said,
        frames,
        sized,
        leaves,
    })
}

/// How many cases there are; more by `DRY_RUN_CASES`.
fn cases() -> u32 {
    std::env::var("DRY_RUN_CASES").map_or(200, |cases| cases.parse().expect("DRY_RUN_CASES is a number"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn every_request_and_every_answer_is_what_it_is_without_the_layer(plans in prop::collection::vec(plan(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let layer = HttpSingleflightLayer::new().ignore_headers(["x-tenant"]).ignore_cookies().dry_run(DryRun::new());
        let keyed = layer.clone().methods([Method::POST]).content_key(64).dry_run(DryRun::new().compare(6));
        runtime.block_on(async {
            let without = run(&plans, |service| service).await;
            let with = run(&plans, |service| layer.layer(service)).await;
            prop_assert_eq!(&without, &with);
            let with = run(&plans, |service| keyed.layer(service)).await;
            prop_assert_eq!(&without, &with);
            prop_assert_eq!(layer.dry_run_report().under_way(), (0, 0));
            prop_assert_eq!(keyed.dry_run_report().under_way(), (0, 0));
            Ok(())
        })?;
    }
}
