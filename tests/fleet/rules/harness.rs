//! Scenarios, and the answers of the origin.

use std::{fmt::Debug, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::time::{Instant, sleep};
use tower_singleflight::{HttpSingleflightLayer, Limits, http::Contents};

use super::{
    play::{Mark, Play},
    site::{Asked, Sent, Site, Spread, Told, until},
};
use crate::pair::origin::{Body, Fault};

/// How long the origin holds what it is asked once it has begun to answer: longer than those who wait for another process
/// take to look.
const HELD: Duration = Duration::from_millis(300);

/// Plays a scenario for each spread of its callers, and returns what each came to.
pub(super) async fn of_each<T>(
    spreads: impl IntoIterator<Item = Spread>,
    told: &Told,
    scenario: impl AsyncFn(&mut Site) -> T,
) -> Vec<(Spread, T)> {
    let mut all = Vec::new();
    for spread in spreads {
        let mut site = Site::new(spread, told.clone());
        let outcome = scenario(&mut site).await;
        site.rest().await;
        all.push((spread, outcome));
    }
    all
}

/// Plays a scenario for each spread of its callers: each must come to what it comes to in one process. Returns that.
pub(super) async fn as_in_one<T: PartialEq + Debug>(told: &Told, scenario: impl AsyncFn(&mut Site) -> T) -> T {
    let mut all = of_each(Spread::ALL, told, scenario).await;
    let (_, in_one) = all.remove(0);
    for (spread, outcome) in all {
        assert_eq!(outcome, in_one, "{spread:?} against one process");
    }
    in_one
}

/// Callers who come one after the other while the origin holds the first of their requests, and what it answers then.
pub(super) struct Traffic {
    pub(super) told: Told,
    requests: Vec<Sent>,
    /// When each comes, and when the origin begins to answer, in milliseconds.
    at: Vec<u64>,
    answers_at: u64,
    limits: Limits,
    reply: Rc<dyn Fn(&Asked) -> Reply>,
}

impl Traffic {
    pub(super) fn of(requests: impl IntoIterator<Item = Sent>) -> Self {
        let requests: Vec<_> = requests.into_iter().collect();
        let reply = Rc::new(|_: &Asked| ok());
        let told = Told::heads(|layer| layer);
        Self { told, requests, at: Vec::new(), answers_at: 0, limits: Limits::new(), reply }
    }

    pub(super) fn told(self, told: impl Fn(HttpSingleflightLayer) -> HttpSingleflightLayer + 'static) -> Self {
        Self { told: Told::heads(told), ..self }
    }

    pub(super) fn told_of_contents(
        self,
        told: impl Fn(HttpSingleflightLayer) -> HttpSingleflightLayer<Contents> + 'static,
    ) -> Self {
        Self { told: Told::contents(told), ..self }
    }

    pub(super) fn answered(self, reply: impl Fn(&Asked) -> Reply + 'static) -> Self {
        Self { reply: Rc::new(reply), ..self }
    }

    pub(super) fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets when each caller comes, and when the origin answers the first.
    pub(super) fn at(self, at: &[u64], answers_at: u64) -> Self {
        Self { at: at.to_vec(), answers_at, ..self }
    }

    pub(super) async fn play_in(&self, site: &mut Site) -> Play {
        let start = Instant::now();
        site.limits = self.limits;
        let mut calls = Vec::new();
        for (caller, request) in self.requests.iter().enumerate() {
            until(start, self.at.get(caller).copied().unwrap_or_default()).await;
            calls.push(site.call(caller, request.clone()).await);
        }
        until(start, self.answers_at).await;
        let mut is_first = true;
        while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
            let mut all = site.all().await;
            // What comes of the first answers comes to all processes before the next are given.
            if !all.is_empty() && !is_first {
                sleep(HELD).await;
                all.extend(site.all().await);
            }
            is_first = false;
            for asked in all {
                let reply = (self.reply)(&asked);
                reply.give(asked);
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}: a call hangs", site.spread);
        }
        let mut got = Vec::new();
        for call in calls {
            got.push(call.await.expect("no panic"));
        }
        Play { calls: site.calls, got }
    }

    /// Plays it for each spread: each must come to what it comes to in one process. Returns that.
    pub(super) async fn as_in_one(&self) -> Play {
        let plays = of_each(Spread::ALL, &self.told, async |site| self.play_in(site).await).await;
        let in_one = &plays[0].1;
        for (spread, play) in &plays {
            assert_eq!(play.outcome(), in_one.outcome(), "{spread:?} against one process");
        }
        in_one.clone()
    }

    pub(super) async fn in_spread(&self, spread: Spread) -> Play {
        let mut plays = of_each([spread], &self.told, async |site| self.play_in(site).await).await;
        plays.remove(0).1
    }

    /// Returns how often the origin is asked in one process, in two, and with each caller in one of its own; a lone process of a
    /// fleet is as one in none.
    pub(super) async fn calls(&self) -> [usize; 3] {
        let [one, two] = [self.in_spread(Spread::One).await, self.in_spread(Spread::Two).await];
        let [each, looking] = [self.in_spread(Spread::Each).await, self.in_spread(Spread::Looking).await];
        assert_eq!(self.in_spread(Spread::Lone).await.outcome(), one.outcome(), "in a fleet against in none");
        assert_eq!(looking.outcome(), each.outcome(), "without news against with news");
        [one.calls, two.calls, each.calls]
    }
}

