//! The live page: what the layers do just now, in a browser or a terminal.

// service ─► page, plain, body ─► clients, shown ─► collect ─► snapshot
//                                                      ├─────► recorder ─► stripe, flights, routes, held ─► history, waits
//                                                      └─────► sources ─► snapshot, for which `fleet` asks

mod body;
mod clients;
mod collect;
#[cfg(feature = "fleet")]
mod fleet;
mod flights;
mod held;
mod history;
mod page;
mod plain;
mod recorder;
mod routes;
mod service;
mod shown;
mod snapshot;
mod sources;
mod stripe;
mod waits;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

pub use self::body::StatusBody;
use self::{
    held::Held,
    recorder::Recorder,
    shown::Shown,
    sources::{Source, Sources},
};
use super::observe::{HttpEvent, HttpObserver};
use crate::{
    Event, Observer, Stats,
    observe::{Observed, label::cut},
};

/// The name of calls that have no label, on a page that was given no name.
const UNNAMED: &str = "(no label)";

/// A live page about layers and groups: an observer of them, and a service that answers browsers.
///
/// Clones are the same page: give one to each layer's `observe`, or to [`Group::observed`](crate::Group::observed), and
/// mount one. It answers three paths, below wherever it is mounted:
///
/// | path | answer |
/// |---|---|
/// | `/` | the page: calls per second by role, flights under way and the oldest of them, a table of routes |
/// | `/events` | the same in JSON, as server-sent events, four times a second |
/// | `/plain` | the same as text, for `watch curl` |
///
/// It counts from when it was given to the layer. How it is mounted safely, and what each number means, is on
/// [a page of the guide](crate::guide::status_page).
///
/// # Guarantees
///
/// 1. It shows no key, no header field and no body. Labels are shown as text, whatever is in them.
/// 2. Its memory is bounded: 1,000 routes, what is beyond them together as `other`; 16,384 flights under way; 64 browsers at
///    a time. A client that reads slowly gets fewer snapshots.
/// 3. One snapshot serves all who look, and none is made while nobody does.
///
/// # Trade-offs
///
/// It has no login: whoever reaches it sees the names of routes, and how busy they are. Mount it behind the application's
/// own.
///
/// An event takes a lock that as a rule no other thread wants.
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_singleflight::{HttpSingleflightLayer, http::StatusPage};
///
/// let page = StatusPage::new();
/// let app: Router = Router::new()
///     .route("/report/{id}", get(|| async { "rows" }))
///     .layer(HttpSingleflightLayer::new().observe(page.clone()))
///     .nest_service("/singleflight", page); // below the admin's login
/// # drop(app);
/// ```
#[derive(Clone)]
pub struct StatusPage {
    shown: Arc<Shown>,
    /// The name for calls without a label.
    name: Arc<str>,
    /// What bodies of layers with this name keep for slower readers.
    held: Arc<Held>,
    /// `Some` if the `Host` of requests is checked: the names that are ours beside addresses and `localhost`.
    hosts: Option<Arc<[String]>>,
}

impl StatusPage {
    /// Returns an empty page. It shows the layers and groups that it is given to.
    pub fn new() -> Self {
        let shown = Shown::new(Arc::new(Recorder::new()), Sources::default());
        let name = UNNAMED.into();
        let held = shown.recorder.held.get(&name);
        Self { shown: Arc::new(shown), name, held, hosts: None }
    }

    /// Returns the same page, for something whose calls have no label, such as a [`Group`](crate::Group): the page
    /// shows them under this name. Given to a layer, the name is that of what its bodies keep for slower readers.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{Group, http::StatusPage};
    ///
    /// let page = StatusPage::new();
    /// let users: Group<u64, String> = Group::new().observed(page.named("users"));
    /// let teams: Group<u64, String> = Group::new().observed(page.named("teams"));
    /// # drop((users, teams));
    /// ```
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        let name = cut(name).into();
        Self { held: self.shown.recorder.held.get(&name), name, ..self.clone() }
    }

    /// Adds a row to the page's table of groups: what [`Group::stats`](crate::Group::stats) says, and which observers
    /// have been switched off. The function is asked for each snapshot, by one caller at a time: those who look
    /// meanwhile see what it said before. If it panics, it is not asked again.
    ///
    /// This value and its later clones show it. Clones from before do not, so that a group that is observed by one is not
    /// held for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::{Group, http::StatusPage};
    ///
    /// let page = StatusPage::new();
    /// let users: Group<u64, String> = Group::new().observed(page.named("users"));
    /// let page = page.group("users", move || users.stats());
    /// # drop(page);
    /// ```
    #[must_use]
    pub fn group<F>(self, name: &str, stats: F) -> Self
    where
        F: Fn() -> Stats + Send + Sync + 'static,
    {
        self.with(|sources| sources.groups.push(Source { name: cut(name).into(), ask: Observed::new(stats) }))
    }

    /// Adds text of the application's own, under a title: at most 16 KiB, made anew for each snapshot, as with
    /// [`group`](Self::group). If it panics, it is not asked again.
    ///
    /// This value and its later clones show it.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_singleflight::http::StatusPage;
    ///
    /// let page = StatusPage::new().section("Pool", || format!("{} connections idle", 3));
    /// # drop(page);
    /// ```
    #[must_use]
    pub fn section<F>(self, title: &str, text: F) -> Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.with(|sources| sources.sections.push(Source { name: cut(title).into(), ask: Observed::new(text) }))
    }

    /// Refuses requests whose `Host` is neither an address, nor `localhost`, nor one of these names. For a page on a
    /// port of its own without a login: a stranger's web site, whose name is made to lead to that port (DNS rebinding),
    /// cannot read it.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use http::{Request, StatusCode};
    /// use tower::Service;
    /// use tower_singleflight::http::StatusPage;
    ///
    /// let mut page = StatusPage::new().only_hosts(["status.internal"]);
    /// let mut ask = async |host| {
    ///     let request = Request::get("/plain").header("host", host).body(()).unwrap();
    ///     page.call(request).await.unwrap().status()
    /// };
    /// assert_eq!(ask("127.0.0.1:9000").await, StatusCode::OK);
    /// assert_eq!(ask("status.internal").await, StatusCode::OK);
    /// assert_eq!(ask("evil.example").await, StatusCode::MISDIRECTED_REQUEST);
    /// # }
    /// ```
    #[must_use]
    pub fn only_hosts<N>(mut self, names: impl IntoIterator<Item = N>) -> Self
    where
        N: Into<String>,
    {
        self.hosts = Some(names.into_iter().map(Into::into).collect());
        self
    }

    fn with(mut self, add: impl FnOnce(&mut Sources)) -> Self {
        let mut sources = self.shown.sources.clone();
        add(&mut sources);
        self.shown = Arc::new(Shown::new(Arc::clone(&self.shown.recorder), sources));
        self
    }
}

impl Default for StatusPage {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for StatusPage {
    fn on(&self, event: &Event<'_>) {
        self.shown.recorder.on(event, &self.name);
    }
}

impl HttpObserver for StatusPage {
    /// What the page shows of rules it learns as an [`Observer`].
    fn on_http(&self, event: &HttpEvent<'_>) {
        match *event {
            HttpEvent::Lagged { readers } => _ = self.shown.recorder.cut.fetch_add(readers as u64, Relaxed),
            HttpEvent::Held { bytes } => self.held.add(bytes),
            _ => {}
        }
    }
}

impl fmt::Debug for StatusPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusPage").field("name", &self.name).finish_non_exhaustive()
    }
}
