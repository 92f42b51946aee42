//! What is on the wire: three clients on one flight get, byte for byte, what each would have got alone, and their
//! connections keep their place.
//!
//! To this kind belongs every body that an origin can send: of known, unknown or wrong length, in any number of frames,
//! with or without trailers, which ends, fails or is given up at any frame; and every client that is served sooner or
//! later than the others.

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc::UnboundedReceiver, watch},
    task::{JoinSet, yield_now},
    time::timeout,
};
use tower::Service;
use tower_singleflight::{
    HttpSingleflightLayer, SharedBody,
    http::{Heads, HttpSingleflight},
};

use crate::{
    origin::{Bench, Fault, Held, Origin, OriginBody, bench, get_with},
    sockets::TOO_LONG,
};

const DATE: &str = "Mon, 23 Nov 2026 12:00:00 GMT";

const CLIENTS: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Data(&'static str),
    Trailers,
    Fail,
}

use Step::{Data, Fail, Trailers};

/// What the origin sends.
#[derive(Clone, Debug)]
struct Shape {
    method: &'static str,
    status: u16,
    /// `Content-Length`, whatever the frames are.
    announced: Option<u64>,
    /// The body is there at once, and knows its length.
    full: bool,
    steps: Vec<Step>,
}

fn shape(announced: Option<u64>, steps: &[Step]) -> Shape {
    Shape { method: "GET", status: 200, announced, full: false, steps: steps.to_vec() }
}

fn full(data: &'static str) -> Shape {
    Shape { full: true, ..shape(None, &[Data(data)]) }
}

fn shapes() -> Vec<Shape> {
    const LONG: &str = concat!("sixteen bytes, 16", "sixteen bytes, 16", "sixteen bytes, 16", "sixteen bytes, 16");
    let whole = [Data("one"), Data("two"), Data("three")];
    let mut shapes = vec![
        full(""),
        full("x"),
        full(LONG),
        shape(None, &[]),
        shape(None, &[Data("x")]),
        shape(None, &whole),
        shape(None, &[Data(""), Data("x"), Data("")]),
        shape(None, &[Data("0\r\n\r\n")]),
        shape(Some(0), &[]),
        shape(Some(1), &[Data("x")]),
        shape(Some(11), &whole),
        shape(Some(68), &[Data(LONG)]),
        // Wrong both ways.
        shape(Some(12), &whole),
        shape(Some(1000), &whole),
        shape(Some(1), &[]),
        shape(Some(10), &whole),
        shape(Some(3), &whole),
        shape(Some(4), &whole),
        shape(Some(0), &[Data("x")]),
        // Trailers.
        shape(None, &[Trailers]),
        shape(None, &[Data("x"), Trailers]),
        shape(None, &[Data("one"), Data("two"), Data("three"), Trailers]),
        shape(Some(1), &[Data("x"), Trailers]),
        shape(Some(2), &[Data("x"), Trailers]),
    ];
    // Breaking off at each frame, announced and not.
    for announced in [None, Some(11)] {
        for frames in 0..=whole.len() {
            let mut steps = whole[..frames].to_vec();
            steps.push(Fail);
            shapes.push(shape(announced, &steps));
        }
    }
    for announced in [None, Some(0), Some(11)] {
        shapes.push(Shape { method: "HEAD", ..shape(announced, &[]) });
    }
    shapes.push(Shape { method: "HEAD", ..shape(Some(11), &whole) });
    shapes.push(Shape { method: "HEAD", ..full(LONG) });
    shapes.push(Shape { status: 204, ..shape(None, &[]) });
    shapes.push(Shape { status: 204, ..full("") });
    shapes.push(Shape { status: 404, ..full("none") });
    shapes.push(Shape { status: 404, ..shape(None, &whole) });
    shapes.push(Shape { status: 503, ..shape(None, &[Data("x"), Fail]) });
    shapes.push(Shape { status: 301, ..full("") });
    shapes
}

impl Shape {
    /// The head of the answer, and its body with the end to send it by.
    fn response(&self) -> (Option<crate::origin::Frames>, Response<OriginBody>) {
        let mut head = Response::builder().status(self.status).header("date", DATE).header("trailer", "x-sum");
        if let Some(length) = self.announced {
            head = head.header("content-length", length);
        }
        if let (true, [Data(data)]) = (self.full, &self.steps[..]) {
            return (None, head.body(OriginBody::full(*data)).unwrap());
        }
        let (frames, body) = OriginBody::streamed();
        (Some(frames), head.body(body).unwrap())
    }

