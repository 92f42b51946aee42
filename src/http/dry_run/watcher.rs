//! All that a dry-running layer value knows: one for its clones and services.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::Instant;

use super::{
    answer::Ending,
    difference::Difference,
    digest::Digester,
    member::{Answered, Id, Judged, Member},
    pair::Pair,
    report::{Report, Totals},
    route::Route,
    routes::{Noted, Routes},
    settings::DryRun,
    steps::Landed,
    table::{Effects, Table, ToJudge, Way},
};
use crate::{
    hasher::KeyHasher,
    http::{group::HttpGroup, key::HttpKey, requester::Requester, rule::Rule},
    panic::quietly,
    striped::Striped,
    sync::{Mutex, lock},
};

/// All that a dry-running layer value knows.
#[derive(Clone)]
pub(in crate::http) struct Watcher {
    known: Arc<Known>,
}

struct Known {
    told: DryRun,
    digester: Digester,
    hasher: KeyHasher,
    table: Mutex<Table>,
    routes: Mutex<Routes>,
    /// Groups of the layer, each with the one that its shadow has: with the same fences and limits, and a memory of its
    /// own.
    groups: Mutex<Vec<(HttpGroup, HttpGroup)>>,
    started: Instant,
    requests: Striped,
    unwatched: Striped,
    /// Requests that were let pass without a look at them: nothing else counts them.
    passed: Striped,
    panicked: Striped,
    /// Set once `on_difference` has panicked.
    is_off: AtomicBool,
}

impl Watcher {
    pub(in crate::http) fn new(told: DryRun) -> Self {
        let table = Mutex::new(Table::new(told.watched));
        let known = Known {
            told,
            digester: Digester::new(),
            hasher: KeyHasher::new(),
            table,
            routes: Mutex::default(),
            groups: Mutex::default(),
            started: Instant::now(),
            requests: Striped::new(),
            unwatched: Striped::new(),
            passed: Striped::new(),
            panicked: Striped::new(),
            is_off: AtomicBool::new(false),
        };
        Self { known: Arc::new(known) }
    }

    pub(super) fn told(&self) -> &DryRun {
        &self.known.told
    }

    pub(super) fn digester(&self) -> &Digester {
        &self.known.digester
    }

    /// Returns the shadow's group in place of one of the layer's.
    pub(super) fn beside(&self, group: &HttpGroup) -> HttpGroup {
        let mut groups = lock(&self.known.groups);
        if let Some((_, shadow)) = groups.iter().find(|(known, _)| known.number() == group.number()) {
            return shadow.clone();
        }
        let shadow = HttpGroup::beside(group, group.limits());
        groups.push((group.clone(), shadow.clone()));
        shadow
    }

    /// Runs what may run the user's code: no panic of that reaches the caller, which would not have seen it without the
    /// layer.
    pub(super) fn guarded<T>(&self, run: impl FnOnce() -> T) -> Option<T> {
        let result = quietly(run);
        if result.is_none() {
            self.known.panicked.add_one();
        }
        result
    }

    pub(super) fn count_request(&self) {
        self.known.requests.add_one();
    }

    /// Returns whether a request of this target passes without a look at it: it is not in the sample.
    #[inline]
    pub(super) fn passes(&self, target: &(impl Hash + ?Sized)) -> bool {
        let passes = !self.known.told.watches(self.known.hasher.hash_one(target));
        if passes {
            self.known.passed.add_one();
        }
        passes
    }

    pub(super) fn hash(&self, key: &HttpKey) -> u64 {
        self.known.hasher.hash_one(key)
    }

    /// Returns the hash of what decides whether a request is watched, if it is.
    pub(super) fn samples(&self, value: &(impl Hash + ?Sized)) -> Option<u64> {
        let hash = self.known.hasher.hash_one(value);
        let watches = self.known.told.watches(hash);
        if !watches {
            self.known.unwatched.add_one();
        }
        watches.then_some(hash)
    }

    /// Notes a request that a rule sends alone.
    pub(super) fn alone(&self, route: Route, rule: Rule) {
        let mut routes = lock(&self.known.routes);
        routes.request(&route);
        routes.note(vec![Noted::Alone(route, Some(rule))]);
    }

    pub(super) fn note(&self, event: Noted) {
        lock(&self.known.routes).note(vec![event]);
    }

    /// Takes a request in; `None` if there is no place.
    pub(super) fn insert(&self, member: Member) -> Option<Id> {
        let route = Arc::clone(&member.route);
        let id = lock(&self.known.table).insert(member);
        let mut routes = lock(&self.known.routes);
        match id {
            Some(_) => routes.request(&route),
            None => routes.full += 1,
        }
        id
    }

