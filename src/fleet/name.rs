//! The names of flights in an engine.

use std::fmt;

/// What one fence reaches: all flights whose names begin with this keyed digest of 16 bytes, which tells nothing of
/// what it was made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceScope([u8; 16]);

/// The name of a flight's key in an engine: its [`FenceScope`], and a keyed digest of the key.
///
/// Names are digests under the fleet's secret: whoever reads an engine's store learns nothing of the keys, and nobody
/// without the secret can make one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; 32]);

/// One flight of a name: 24 random bytes, which no two flights have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; 24]);

impl FenceScope {
    /// Returns the digest.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Name {
    /// Returns the 16 bytes of the scope, and after them the 16 bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the scope that this name belongs to. An engine keeps what is of one scope where one operation reaches
    /// it.
    pub fn scope(&self) -> FenceScope {
        let (scope, _) = self.0.split_first_chunk().expect("16 of 32 bytes");
        FenceScope(*scope)
    }

    /// Returns the digest of the key, without its scope.
    pub fn key(&self) -> &[u8; 16] {
        self.0.last_chunk().expect("16 of 32 bytes")
    }
}

impl Token {
    /// Returns its bytes.
    pub const fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }
}

macro_rules! shown_as_hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        /// What an engine has read back from its store or its news.
        impl From<[u8; shown_as_hex!(@ $name)]> for $name {
            fn from(bytes: [u8; shown_as_hex!(@ $name)]) -> Self {
                Self(bytes)
            }
        }
    )*};
    (@ FenceScope) => { 16 };
    (@ Name) => { 32 };
    (@ Token) => { 24 };
}

shown_as_hex!(FenceScope, Name, Token);