    fn data(&self) -> String {
        self.steps.iter().filter_map(|step| if let Data(data) = step { Some(*data) } else { None }).collect()
    }

    fn is_too_long(&self) -> bool {
        self.method != "HEAD" && self.announced.is_some_and(|announced| announced < self.data().len() as u64)
    }

    /// Returns whether its end is not a clean one.
    fn breaks_off(&self) -> bool {
        let length = self.data().len() as u64;
        self.method != "HEAD" && (self.steps.contains(&Fail) || self.announced.is_some_and(|it| it != length))
    }

    fn has_length(&self) -> bool {
        self.full || self.announced.is_some() || self.method == "HEAD" || self.status == 204
    }
}

impl Step {
    fn send(self, frames: &crate::origin::Frames) {
        match self {
            Data(data) => frames.data(data),
            Trailers => frames.trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())])),
            Fail => frames.fail("cut"),
        }
    }
}

/// One connection's service: it hands its answers on only once so many steps of the body were sent.
#[derive(Clone)]
struct Late {
    inner: HttpSingleflight<Origin<Incoming>>,
    sent: watch::Receiver<usize>,
    after: usize,
}

impl Service<Request<Incoming>> for Late {
    type Response = Response<SharedBody<OriginBody>>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let response = self.inner.call(request);
        let (mut sent, after) = (self.sent.clone(), self.after);
        Box::pin(async move {
            let response = response.await;
            let _ = sent.wait_for(|sent| *sent >= after).await;
            response
        })
    }
}

struct Server {
    bench: Bench<Heads, Incoming>,
    address: SocketAddr,
    sent: watch::Sender<usize>,
}