    /// Lets a request ask for a flight.
    pub(super) fn join(&self, id: Id, way: Way) {
        self.change(|table, effects| table.join(id, way, Instant::now(), effects));
    }

    /// Lets a request whose content has been read ask for a flight, if its key is in the sample.
    pub(super) fn complete(&self, id: Id, requester: Requester, way: Way) {
        let Some(hash) = self.samples(&requester.key) else { return self.ended(id, Ending::Left) };
        let unshareable = requester.group().unshareable();
        let way = if way != Way::Lead && unshareable.contains(&requester.key) { Way::Alone } else { way };
        let requester = Arc::new(requester);
        self.change(|table, effects| {
            let now = Instant::now();
            table.complete(id, requester, hash, now);
            table.join(id, way, now, effects);
        });
    }

    /// A request's own call is polled for the first time.
    pub(super) fn begins(&self, id: Id) {
        lock(&self.known.table).begins(id);
    }

    pub(super) fn others_wait(&self, id: Id) -> bool {
        lock(&self.known.table).followers(id) > 0
    }

    pub(super) fn answered(&self, id: Id, answered: Answered) {
        self.change(|table, effects| table.answered(id, answered, effects));
    }

    pub(super) fn stands(&self, id: Id, judged: Judged) {
        self.change(|table, effects| table.stands(id, judged, effects));
    }

    pub(super) fn ended(&self, id: Id, ending: Ending) {
        self.change(|table, effects| table.ended(id, ending, effects));
    }

    /// Returns whether anything is to be learnt from how a request's answer goes on.
    pub(super) fn is_watched(&self, id: Id) -> bool {
        lock(&self.known.table).contains(id)
    }

    /// Changes the table, and does what follows from it without the lock.
    fn change(&self, change: impl FnOnce(&mut Table, &mut Effects)) {
        let mut effects = Effects::default();
        change(&mut lock(&self.known.table), &mut effects);
        while let Some(id) = effects.judge.pop_front() {
            self.judge(id, &mut effects);
        }
        let Effects { mut events, pairs, gone, .. } = effects;
        events.extend(pairs.into_iter().filter_map(Pair::compare));
        drop(gone);
        if events.is_empty() {
            return;
        }
        let differences = lock(&self.known.routes).note(events);
        differences.iter().for_each(|difference| self.tell(difference));
    }

    /// Judges a request's answer, as the layer would have; its flight lands, if it leads one.
    fn judge(&self, id: Id, effects: &mut Effects) {
        let Some(ToJudge { requester, judged, began, again }) = lock(&self.known.table).take_to_judge(id) else {
            return;
        };
        let (audience, again) = match judged {
            Judged::Open => return,
            Judged::Failed => (requester.judge_error(began), Some(None)),
            Judged::Stands { verdict, status, has_length } => {
                (requester.judge(verdict, status, has_length, began), again.map(Some))
            }
        };
        let landed = Landed { audience, again };
        let (speaks_for_next, now) = (landed.audience.speaks_for_next(), Instant::now());
        let Some(waiting) = lock(&self.known.table).land(id, speaks_for_next, now, effects) else { return };
        let steps = waiting.into_iter().map(|one| one.next(&landed, now, &self.known.hasher)).collect();
        lock(&self.known.table).landed(id, steps, now, effects);
    }

    /// Tells `on_difference` of a difference; once it has panicked, it is told no more.
    fn tell(&self, difference: &Difference) {
        let Some(on_difference) = &self.known.told.on_difference else { return };
        if self.known.is_off.load(Ordering::Relaxed) || std::thread::panicking() {
            return;
        }
        if quietly(|| on_difference(difference)).is_none() {
            self.known.is_off.store(true, Ordering::Relaxed);
        }
    }

    pub(in crate::http) fn report(&self) -> Report {
        let Known { told, table, routes, started, requests, unwatched, passed, panicked, is_off, .. } = &*self.known;
        let passed = passed.get();
        let (flights, watched) = lock(table).sizes();
        let routes = lock(routes);
        let totals = Totals {
            seconds: started.elapsed().as_secs_f64(),
            sample: (told.sample.n, told.sample.m),
            requests: requests.get() + passed,
            unwatched: unwatched.get() + passed,
            full: routes.full,
            panicked: panicked.get(),
            is_off: is_off.load(Ordering::Relaxed),
            flights,
            watched,
            forgotten: routes.forgotten,
        };
        Report::new(totals, routes.tallies())
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DryRun").field(&self.known.told).finish()
    }
}
