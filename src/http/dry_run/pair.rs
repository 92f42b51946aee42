//! Two members that are compared. Done without the table's lock.

use std::sync::Arc;

use super::{
    answer::{Compared, compare},
    difference::Difference,
    member::Record,
    route::Route,
    routes::Noted,
};

pub(super) struct Pair {
    route: Route,
    one: Arc<Record>,
    other: Arc<Record>,
    /// A leader and its follower: a finding. Two followers only tell more of what explains it.
    is_finding: bool,
}

impl Pair {
    pub(super) fn new(route: &Route, one: &Arc<Record>, other: &Arc<Record>, is_finding: bool) -> Self {
        Self { route: Arc::clone(route), one: Arc::clone(one), other: Arc::clone(other), is_finding }
    }

    /// Compares the two; `None` if there is nothing to note.
    pub(super) fn compare(self) -> Option<Noted> {
        let Self { route, one, other, is_finding } = self;
        let compared = compare((one.head.as_ref(), &one.ending), (other.head.as_ref(), &other.ending));
        let is_known = matches!(compared, Compared::Same | Compared::Different(_));
        if !is_known && !is_finding {
            return None;
        }
        let difference = Difference {
            route,
            parts: compared.parts(),
            inputs: if is_known { one.inputs.unequal(&other.inputs) } else { Vec::new() },
            digests: (one.ending.digest(), other.ending.digest()),
        };
        Some(Noted::Compared { difference, compared, is_finding })
    }
}
