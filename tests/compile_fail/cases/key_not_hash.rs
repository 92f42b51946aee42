//! Keys are looked up by hash.

use tower_singleflight::Group;

#[derive(Clone, PartialEq, Eq)]
struct Key;

fn main() {
    let group: Group<Key, usize> = Group::new();
    let _ = group.call(Key, || async { 7 });
}
