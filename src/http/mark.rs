//! What became of a request, said in the extensions of its answer.

use std::sync::OnceLock;

use http::Extensions;

use super::rule::{Coalesced, Rule};
use crate::{Reason, Role};

/// Extensions that say nothing else, one for each of what is said most: that a request led, or that a rule sent it
/// alone. Cloning a map takes 60 instructions less than making one and inserting into it.
static KNOWN: [OnceLock<(Coalesced, Extensions)>; 1 + Rule::COUNT] = [const { OnceLock::new() }; 1 + Rule::COUNT];

/// Says in an answer what became of its request, to those above the layer.
#[inline]
pub(super) fn mark(extensions: &mut Extensions, coalesced: Coalesced) {
    if extensions.is_empty() {
        if let Some(known) = known(coalesced) {
            *extensions = known.clone();
            return;
        }
    }
    mark_by_hand(extensions, coalesced);
}

/// Returns the extensions that say this, if there are any that do.
#[inline]
fn known(coalesced: Coalesced) -> Option<&'static Extensions> {
    let place = match (coalesced.role, coalesced.rule) {
        (Role::Leader, None) => 0,
        (Role::Alone(Reason::NoKey), Some(rule)) => 1 + rule as usize,
        _ => return None,
    };
    let (said, extensions) = KNOWN[place].get_or_init(|| {
        let mut extensions = Extensions::new();
        mark_by_hand(&mut extensions, coalesced);
        (coalesced, extensions)
    });
    // Another one if the fleet had a part in it.
    (*said == coalesced).then_some(extensions)
}

#[cold]
fn mark_by_hand(extensions: &mut Extensions, coalesced: Coalesced) {
    match extensions.get_mut() {
        Some(known) => *known = coalesced,
        None => drop(extensions.insert(coalesced)),
    }
}
