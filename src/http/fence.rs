//! Answered writes end the join windows of the flights for what they have changed (S21; RFC 9111, section 4.4).

use std::{
    borrow::Cow,
    hash::{BuildHasher, Hasher},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use percent_encoding::percent_decode_str;

use crate::hasher::KeyHasher;

/// How many epochs there are: more than the paths that are written to at any one time. Two paths that collide fence
/// each other, which costs only a flight.
pub(super) const EPOCHS: usize = 1024;

/// How much of an authority is hashed at once, in bytes: all of it, as a rule. Less than 65, the code of `A`, so that
/// putting letters into lower case leaves a length as it is.
const PIECE: usize = 61;

/// One epoch for each place, by hash. A request's key has the sum of the epochs of its places, so a flight from before
/// one of these was fenced can be joined no more.
pub(super) struct Fences {
    /// One for all layers of the group, so that a write through one of them fences the flights of the others.
    hasher: KeyHasher,
    /// Made by the first fence.
    epochs: OnceLock<Box<[AtomicU64]>>,
}

/// Which of the epochs is that of a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct EpochNumber(usize);

/// What is fenced, and what a request lies in.
#[derive(Clone, Copy, Debug)]
pub(super) enum FencedPlace<'a> {
    /// A path, with any query, of one authority or of none.
    Path(Option<&'a [u8]>, &'a str),
    /// A path under every authority.
    AnyPath(&'a str),
    /// A gRPC service of one authority: its path up to the method.
    Service(Option<&'a [u8]>, &'a str),
}

impl EpochNumber {
    pub(super) fn index(self) -> usize {
        self.0
    }
}

impl Fences {
    /// Returns fences for tests: in each run the same places collide.
    #[cfg(test)]
    pub(super) fn seeded() -> Self {
        Self { hasher: KeyHasher::seeded(), epochs: OnceLock::new() }
    }

    /// Returns whether anything was ever fenced; if not, every epoch is 0.
    #[inline]
    pub(super) fn are_raised(&self) -> bool {
        self.epochs.get().is_some()
    }

    /// Returns the epoch of one place. It only ever grows, and so do sums of them.
    pub(super) fn epoch(&self, place: FencedPlace<'_>) -> u64 {
        self.epochs.get().map_or(0, |epochs| epochs[self.number(place).0].load(Ordering::Acquire))
    }

    /// Ends the join windows of all flights that lie there.
    pub(super) fn raise(&self, place: FencedPlace<'_>) {
        self.raise_number(self.number(place));
    }

    /// Likewise, for a place whose number is known.
    pub(super) fn raise_number(&self, number: EpochNumber) {
        let epochs = self.epochs.get_or_init(|| (0..EPOCHS).map(|_| AtomicU64::new(0)).collect());
        epochs[number.0].fetch_add(1, Ordering::AcqRel);
    }

    /// Returns the number of a place's epoch.
    #[expect(clippy::cast_possible_truncation, reason = "any bits of the hash will do")]
    pub(super) fn number(&self, place: FencedPlace<'_>) -> EpochNumber {
        let (kind, authority, path) = match place {
            FencedPlace::Path(authority, path) => (0, authority, path),
            FencedPlace::AnyPath(path) => (1, None, path),
            FencedPlace::Service(authority, path) => (2, authority, path),
        };
        let authority = authority.map(without_default_port);
        let mut hasher = self.hasher.build_hasher();
        let mut pieces = authority.unwrap_or_default().chunks(PIECE);
        let first = pieces.next().unwrap_or_default();
        // Kind and authority in one piece, as a rule: hashing five small ones took twice as long.
        let mut lower = [0; 3 + PIECE];
        lower[..3].copy_from_slice(&[kind, u8::from(authority.is_some()), first.len() as u8]);
        lower[3..3 + first.len()].copy_from_slice(first);
        // The letters of a host mean the same in either case (RFC 9110, section 4.2.3). The three bytes before them are
        // below the codes of all letters and stay as they are, so the whole array is done at once, in four steps.
        lower.make_ascii_lowercase();
        hasher.write(&lower[..3 + first.len()]);
        for piece in pieces {
            hasher.write(&piece.to_ascii_lowercase());
        }
        hasher.write(&decoded(path));
        EpochNumber(hasher.finish() as usize % EPOCHS)
    }
}

/// Returns an authority without a default port (RFC 9110, section 4.2.3). Both `http` and `https` have one, and the scheme is
/// not always known, so either is taken off, as is an empty one: at worst one authority more is fenced, which costs a
/// call and no correctness.
pub(super) fn without_default_port(authority: &[u8]) -> &[u8] {
    let ports: [&[u8]; 3] = [b":80", b":443", b":"];
    ports.iter().find_map(|port| authority.strip_suffix(*port)).unwrap_or(authority)
}

/// Returns the bytes that a path stands for: one resource may be written to as `/a%3Ab` and read as `/a:b`, and most
/// servers take both for the same (RFC 9110, section 4.2.3; RFC 3986, section 6.2.2). If a server does not, both are
/// fenced together.
#[inline]
pub(super) fn decoded(path: &str) -> Cow<'_, [u8]> {
    // Few paths have a `%`: looking for one first saves 90 instructions.
    if path.as_bytes().contains(&b'%') { percent_decode_str(path).into() } else { path.as_bytes().into() }
}

impl Default for Fences {
    fn default() -> Self {
        Self { hasher: KeyHasher::new(), epochs: OnceLock::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::{FencedPlace, Fences, decoded};

    #[test]
    fn s21_a_path_stands_for_the_same_bytes_however_it_is_encoded() {
        for (path, expected) in [
            ("/a:b", &b"/a:b"[..]),
            ("/a%3Ab", b"/a:b"),
            ("/a%3ab", b"/a:b"),
            ("/%61%2f%62", b"/a/b"),
            ("/%C3%A9", "/\u{e9}".as_bytes()),
            ("/\u{e9}", "/\u{e9}".as_bytes()),
            ("/100%", b"/100%"),
            ("/%zz%4", b"/%zz%4"),
            ("/%2541", b"/%41"),
        ] {
            assert_eq!(&*decoded(path), expected, "{path}");
        }
    }

    #[test]
    fn s21_a_fence_is_for_its_own_place_in_any_case_of_the_host() {
        let fences = Fences::seeded();
        let place = FencedPlace::Path(Some(b"a.example"), "/x");
        let others = [
            FencedPlace::Path(Some(b"b.example"), "/x"),
            FencedPlace::Path(None, "/x"),
            FencedPlace::AnyPath("/x"),
            FencedPlace::Service(Some(b"a.example"), "/x"),
            FencedPlace::Path(Some(b"a.example"), "/y"),
        ];
        assert!(!fences.are_raised());
        fences.raise(FencedPlace::Path(Some(b"A.Example"), "/x"));
        assert_eq!(fences.epoch(place), 1);
        assert_eq!(others.map(|other| fences.epoch(other)), [0; 5]);
    }
}
