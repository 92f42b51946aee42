//! The settings of a source, given before it is read.

use std::{sync::Arc, time::Duration};

use super::BodySource;
use crate::http::body::{settings::Settings, spill::SpillStore};

impl<B> BodySource<B> {
    /// Sets how the body is shared; before the first clone.
    #[inline]
    pub(in crate::http) fn settings(self, settings: Arc<Settings>) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// Returns how long the body was announced to be, in bytes.
    pub(in crate::http) fn length(&self) -> Option<u64> {
        self.announced
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(self.settings.get_or_insert_default())
    }

    /// Sets how long the body was announced to be, in bytes, by a `Content-Length` beside it; before the first clone.
    /// Readers of a shared body that is shorter or longer end in an error. A lone reader is the body itself, and is not
    /// held to it.
    ///
    /// Not for answers to HEAD, nor for 204 and 304, whose `Content-Length` is not of their content.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http_body_util::{BodyExt, Full};
    /// use tower_singleflight::http::BodySource;
    ///
    /// let body = BodySource::new(Full::from("rows")).announced(Some(5)); // its `Content-Length` says one more
    /// let reader = body.clone().into_reader();
    /// assert!(reader.collect().await.unwrap_err().is_incomplete());
    /// # drop(body);
    /// # }
    /// ```
    #[must_use]
    pub fn announced(mut self, bytes: Option<u64>) -> Self {
        self.announced = bytes;
        self
    }

    /// Sets how much is kept between the fastest and the slowest reader, in bytes; before the first clone.
    ///
    /// # Examples
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http_body_util::Full;
    /// use tower_singleflight::http::BodySource;
    ///
    /// let body = BodySource::new(Full::<Bytes>::from("rows")).window(64 << 10); // 64 KiB
    /// # drop(body);
    /// ```
    #[must_use]
    pub fn window(mut self, bytes: usize) -> Self {
        self.settings_mut().window = bytes;
        self
    }

    /// Sets how long readers wait for slower ones, in sum over the whole body; before the first clone. Time counts only
    /// while a reader that was polled waits for room. When it is used up, the reader that holds the others up is cut; one
    /// that has only just begun to do so, or that keeps up at 16 MiB a second, is given up to a second more. Without a
    /// tokio runtime that has timers nothing is measured, and nobody is cut.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use bytes::Bytes;
    /// # use http_body_util::Full;
    /// use tower_singleflight::http::BodySource;
    ///
    /// let body = BodySource::new(Full::<Bytes>::from("rows")).stall(Duration::from_secs(1));
    /// # drop(body);
    /// ```
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.settings_mut().stall = time;
        self
    }

    /// Sets where frames go that do not fit the window, so that readers need not wait for slower ones; before the first
    /// clone. Without a runtime nothing goes there. What cannot be read back is lost for the readers that still need
    /// it: they end in an error that [is lagged](crate::http::BodyError::is_lagged).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "spill")] {
    /// # use bytes::Bytes;
    /// # use http_body_util::Full;
    /// use tower_singleflight::http::{BodySource, LargeBodies, SpillStore};
    ///
    /// let store = SpillStore::new(LargeBodies::Spill { per_body: 1 << 30, total: 4 << 30 }, None); // bytes
    /// let body = BodySource::new(Full::<Bytes>::from("rows")).spill(store);
    /// # drop(body);
    /// # }
    /// ```
    #[must_use]
    pub fn spill(mut self, store: SpillStore) -> Self {
        self.settings_mut().spill = store;
        self
    }
}
