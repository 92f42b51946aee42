//! Messages as they lie in the engine: encrypted, and bound to their flight (F2, F6).

use bytes::{BufMut, Bytes};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use super::{
    Name, Token,
    message::{Kind, Message},
};

/// The first byte of every message. Processes with another version refuse it, and run their own work.
const VERSION: u8 = 1;
/// Version, kind, and nonce stand before what is encrypted, in bytes.
const BEFORE: usize = 2 + 24;
/// The tag that authenticates it stands behind, in bytes.
const TAG: usize = 16;

/// Seals messages and opens them, under a key made of the fleet's secret.
pub(super) struct Seal {
    cipher: XChaCha20Poly1305,
    /// The longest payload, in bytes.
    longest: usize,
}

/// A message that is not what it should be: forged, cut, of another flight, of another version, or too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadMessage;

impl Seal {
    pub(super) fn new(secret: &[u8; 32], longest: usize) -> Self {
        let key = blake3::derive_key("tower-singleflight 2026-11 messages of a fleet", secret);
        Self { cipher: XChaCha20Poly1305::new(&key.into()), longest }
    }

    /// Seals the message of a flight; one that is too long is replaced by one that says so.
    pub(super) fn seal(&self, name: Name, token: Token, message: &Message, nonce: [u8; 24]) -> Bytes {
        let too_large = Message::bare(Kind::TooLarge);
        let message = if message.payload.len() > self.longest { &too_large } else { message };
        let beside = beside(name, token, message.kind);
        let payload = Payload { msg: &message.payload, aad: &beside };
        // It fails for payloads of 256 GiB.
        let encrypted = self.cipher.encrypt(&XNonce::from(nonce), payload).unwrap_or_default();
        let mut sealed = Vec::with_capacity(BEFORE + encrypted.len());
        sealed.put_u8(VERSION);
        sealed.put_u8(message.kind as u8);
        sealed.put_slice(&nonce);
        sealed.put_slice(&encrypted);
        sealed.into()
    }

    /// Opens the message of a flight. Nothing is allocated before the length is known to be allowed, and what is handed
    /// out was sealed for this flight.
    pub(super) fn open(&self, name: Name, token: Token, sealed: &[u8]) -> Result<Message, BadMessage> {
        if sealed.len() > self.longest.saturating_add(BEFORE + TAG) {
            return Err(BadMessage);
        }
        let (before, encrypted) = sealed.split_first_chunk::<BEFORE>().ok_or(BadMessage)?;
        let [version, kind, nonce @ ..] = before;
        let kind = Kind::of(*kind).filter(|_| *version == VERSION).ok_or(BadMessage)?;
        let beside = beside(name, token, kind);
        let payload = Payload { msg: encrypted, aad: &beside };
        let payload = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| BadMessage)?;
        Ok(Message { kind, payload })
    }
}

/// What is authenticated beside the payload: it ties the message to its flight.
fn beside(name: Name, token: Token, kind: Kind) -> [u8; 58] {
    let mut beside = [0; 58];
    beside[..32].copy_from_slice(name.as_bytes());
    beside[32..56].copy_from_slice(token.as_bytes());
    beside[56..].copy_from_slice(&[kind as u8, VERSION]);
    beside
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: [u8; 32] = [7; 32];
    const TOKEN: [u8; 24] = [9; 24];

    fn seal() -> Seal {
        Seal::new(&[1; 32], 100)
    }

    fn sealed() -> Bytes {
        seal().seal(NAME.into(), TOKEN.into(), &Message::shared(b"rows".to_vec()), [3; 24])
    }

    #[test]
    fn f6_a_message_is_read_under_its_own_flight_only() {
        let message = sealed();
        let open = |name: [u8; 32], token: [u8; 24]| seal().open(name.into(), token.into(), &message);
        assert_eq!(open(NAME, TOKEN).unwrap(), Message::shared(b"rows".to_vec()));
        assert_eq!(open([8; 32], TOKEN), Err(BadMessage));
        assert_eq!(open(NAME, [8; 24]), Err(BadMessage));
        let other = Seal::new(&[2; 32], 100);
        assert_eq!(other.open(NAME.into(), TOKEN.into(), &message), Err(BadMessage), "another secret");
        assert!(!message.windows(4).any(|bytes| bytes == b"rows"), "it is encrypted");
    }

    #[test]
    fn f6_a_message_with_any_bit_changed_or_any_byte_missing_is_refused() {
        let message = sealed();
        for at in 0..message.len() {
            for bit in 0..8 {
                let mut changed = message.to_vec();
                changed[at] ^= 1 << bit;
                assert_eq!(seal().open(NAME.into(), TOKEN.into(), &changed), Err(BadMessage), "byte {at}, bit {bit}");
            }
            assert_eq!(seal().open(NAME.into(), TOKEN.into(), &message[..at]), Err(BadMessage), "cut at {at}");
        }
        let longer = [&message[..], &[0]].concat();
        assert_eq!(seal().open(NAME.into(), TOKEN.into(), &longer), Err(BadMessage));
    }

    #[test]
    fn f6_what_is_longer_than_the_cap_is_neither_sent_nor_read() {
        let longest = Message::shared(vec![0; 100]);
        let message = seal().seal(NAME.into(), TOKEN.into(), &longest, [3; 24]);
        assert_eq!(seal().open(NAME.into(), TOKEN.into(), &message), Ok(longest));
        let long = Message::shared(vec![0; 101]);
        let message = seal().seal(NAME.into(), TOKEN.into(), &long, [3; 24]);
        assert_eq!(seal().open(NAME.into(), TOKEN.into(), &message), Ok(Message::bare(Kind::TooLarge)));
        let generous = Seal::new(&[1; 32], 101);
        let message = generous.seal(NAME.into(), TOKEN.into(), &long, [3; 24]);
        assert_eq!(seal().open(NAME.into(), TOKEN.into(), &message), Err(BadMessage));
    }
}
