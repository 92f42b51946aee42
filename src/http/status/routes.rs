//! The routes that there are, each with a number.

use std::{
    collections::{HashMap, hash_map::RandomState},
    sync::Arc,
};

use super::waits::Waits;
use crate::sync::{Mutex, lock};

/// How many routes there are at most beside [`OTHER`]: their names may be made of what clients send (S26).
pub(super) const MOST: usize = 1_000;

/// What stands for all that are beyond the cap.
const OTHER: &str = "other";

/// Bytes of a name at most; the rest is cut off.
const LENGTH: usize = 128;

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
    by_name: HashMap<Arc<str>, Arc<Route>, RandomState>,
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
        let name = if known.all.len() < MOST || known.by_name.contains_key(name) { name } else { OTHER };
        known.route(name)
    }

    /// Returns all of them, by their numbers.
    pub(super) fn all(&self) -> Vec<Arc<Route>> {
        lock(&self.known).all.clone()
    }
}

/// Returns the beginning of a name, within the cap.
pub(super) fn cut(name: &str) -> &str {
    cut_at(name, LENGTH)
}

/// Returns the beginning of a text, at most so many bytes of it.
pub(super) fn cut_at(text: &str, length: usize) -> &str {
    let end = (0..=length.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut(&"ö".repeat(100)), "ö".repeat(64));
        assert_eq!(cut(&format!("a{}", "ö".repeat(100))), format!("a{}", "ö".repeat(63)));
        assert_eq!(cut("short"), "short");
    }
}
