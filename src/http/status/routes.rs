//! The routes that there are, each with a number.

use std::{collections::HashMap, sync::Arc};

use super::waits::Waits;
use crate::{
    observe::label::{capped, cut},
    sync::{Mutex, lock},
};

/// One kind of calls.
pub(super) struct Route {
    pub(super) name: Arc<str>,
    pub(super) number: u16,
    pub(super) waits: Waits,
}

/// All routes of a page.
#[derive(Default)]
pub(super) struct Routes {
    /// A leaf lock, taken when a thread first meets a route.
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_name: HashMap<Arc<str>, Arc<Route>>,
    /// By their numbers.
    all: Vec<Arc<Route>>,
}

impl Known {
    fn route(&mut self, name: &str) -> Arc<Route> {
        if let Some(route) = self.by_name.get(name) {
            return Arc::clone(route);
        }
        let name: Arc<str> = name.into();
        let number = self.all.len() as u16;
        let route = Arc::new(Route { name: Arc::clone(&name), number, waits: Waits::new() });
        self.all.push(Arc::clone(&route));
        self.by_name.insert(name, Arc::clone(&route));
        route
    }
}

impl Routes {
    /// Returns the route of this name, or the one that stands for all others.
    pub(super) fn get(&self, name: &str) -> Arc<Route> {
        let name = cut(name);
        let mut known = lock(&self.known);
        let name = if known.by_name.contains_key(name) { name } else { capped(name, known.all.len()) };
        known.route(name)
    }

    /// Returns all of them, by their numbers.
    pub(super) fn all(&self) -> Vec<Arc<Route>> {
        lock(&self.known).all.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::label::{MOST, OTHER};

    #[test]
    fn beyond_the_cap_there_is_one_route() {
        let routes = Routes::default();
        for number in 0..MOST {
            assert_eq!(usize::from(routes.get(&number.to_string()).number), number);
        }
        for name in ["one more", "another", OTHER] {
            assert_eq!(&*routes.get(name).name, OTHER);
        }
        assert_eq!(&*routes.get("7").name, "7");
        assert_eq!(routes.all().len(), MOST + 1);
    }
}