/// What the origin answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    status: u16,
    fields: Vec<(&'static str, String)>,
    content: Content,
    trailers: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Debug)]
enum Content {
    None,
    /// It is there as a whole, and says whose request it was made for.
    Whole,
    /// The same, of a length that is not known beforehand.
    Streamed,
    /// These frames, and no end but an error.
    Cut(Vec<&'static str>),
    /// The call fails.
    Fault,
}

/// A plain answer, whose content says whose request it was made for.
pub(super) fn ok() -> Reply {
    status(200)
}

pub(super) fn status(status: u16) -> Reply {
    let content = if matches!(status, 204 | 304) { Content::None } else { Content::Whole };
    Reply { status, fields: Vec::new(), content, trailers: Vec::new() }
}

/// The call fails without an answer.
pub(super) fn fault() -> Reply {
    Reply { content: Content::Fault, ..ok() }
}

impl Reply {
    pub(super) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(super) fn streamed(self) -> Self {
        Self { content: Content::Streamed, ..self }
    }

    pub(super) fn without_content(self) -> Self {
        Self { content: Content::None, ..self }
    }

    pub(super) fn cut(self, frames: &[&'static str]) -> Self {
        Self { content: Content::Cut(frames.to_vec()), ..self }
    }

    /// Ends the content with trailers, which makes its length unknown.
    pub(super) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.push((name, value));
        self
    }

    pub(super) fn give(self, asked: Asked) {
        let whose = asked.whose();
        match self.content {
            Content::Fault => asked.fail(),
            // It has no content, and says whose it is in a field.
            _ if asked.head.method == "HEAD" => {
                asked.answer(self.field("etag", format!("\"for {whose}\"")).without_content().response(whose));
            }
            _ => asked.answer(self.response(whose)),
        }
    }

    pub(super) fn response(self, whose: usize) -> Response<Body> {
        let text = Bytes::from(format!("for {whose}"));
        let frames = |frames: Vec<Result<Frame<Bytes>, Fault>>| {
            BodyExt::boxed_unsync(StreamBody::new(futures_util::stream::iter(frames)))
        };
        let trailers: HeaderMap =
            self.trailers.iter().map(|(name, value)| (named(name), value.parse().unwrap())).collect();
        let mut sent = match &self.content {
            Content::Cut(cut) => cut.iter().map(|data| Ok(Frame::data(Bytes::from_static(data.as_bytes())))).collect(),
            Content::None => Vec::new(),
            _ => vec![Ok(Frame::data(text.clone()))],
        };
        let body = match self.content {
            Content::Whole if trailers.is_empty() => full(text),
            Content::None if trailers.is_empty() => full(Bytes::new()),
            Content::Cut(_) => {
                sent.push(Err(Fault("cut")));
                frames(sent)
            }
            _ if trailers.is_empty() => frames(sent),
            _ => {
                sent.push(Ok(Frame::trailers(trailers)));
                frames(sent)
            }
        };
        let mut response = Response::builder().status(self.status).extension(Mark).body(body).unwrap();
        for (name, value) in self.fields {
            response.headers_mut().append(named(name), value.parse().unwrap());
        }
        response
    }
}

fn named(name: &str) -> HeaderName {
    name.parse().expect("the name of a field")
}

fn full(text: Bytes) -> Body {
    BodyExt::boxed_unsync(Full::new(text).map_err(|never| match never {}))
}

pub(super) fn get(fields: &[(&str, &str)]) -> Sent {
    request("GET", "http://site/rows", fields)
}

pub(super) fn request(method: &str, uri: &str, fields: &[(&str, &str)]) -> Sent {
    let request = fields
        .iter()
        .fold(Request::builder().method(method).uri(uri), |request, (name, value)| request.header(*name, *value));
    request.body(Full::default()).expect("a valid request")
}

/// So many equal requests.
pub(super) fn equal(count: usize) -> Vec<Sent> {
    vec![get(&[]); count]
}
