//! A value that is there only now and then.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// A box that nearly always is empty. Dropping it then is one test, made where its holder is dropped. For an
/// `Option<Box<_>>` the compiler makes a call of a function that tests, which took 10 instructions each time.
pub(crate) struct Rare<V>(Option<Box<V>>);

impl<V> Rare<V> {
    pub(crate) const NONE: Self = Self(None);

    #[cold]
    fn drop_boxed(boxed: Box<V>) {
        drop(boxed);
    }
}

impl<V> Drop for Rare<V> {
    #[inline]
    fn drop(&mut self) {
        if let Some(boxed) = self.0.take() {
            Self::drop_boxed(boxed);
        }
    }
}

impl<V> Default for Rare<V> {
    #[inline]
    fn default() -> Self {
        Self::NONE
    }
}

impl<V> From<Option<Box<V>>> for Rare<V> {
    #[inline]
    fn from(boxed: Option<Box<V>>) -> Self {
        Self(boxed)
    }
}

impl<V> Deref for Rare<V> {
    type Target = Option<Box<V>>;

    #[inline]
    fn deref(&self) -> &Option<Box<V>> {
        &self.0
    }
}

impl<V> DerefMut for Rare<V> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<Box<V>> {
        &mut self.0
    }
}

impl<V: fmt::Debug> fmt::Debug for Rare<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
