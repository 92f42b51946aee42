//! Servers and clients on the loopback, without any layer of ours.

use std::{error::Error, net::SocketAddr};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tower::{BoxError, Service};

use crate::stacks::cases::Answer;

/// Serves a Tower service, a clone of it to each connection.
pub(crate) async fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    address
}

/// Asks on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, version: Version, path: &'static str) -> Answer {
    let stream = TokioIo::new(TcpStream::connect(address).await.map_err(text)?);
    let request = Request::get(format!("http://{address}{path}")).header("host", address.to_string());
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    if version == Version::HTTP_2 {
        let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await.map_err(text)?;
        tokio::spawn(connection);
        return read(client.send_request(request).await.map_err(text)?).await;
    }
    let (mut client, connection) = http1::handshake(stream).await.map_err(text)?;
    tokio::spawn(connection);
    read(client.send_request(request).await.map_err(text)?).await
}

/// Reads a response to its end; one that is not a success is told by its status and its body.
pub(crate) async fn read<B>(response: Response<B>) -> Answer
where
    B: Body,
    B::Error: Error,
{
    let status = response.status();
    let body = response.into_body().collect().await.map_err(text)?.to_bytes();
    let body = String::from_utf8(body.into()).unwrap();
    if status.is_success() { Ok(body) } else { Err(format!("{} {body}", status.as_u16()).trim_end().to_owned()) }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