impl Server {
    /// The nth connection is served late by as many steps as `late` says.
    async fn start(late: [usize; CLIENTS]) -> Self {
        let bench: Bench<Heads, Incoming> = bench(HttpSingleflightLayer::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, receiver) = watch::channel(0);
        let inner = bench.service.clone();
        tokio::spawn(async move {
            for after in late {
                let Ok((stream, _)) = listener.accept().await else { break };
                let service = Late { inner: inner.clone(), sent: receiver.clone(), after };
                tokio::spawn(async move {
                    let service = TowerToHyperService::new(service);
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { bench, address, sent }
    }
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            yield_now().await;
        }
    };
    timeout(TOO_LONG, waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// Returns where the first message ends; `None`: not yet, or only where the connection does.
fn end_of_message(bytes: &[u8], is_head: bool) -> Option<usize> {
    let find = |from: usize, wanted: &[u8]| {
        bytes[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| from + at + wanted.len())
    };
    let body = find(0, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..body]).to_ascii_lowercase();
    if is_head || head.starts_with("http/1.1 204") || head.starts_with("http/1.0 204") {
        return Some(body);
    }
    if head.contains("transfer-encoding: chunked") {
        // A last chunk that is none of the data's: chunks are read one by one.
        let mut at = body;
        loop {
            let data = find(at, b"\r\n")?;
            let length = usize::from_str_radix(std::str::from_utf8(&bytes[at..data - 2]).ok()?, 16).ok()?;
            if length == 0 {
                return if bytes.get(data..data + 2)? == b"\r\n" { Some(data + 2) } else { find(data, b"\r\n\r\n") };
            }
            at = data + length + 2;
            if at > bytes.len() {
                return None;
            }
        }
    }
    let length = head.split("content-length: ").nth(1)?.split('\r').next()?.parse::<usize>().ok()?;
    (bytes.len() >= body + length).then_some(body + length)
}

/// Asks on a connection of its own, and once more when the answer is whole; returns all bytes until the server ends.
async fn ask_raw(mut stream: TcpStream, version: Version, method: &str) -> Vec<u8> {
    let proto = if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let fields = "host: a\r\nte: trailers\r\nconnection: keep-alive, te\r\n";
    stream.write_all(format!("{method} /x {proto}\r\n{fields}\r\n").as_bytes()).await.unwrap();
    let (mut bytes, mut buffer, mut asked_again) = (Vec::new(), [0; 4096], false);
    loop {
        if let (false, Some(_)) = (asked_again, end_of_message(&bytes, method == "HEAD")) {
            asked_again = true;
            // The last one: the server closes behind it.
            let next = format!("GET /next {proto}\r\nhost: a\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(next.as_bytes()).await;
        }
        match timeout(TOO_LONG, stream.read(&mut buffer)).await.expect("the server goes on") {
            Ok(0) | Err(_) => return bytes,
            Ok(length) => bytes.extend_from_slice(&buffer[..length]),
        }
    }
}

/// The same over HTTP/2, as far as it is to be seen there: the head, the data, the trailers, and how it ends.
async fn ask_2(stream: TcpStream, method: &str) -> Vec<u8> {
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut seen = String::new();
    for (method, path) in [(method, "/x"), ("GET", "/next")] {
        let request = Request::builder().method(method).uri(format!("http://a{path}")).header("te", "trailers");
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        match timeout(TOO_LONG, client.send_request(request)).await.expect("the server goes on") {
            Err(_) => seen.push_str("no answer;"),
            Ok(response) => {
                let (head, mut body) = response.into_parts();
                seen.push_str(&format!("{} {:?};", head.status, head.headers));
                loop {
                    match timeout(TOO_LONG, body.frame()).await.expect("the server goes on") {
                        None => break seen.push_str(";end;"),
                        Some(Err(_)) => break seen.push_str(";broken off;"),
                        Some(Ok(frame)) => match frame.into_data() {
                            Ok(data) => seen.push_str(&String::from_utf8_lossy(&data)),
                            Err(frame) => seen.push_str(&format!(";{:?}", frame.into_trailers().unwrap())),
                        },
                    }
                }
            }
        }
    }
    seen.into_bytes()
}

/// Answers one request at once, with all that belongs to it.
fn play(held: Held<Incoming>, shape: &Shape) {
    if held.request.uri().path() == "/next" {
        let next = Response::builder().header("date", DATE).body(OriginBody::full("next!")).unwrap();
        return held.answer(next);
    }
    let (frames, response) = shape.response();
    held.answer(response);
    if let Some(frames) = frames {
        shape.steps.iter().for_each(|step| step.send(&frames));
    }
}

/// Returns what so many clients saw, and how many calls the origin got for what they asked first.
async fn seen(shape: &Shape, versions: &[Version], late: [usize; CLIENTS]) -> (Vec<Vec<u8>>, usize) {
    let Server { mut bench, address, sent } = Server::start(late).await;
    let mut asking = JoinSet::new();
    for (client, version) in versions.iter().copied().enumerate() {
        // In order: the nth connection is the nth client's.
        let stream = TcpStream::connect(address).await.unwrap();
        let method = shape.method;
        asking.spawn(async move {
            let seen = if version == Version::HTTP_2 {
                ask_2(stream, method).await
            } else {
                ask_raw(stream, version, method).await
            };
            (client, seen)
        });
        until("a caller more", || callers(&bench, shape, version) == client + 1).await;
    }
    let held = next(&mut bench.held).await;
    let mut calls = 1;
    let (frames, response) = shape.response();
    held.answer(response);
    if let Some(frames) = frames {
        for step in &shape.steps {
            // Whoever is not late takes its share before the next one is there.
            bench.settle().await;
            step.send(&frames);
            sent.send_modify(|sent| *sent += 1);
        }
        bench.settle().await;
    }
    sent.send_replace(usize::MAX);
    let mut seen = vec![Vec::new(); versions.len()];
    while !asking.is_empty() {
        tokio::select! {
            Some(held) = bench.held.recv() => {
                calls += usize::from(held.request.uri().path() == "/x");
                play(held, shape);
            }
            Some(done) = asking.join_next() => {
                let (client, bytes) = done.unwrap();
                seen[client] = bytes;
            }
        }
    }
    until("an empty group", || bench.group.is_empty()).await;
    (seen, calls)
}

fn callers(bench: &Bench<Heads, Incoming>, shape: &Shape, version: Version) -> usize {
    let mut request =
        if version == Version::HTTP_2 { get_with("http://a/x", &[]) } else { get_with("/x", &[("host", "a")]) };
    *request.method_mut() = shape.method.parse().unwrap();
    bench.callers(request)
}

async fn next(held: &mut UnboundedReceiver<Held<Incoming>>) -> Held<Incoming> {
    timeout(TOO_LONG, held.recv()).await.expect("a request arrives").expect("a request arrives")
}

/// Over HTTP/2 a reset takes with it what has not been flushed, so how much of a broken answer is seen is a matter of
/// time, alone too; that it is broken, and that the connection goes on, is not.
fn assert_broken_off_2(shape: &Shape, text: &str, case: &str) {
    let next = format!("200 OK {{\"date\": \"{DATE}\", \"content-length\": \"5\"}};next!;end;");
    let first = text.strip_suffix(&next).unwrap_or_else(|| panic!("{case}: {text}"));
    if first != "no answer;" {
        let broken = first.strip_suffix(";broken off;").unwrap_or_else(|| panic!("{case}: {text}"));
        let (head, data) = broken.split_once("};").unwrap_or_else(|| panic!("{case}: {text}"));
        assert!(head.starts_with(&shape.status.to_string()) && shape.data().starts_with(data), "{case}: {text}");
    }
}

async fn all_see_what_each_would_alone(version: Version) {
    let shapes = shapes();
    assert!(shapes.len() >= 40, "{} shapes", shapes.len());
    for shape in &shapes {
        let (mut alone, _) = seen(shape, &[version], [0; CLIENTS]).await;
        let alone = alone.remove(0);
        let steps = shape.steps.len();
        let mut stages = vec![[0, 0, 0]];
        stages.extend((1..=steps).map(|step| [0, step, 0]));
        stages.extend([[steps, 0, 1.min(steps)], [steps; 3]]);
        for late in stages {
            let (seen, calls) = seen(shape, &[version; CLIENTS], late).await;
            for (client, bytes) in seen.iter().enumerate() {
                let (text, alone) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&alone));
                let case = format!("{version:?} {shape:?}, client {client} of {late:?}");
                if shape.breaks_off() && version == Version::HTTP_2 {
                    assert_broken_off_2(shape, &text, &case);
                } else if text != alone && (shape.is_too_long() || late[client] > 0 || calls > 1) && shape.breaks_off()
                {
                    // Alone, hyper cuts what is too much, in silence; where it looks further than what was announced,
                    // those who share are told. And what has not been flushed when a body breaks off is not sent, alone
                    // too: one that is served late, or on its own, may see less. Nothing follows it.
                    assert!(alone.starts_with(&*text) && !text.ends_with("next!"), "{case}: {text}");
                } else {
                    assert_eq!(text, alone, "{case}");
                }
            }
            // S30: one that breaks off would look whole.
            let shared = version != Version::HTTP_10 || shape.has_length();
            assert_eq!(calls, if shared { 1 } else { CLIENTS }, "{version:?} {shape:?} {late:?}");
        }
    }
}

#[tokio::test]
async fn s16_s18_s30_three_http_1_0_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_10).await;
}

#[tokio::test]
async fn s16_s18_three_http_1_1_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_11).await;
}

#[tokio::test]
async fn s16_s18_three_http_2_clients_get_what_a_lone_one_does() {
    all_see_what_each_would_alone(Version::HTTP_2).await;
}

/// Who speaks HTTP/1.0 leads, or follows: what is of unknown length is its own, and the others share without it.
#[tokio::test]
async fn s30_clients_of_all_versions_on_one_flight_get_what_each_would_alone() {
    let versions = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2];
    for shape in shapes().iter().filter(|shape| !shape.breaks_off()) {
        for first in 0..CLIENTS {
            let mut order = versions;
            order.rotate_left(first);
            let (seen_together, calls) = seen(shape, &order, [0; CLIENTS]).await;
            for (version, bytes) in order.iter().zip(&seen_together) {
                let (alone, _) = seen(shape, &[*version], [0; CLIENTS]).await;
                let (text, alone) = (String::from_utf8_lossy(bytes), String::from_utf8_lossy(&alone[0]));
                assert_eq!(text, alone, "{shape:?} {version:?} among {order:?}");
            }
            assert_eq!(calls, if shape.has_length() { 1 } else { 2 }, "{shape:?} {order:?}");
        }
    }
}
