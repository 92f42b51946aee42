//! How values travel.

use std::{fmt, marker::PhantomData};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// How values of a flight are sent to other processes.
///
/// All processes of a fleet must use the same: when the encoding changes, the name given to
/// [`Fleet::named`](super::Fleet::named) or to the layer must change, too.
pub trait Codec<T>: Send + Sync + 'static {
    /// Encodes a value; `None`: this one is not for other processes, and each that waits runs its own work.
    fn encode(&self, value: &T) -> Option<Bytes>;

    /// Decodes what another process has encoded; `None`: it cannot be read, and the work is run here.
    fn decode(&self, bytes: &[u8]) -> Option<T>;
}

/// A [`Codec`] for whatever has `serde`'s traits, in the format of `postcard`: compact, and without field names, so the type
/// must be the same in all processes.
///
/// # Examples
///
/// ```
/// use tower_singleflight::fleet::{Codec, PostcardCodec};
///
/// let codec = PostcardCodec::new();
/// let bytes = codec.encode(&("Ada".to_owned(), 7_u64)).unwrap();
/// let (name, id) = codec.decode(&bytes).unwrap();
/// assert_eq!((name.as_str(), id), ("Ada", 7));
/// ```
pub struct PostcardCodec<T>(PhantomData<fn() -> T>);

impl<T> PostcardCodec<T> {
    /// Returns the codec.
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Codec<T> for PostcardCodec<T> {
    fn encode(&self, value: &T) -> Option<Bytes> {
        postcard::to_allocvec(value).ok().map(Bytes::from)
    }

    fn decode(&self, bytes: &[u8]) -> Option<T> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Some(value),
            _ => None,
        }
    }
}

impl<T> Clone for PostcardCodec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for PostcardCodec<T> {}

impl<T> Default for PostcardCodec<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for PostcardCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostcardCodec")
    }
}
