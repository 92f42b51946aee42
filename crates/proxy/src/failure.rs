//! Why there is no answer from upstream, in one line.

use std::{error::Error, io};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::Full;
use hyper_util::client::legacy;

/// The status, and the reason that the body gives.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) StatusCode, pub(crate) &'static str);

impl Failure {
    /// Returns the answer to a request of this method.
    pub(crate) fn into_response(self, method: &Method) -> Response<Full<Bytes>> {
        let Self(status, why) = self;
        // RFC 9110, section 9.3.2. Over HTTP/1, hyper would send no content of its own accord; over HTTP/2 it would.
        let content = if method == Method::HEAD { String::new() } else { format!("{status}: {why}\n") };
        let mut response = Response::new(Full::from(content));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response
    }
}

impl From<legacy::Error> for Failure {
    fn from(error: legacy::Error) -> Self {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        let io = sources.find_map(|error| error.downcast_ref::<io::Error>());
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::TimedOut) if error.is_connect() => {
                Self(StatusCode::GATEWAY_TIMEOUT, "the upstream does not take connections in time")
            }
            _ if error.is_connect() => Self(StatusCode::BAD_GATEWAY, "the upstream cannot be reached"),
            _ => Self(StatusCode::BAD_GATEWAY, "the upstream broke off"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Ready, ready},
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use http::{Request, Uri};
    use hyper_util::{
        client::legacy::{
            Client,
            connect::{Connected, Connection},
        },
        rt::{TokioExecutor, TokioIo},
    };
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tower::service_fn;

    use super::*;

    /// A connection that takes a request, and then fails as one whose other end is gone without a word.
    #[derive(Default)]
    struct TimesOut {
        asked: bool,
        reader: Option<Waker>,
    }

    impl AsyncRead for TimesOut {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if self.asked {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.reader = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    impl AsyncWrite for TimesOut {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.asked = true;
            self.reader.take().into_iter().for_each(Waker::wake);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Connection for TimesOut {
        fn connected(&self) -> Connected {
            Connected::new()
        }
    }

    /// What a client is told if connecting comes to that.
    async fn told(connect: fn() -> io::Result<TimesOut>) -> (StatusCode, &'static str) {
        let connect = move |_: Uri| -> Ready<io::Result<_>> { ready(connect().map(TokioIo::new)) };
        let client = Client::builder(TokioExecutor::new()).build(service_fn(connect));
        let request = Request::get("http://upstream/").body(Full::<Bytes>::default()).unwrap();
        let Failure(status, why) = client.request(request).await.unwrap_err().into();
        (status, why)
    }

    #[tokio::test]
    async fn a_connection_that_cannot_be_made_in_time_is_told_from_one_that_was_made_and_then_times_out() {
        assert_eq!(
            told(|| Err(io::ErrorKind::TimedOut.into())).await,
            (StatusCode::GATEWAY_TIMEOUT, "the upstream does not take connections in time")
        );
        assert_eq!(
            told(|| Err(io::ErrorKind::ConnectionRefused.into())).await,
            (StatusCode::BAD_GATEWAY, "the upstream cannot be reached")
        );
        assert_eq!(told(|| Ok(TimesOut::default())).await, (StatusCode::BAD_GATEWAY, "the upstream broke off"));
    }
}
