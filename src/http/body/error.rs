//! How a body ends badly.

use std::{error::Error, fmt, sync::Arc};

use crate::SharedError;

/// The error of a [`SharedBody`](crate::SharedBody) that does not end well. A failure of the inner body is
/// one error for all its readers; a reader that is cut has one of its own.
///
/// It stands in for the inner body's own error: it shows that error's text, and its [source](Error::source) is that
/// error's source, so that a chain of errors shows each text once. The error itself is found by
/// [`downcast_ref`](Self::downcast_ref), not by walking the chain.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::io;
/// use bytes::Bytes;
/// use futures_util::stream;
/// use http_body::Frame;
/// use http_body_util::{BodyExt, StreamBody};
/// use tower_singleflight::http::BodySource;
///
/// let frames = [Ok(Frame::data(Bytes::from("rows"))), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
/// let reader = BodySource::new(StreamBody::new(stream::iter(frames))).into_reader();
/// let error = reader.collect().await.unwrap_err();
/// assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::ConnectionReset);
/// assert!(!error.is_lagged() && !error.is_incomplete());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct BodyError(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Source(Arc<dyn Error + Send + Sync>),
    Lagged,
    /// Bytes that were announced and did not come.
    Incomplete(u64),
    Excess,
    Panicked,
}

impl BodyError {
    /// Wraps an error of the inner body; what another layer has wrapped stays as it is.
    pub(super) fn source_failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self(Kind::Source(error.into())),
        }
    }

    pub(super) const fn lagged() -> Self {
        Self(Kind::Lagged)
    }

    pub(super) const fn incomplete(missing: u64) -> Self {
        Self(Kind::Incomplete(missing))
    }

    pub(super) const fn excess() -> Self {
        Self(Kind::Excess)
    }

    pub(super) const fn panicked() -> Self {
        Self(Kind::Panicked)
    }

    /// Returns whether this reader was cut, since it was last when the others had waited for the stall time in sum. The
    /// body itself was fine.
    pub const fn is_lagged(&self) -> bool {
        matches!(self.0, Kind::Lagged)
    }

    /// Returns whether the body ended before all that its size announced had come, or its poll panicked.
    pub const fn is_incomplete(&self) -> bool {
        matches!(self.0, Kind::Incomplete(_) | Kind::Panicked)
    }

    /// Returns the inner body's own error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        match &self.0 {
            Kind::Source(error) => {
                error.downcast_ref().or_else(|| error.downcast_ref::<SharedError>().and_then(SharedError::downcast_ref))
            }
            _ => None,
        }
    }
}

impl Error for BodyError {
    /// Returns the source of the inner body's own error.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::Source(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Source(error) => error.fmt(f),
            Kind::Lagged => f.write_str("reader too slow for the others, cut off"),
            Kind::Incomplete(missing) => write!(f, "body ended {missing} bytes early"),
            Kind::Excess => f.write_str("body longer than announced"),
            Kind::Panicked => f.write_str("body panicked"),
        }
    }
}
