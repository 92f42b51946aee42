//! The parts of a key, by kind.

use std::collections::BTreeMap;

use super::{
    decode::{KeyPart, Parts},
    encode::Tag,
};

/// Values by their names, those of one name in order.
pub(super) type Named<'a> = BTreeMap<&'a [u8], Vec<Value<'a>>>;

/// A value, and what kind of part it is in: a line of a field is not a piece of one.
pub(super) type Value<'a> = (Tag, &'a [u8]);

/// The parts of a key, by kind.
#[derive(Default)]
pub(super) struct Decoded<'a> {
    pub(super) epoch: Option<&'a [u8]>,
    /// Authorities and paths that go with the epoch.
    pub(super) places: Vec<&'a [u8]>,
    pub(super) passed: Option<&'a [u8]>,
    /// The parts of the key above.
    pub(super) above: Option<&'a [u8]>,
    pub(super) method: Option<&'a [u8]>,
    /// What was asked for.
    pub(super) asked: DecodedTarget<'a>,
    /// What a router made of it, if that is another target.
    pub(super) rewritten: Option<DecodedTarget<'a>>,
    pub(super) fields: Named<'a>,
    pub(super) cookies: Named<'a>,
    /// What gateways saw: gateway, name and value of each parameter, and how many gateways there were.
    pub(super) forwarded: Vec<(usize, &'a [u8], &'a [u8])>,
    pub(super) gateways: Option<usize>,
    pub(super) content: Option<&'a [u8]>,
}

#[derive(Default, PartialEq, Eq)]
pub(super) struct DecodedTarget<'a> {
    pub(super) scheme: Option<&'a [u8]>,
    pub(super) authority: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    /// The pairs of the query, perhaps a single empty one; `None` if there is no query.
    pub(super) query: Option<Vec<&'a [u8]>>,
}

impl<'a> Decoded<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut decoded = Self::default();
        let (mut schemes, mut targets) = (Vec::new(), vec![DecodedTarget::default()]);
        for part in Parts::of(bytes) {
            match part {
                KeyPart::One(Tag::Scheme, scheme) => schemes.push(scheme),
                KeyPart::One(Tag::Stripped, _) => targets.push(DecodedTarget::default()),
                part => decoded.take(part, targets.last_mut()),
            }
        }
        // The scheme of the URI itself comes first, its target last.
        let with_scheme = |target| DecodedTarget { scheme: schemes.pop(), ..target };
        let mut targets = targets.into_iter().map(with_scheme);
        (decoded.asked, decoded.rewritten) = (targets.next().unwrap_or_default(), targets.next());
        decoded
    }

    fn take(&mut self, part: KeyPart<'a>, target: Option<&mut DecodedTarget<'a>>) {
        match part {
            KeyPart::One(tag, value) => self.take_one(tag, value, target),
            KeyPart::Line { name, value } => self.fields.entry(name).or_default().push((Tag::Field, value)),
            KeyPart::Many { tag: Tag::Parameters, values, .. } => {
                if let Some(target) = target {
                    target.query = Some(values);
                }
            }
            KeyPart::Many { tag, name, values } => {
                let named = if tag == Tag::Cookie { &mut self.cookies } else { &mut self.fields };
                named.entry(name).or_default().extend(values.into_iter().map(|value| (tag, value)));
            }
            KeyPart::Forwarded { name, gateway, value } => self.forwarded.push((gateway, name, value)),
            KeyPart::Gateways(gateways) => self.gateways = Some(gateways),
        }
    }

    fn take_one(&mut self, tag: Tag, value: &'a [u8], target: Option<&mut DecodedTarget<'a>>) {
        match (tag, target) {
            (Tag::Epoch, _) => self.epoch = Some(value),
            (Tag::Place, _) => self.places.push(value),
            (Tag::Passed, _) => self.passed = Some(value),
            (Tag::Above, _) => self.above = Some(value),
            (Tag::Method, _) => self.method = Some(value),
            (Tag::Authority, Some(target)) => target.authority = Some(value),
            (Tag::Path, Some(target)) => target.path = Some(value),
            (Tag::Query, Some(target)) => target.query = Some(value.split(|byte| *byte == b'&').collect()),
            (Tag::Content, _) => self.content = Some(value),
            _ => {}
        }
    }
}
