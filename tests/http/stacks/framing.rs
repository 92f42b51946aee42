//! What is on the wire under the generic layer: the bytes that a lone client would have had.
//!
//! Of the same kind: every answer whose `Content-Length` and body differ, by design (HEAD, 304) or by fault (a file that
//! shrank), and whatever ends otherwise than by its own end.

use std::{convert::Infallible, future::ready};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody, combinators::BoxBody};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{ServiceBuilder, service_fn};
use tower_singleflight::http::CloneBodyLayer;

use crate::stacks::{
    cases::soon,
    origin::Origin,
    seen::{Flights, Seen},
    wire,
};

/// Says ten bytes, and gives five, to `GET`; none to `HEAD`. The body is held before its end.
async fn short(origin: Origin, request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    origin.run().await;
    let next = request.uri().path() == "/next";
    let data = (request.method() == Method::GET && !next).then_some("12345");
    let frames = stream::iter(data.map(|data| Ok::<_, Infallible>(Frame::data(Bytes::from_static(data.as_bytes())))));
    let end = stream::once(async move {
        if !next {
            origin.run().await;
        }
    });
    let body = Box::pin(frames.chain(end.filter_map(|()| ready(None))));
    let body = BodyExt::boxed(StreamBody::new(body));
    let length = if next { "0" } else { "10" };
    Ok(Response::builder().header("content-length", length).header("date", "now").body(body).unwrap())
}

/// Sends a request on each connection, and one more once its answer has come this far; returns all that came.
async fn on_the_wire(request: &'static str, answer_ends: &str, clients: usize) -> Vec<String> {
    let (origin, seen) = (Origin::new(), Seen::new());
    let of_service = origin.clone();
    let service = ServiceBuilder::new()
        .layer(seen.layer(|request: &Request<Incoming>| Some(format!("{} {}", request.method(), request.uri().path()))))
        .layer(CloneBodyLayer::new())
        .service(service_fn(move |request| short(of_service.clone(), request)));
    let address = wire::serve(service).await;
    let mut streams = Vec::new();
    for _ in 0..clients {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{request} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
        streams.push(stream);
    }
    soon("the herd", async {
        while seen.callers(request) != clients {
            tokio::task::yield_now().await;
        }
    })
    .await;
    origin.let_go(1);
    let mut texts = vec![Vec::new(); clients];
    for (stream, text) in streams.iter_mut().zip(&mut texts) {
        while !text.ends_with(answer_ends.as_bytes()) {
            text.push(soon("the answer", stream.read_u8()).await.unwrap());
        }
    }
    // One for the body's end, and one for each that asks again.
    origin.let_go(1 + clients);
    for (stream, text) in streams.iter_mut().zip(&mut texts) {
        // A connection that is closed already takes nothing.
        let _ = stream.write_all(b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let _ = soon("the end", stream.read_to_end(text)).await;
    }
    assert!(seen.none());
    texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
}

#[tokio::test]
async fn a_body_that_is_shorter_than_it_was_announced_ends_the_connection_of_every_client() {
    let lone = on_the_wire("GET /short", "12345", 1).await.remove(0);
    assert!(lone.ends_with("\r\n\r\n12345"), "{lone}");
    assert_eq!(on_the_wire("GET /short", "12345", 3).await, vec![lone; 3]);
}

#[tokio::test]
async fn an_answer_to_head_says_the_length_of_what_is_not_there_and_the_connection_goes_on() {
    let lone = on_the_wire("HEAD /short", "\r\n\r\n", 1).await.remove(0);
    assert_eq!(lone.matches("HTTP/1.1 200 OK").count(), 2, "{lone}");
    assert_eq!(on_the_wire("HEAD /short", "\r\n\r\n", 3).await, vec![lone; 3]);
}
