//! S3: no two lists of parts are written alike.

use proptest::prelude::*;

use super::super::encode::{Tag, Written, counted};

/// A part with one value, or one with a name and any number of values.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    One(Vec<u8>),
    Many(Vec<u8>, Vec<Vec<u8>>),
}

/// Bytes that look like tags and lengths, so that a part may pass for several.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(0_u8..10, 0..10),
        1 => prop::collection::vec(0_u8..10, 120..140),
        1 => (16_380_usize..16_390).prop_map(|length| vec![0x80; length]),
    ]
}

fn list() -> impl Strategy<Value = Vec<Part>> {
    let many = (bytes(), prop::collection::vec(bytes(), 1..3)).prop_map(|(name, values)| Part::Many(name, values));
    prop::collection::vec(prop_oneof![bytes().prop_map(Part::One), many], 0..4)
}

fn write(list: &[Part]) -> Vec<u8> {
    let mut written = Written::new();
    for part in list {
        match part {
            Part::One(value) => written.part(Tag::Path, value),
            Part::Many(name, values) => written.values(Tag::Cookie, name, || values.iter().map(|value| &value[..])),
        }
    }
    written.bytes().to_vec()
}

/// Reads back what was written: that it can be done shows that it says one thing only.
fn read(mut bytes: &[u8]) -> Option<Vec<Part>> {
    fn length(bytes: &mut &[u8]) -> Option<usize> {
        let end = bytes.iter().position(|byte| *byte < 0x80)?;
        let (length, rest) = bytes.split_at(end + 1);
        *bytes = rest;
        Some(length.iter().rev().fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f)))
    }
    fn value(bytes: &mut &[u8]) -> Option<Vec<u8>> {
        let mut after = *bytes;
        let length = length(&mut after)?;
        let (value, rest) = counted(bytes)?;
        assert_eq!(value.len(), length);
        *bytes = rest;
        Some(value.to_vec())
    }
    let mut list = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        let first = value(&mut bytes)?;
        list.push(if *tag == Tag::Path as u8 {
            Part::One(first)
        } else {
            let count = length(&mut bytes)?;
            Part::Many(first, (0..count).map(|_| value(&mut bytes)).collect::<Option<_>>()?)
        });
    }
    Some(list)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn s03_what_was_written_reads_back_in_one_way(list in list()) {
        prop_assert_eq!(read(&write(&list)), Some(list));
    }
}

#[test]
fn s03_none_is_nothing_and_an_empty_value_is_something() {
    assert!(write(&[Part::Many(b"n".to_vec(), vec![])]).is_empty());
    assert!(!write(&[Part::Many(b"n".to_vec(), vec![vec![]])]).is_empty());
}

#[test]
fn s03_what_is_cut_short_cannot_be_read() {
    assert_eq!(counted(&[2, 7, 8, 9]), Some((&[7, 8][..], &[9][..])));
    assert_eq!(counted(&[2, 7]), None);
    assert_eq!(counted(&[0x82]), None);
    assert_eq!(counted(&[]), None);
    assert_eq!(counted(&[0xff; 64]), None);
}
