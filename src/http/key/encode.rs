//! Key parts as bytes.
//!
//! Each part opens with a tag, and whatever has a variable length with that length, so what was written can be read
//! back in one way only: equal bytes mean equal parts (S3).

macro_rules! tags {
    ($($(#[doc = $doc:literal])* $name:ident),+ $(,)?) => {
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Tag {
            $($(#[doc = $doc])* $name,)+
        }

        impl Tag {
            /// Returns the tag that is written so.
            pub(super) const fn of(byte: u8) -> Option<Self> {
                $(if byte == Self::$name as u8 {
                    return Some(Self::$name);
                })+
                None
            }
        }
    };
}

tags! {
    Epoch,
    Method,
    Scheme,
    Authority,
    Path,
    Query,
    /// A query of which some parameters do not count: the others, one by one.
    Parameters,
    /// Behind this is what a router made of the URI: authority, path and query. Those before it are as they were asked.
    Stripped,
    /// One line.
    Field,
    /// What counts in all lines of a field, piece by piece.
    Pieces,
    Cookie,
    Content,
    /// The fields that `Vary` named follow.
    Variant,
    /// What a gateway saw: a parameter, and which gateway.
    Forwarded,
    /// How many gateways there were.
    Gateways,
    /// How many services of the same group the request has passed.
    Passed,
    /// What its key was at the last of them.
    Above,
    /// Where the request lies, beside its epoch: an authority or a path.
    Place,
}

/// How many bytes of a request most keys take, with what stands beside them: these take no allocation.
const FEW_BYTES: usize = 640;

/// What is written of a request, in the order in which it is written.
pub(super) struct Written {
    few: [u8; FEW_BYTES],
    length: usize,
    /// All the bytes, once they are more than a few.
    many: Vec<u8>,
}

impl Written {
    pub(super) const fn new() -> Self {
        Self { few: [0; FEW_BYTES], length: 0, many: Vec::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.length
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.few.get(..self.length).unwrap_or(&self.many)
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        match self.few.get_mut(self.length..end) {
            Some(place) => place.copy_from_slice(bytes),
            None => self.more(bytes),
        }
        self.length = end;
    }

    #[cold]
    fn more(&mut self, bytes: &[u8]) {
        if self.many.is_empty() {
            self.many.extend_from_slice(&self.few[..self.length]);
        }
        self.many.extend_from_slice(bytes);
    }

    // Always inlined, as `counted` and `listed` are: a call for each part and field of a key cost 240 instructions of a
    // short request, and 700 of a browser's.
    #[inline(always)]
    pub(super) fn part(&mut self, tag: Tag, value: &[u8]) {
        let end = self.length + 2 + value.len();
        match self.few.get_mut(self.length..end) {
            // In one step, as for most parts.
            Some([first, second, rest @ ..]) if value.len() <= 0x7f => {
                (*first, *second) = (tag as u8, value.len() as u8);
                rest.copy_from_slice(value);
                self.length = end;
            }
            _ => {
                self.raw(&[tag as u8]);
                self.counted(value);
            }
        }
    }

    #[inline(always)]
    pub(super) fn counted(&mut self, value: &[u8]) {
        let end = self.length + 1 + value.len();
        match self.few.get_mut(self.length..end) {
            Some([first, rest @ ..]) if value.len() <= 0x7f => {
                *first = value.len() as u8;
                rest.copy_from_slice(value);
                self.length = end;
            }
            _ => {
                self.length(value.len());
                self.raw(value);
            }
        }
    }

    /// Name and value of a field.
    #[inline(always)]
    pub(super) fn line(&mut self, name: &str, value: &[u8]) {
        self.tagged([], name.as_bytes(), value);
    }

    /// A part that is name and value of a field.
    #[inline(always)]
    pub(super) fn tagged_line(&mut self, tag: Tag, name: &str, value: &[u8]) {
        self.tagged([tag as u8], name.as_bytes(), value);
    }

    #[inline(always)]
    fn tagged<const TAGS: usize>(&mut self, tags: [u8; TAGS], name: &[u8], value: &[u8]) {
        let end = self.length + TAGS + 2 + name.len() + value.len();
        match self.few.get_mut(self.length..end).and_then(<[u8]>::split_first_chunk_mut) {
            // In one step, as for most fields.
            Some((first, [length, rest @ ..])) if name.len() <= 0x7f && value.len() <= 0x7f => {
                (*first, *length) = (tags, name.len() as u8);
                let (place, rest) = rest.split_at_mut(name.len());
                place.copy_from_slice(name);
                if let [length, rest @ ..] = rest {
                    *length = value.len() as u8;
                    rest.copy_from_slice(value);
                }
                self.length = end;
            }
            _ => {
                self.raw(&tags);
                self.counted(name);
                self.counted(value);
            }
        }
    }

    /// Writes a length: seven bits to a byte, the lowest first, each byte but the last with its top bit set.
    pub(super) fn length(&mut self, length: usize) {
        let mut rest = length;
        while rest > 0x7f {
            self.raw(&[rest as u8 | 0x80]);
            rest >>= 7;
        }
        self.raw(&[rest as u8]);
    }

    /// Writes any number of values under a name; for none it writes nothing, so absent matches only absent.
    pub(super) fn values<'a, I>(&mut self, tag: Tag, name: &[u8], values: impl Fn() -> I)
    where
        I: Iterator<Item = &'a [u8]>,
    {
        let count = values().count();
        if count > 0 {
            self.part(tag, name);
            self.length(count);
            values().for_each(|value| self.counted(value));
        }
    }
}

/// Reads back a value that was written with its length; returns it and what follows it.
pub(super) fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = length(bytes)?;
    rest.split_at_checked(length)
}

/// Reads back a length, or another number; returns it and what follows it.
#[inline]
pub(super) fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let shift = u32::try_from(7 * at).ok()?;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((length, &bytes[at + 1..]));
        }
    }
    None
}
