//! Work that is shared moves to a task of its own.

use std::rc::Rc;

use tower_singleflight::Group;

fn main() {
    let group: Group<&str, usize> = Group::new();
    let rc = Rc::new(7);
    let _ = group.call("key", move || async move { *rc });
}
