//! The fleet that proxies on several machines form.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    str::FromStr,
};

use tower_singleflight::fleet::{Fleet, FleetSettings};
use tower_singleflight_redis::RedisEngine;

/// Where the engine is. The URL may hold a password, so it is printed nowhere.
#[derive(Clone)]
pub(crate) struct Url(String);

/// The secret that all proxies of a fleet know.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

/// How much of a secret's file is read, in bytes.
const MOST: u64 = 4 << 10;

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_redis =
            ["redis://", "rediss://", "valkey://", "valkeys://"].iter().any(|scheme| text.starts_with(scheme));
        if is_redis { Ok(Self(text.to_owned())) } else { Err("redis://[user:password@]host[:port]".to_owned()) }
    }
}

impl FromStr for Secret {
    type Err = String;

    /// Reads the file of that name: 32 bytes, or 64 hexadecimal digits.
    fn from_str(path: &str) -> Result<Self, String> {
        let mut bytes = Vec::new();
        // The path may name a device, which may have no end.
        let read = File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
        read.map_err(|error| format!("it cannot be read ({error})"))?;
        if let Ok(secret) = bytes.as_slice().try_into() {
            return Ok(Self(secret));
        }
        let digits = bytes.trim_ascii_end();
        let wrong = || format!("it has {} bytes; 32 are wanted, or 64 hexadecimal digits", bytes.len());
        if digits.len() != 64 {
            return Err(wrong());
        }
        let mut secret = [0; 32];
        for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
            let pair =
                std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(wrong)?;
        }
        Ok(Self(secret))
    }
}

/// Joins the fleet that uses the engine at this URL.
pub(crate) async fn join(Url(url): &Url, Secret(secret): &Secret) -> io::Result<Fleet> {
    let engine = RedisEngine::connect(url).await.map_err(io::Error::other)?;
    let settings = FleetSettings::new().namespace("singleflight-proxy");
    Fleet::with_settings(engine, *secret, settings).map_err(io::Error::other)
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Url(..)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
