//! Runs the same work once for all who ask for it at the same time: singleflight for axum, hyper, tonic, and any Tower
//! service.
//!
//! Many callers ask for the same thing at the same moment: a cache entry has just expired, a page went viral, a fleet
//! restarted. One of them does the work, and all get its answer. It is no cache: an answer goes to those who were waiting
//! for it, and is then forgotten.
//!
//! # Which part to take
//!
//! | you have | take |
//! |---|---|
//! | an HTTP server or client whose requests come from others | [`HttpSingleflightLayer`]: it makes the key, and decides by the rules of HTTP what may be shared |
//! | a Tower service with `Clone` responses, and a key function that knows all that a response depends on | [`SingleflightLayer`] |
//! | work, and no service | [`Group`]: Go's `singleflight.Group` |
//!
#![cfg_attr(feature = "http", doc = "```")]
#![cfg_attr(not(feature = "http"), doc = "```ignore")]
//! use axum::{Router, routing::get};
//! use tower_singleflight::HttpSingleflightLayer;
//!
//! let app: Router = Router::new()
//!     .route("/report/{id}", get(|| async { "rows" }))
//!     .layer(HttpSingleflightLayer::new());
//! # drop(app);
//! ```
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! use tower_singleflight::{Group, Role};
//!
//! let group = Group::new();
//! let (a, b) = tokio::join!(
//!     group.call("user:7", || async { "Ada" }),
//!     group.call("user:7", || async { unreachable!("the first caller's work runs") }),
//! );
//! assert_eq!((a.value, a.role), ("Ada", Role::Leader));
//! assert_eq!((b.value, b.role), ("Ada", Role::Follower));
//! # }
//! ```
//!
//! Three hundred clients, each a line from its arrival to its answer, without the layer and with it:
//!
#![cfg_attr(doc, doc = "<style>.herd svg { max-width: 100%; height: auto; }</style>")]
#![cfg_attr(doc, doc = "<div class=\"herd\">")]
#![cfg_attr(doc, doc = include_str!("../docs/herd.svg"))]
#![cfg_attr(doc, doc = "</div>")]
//!
//! # The words
//!
//! They mean the same in all of the documentation, in the code, and in the names of [`Role`] and [`Reason`].
//!
//! - A **group** is a namespace of **keys**. Callers with equal keys are taken to ask for the same thing.
//! - A **flight** is one run of the work, and all the callers who share it. A key has at most one flight that any caller
//!   can join.
//! - The **leader** is the caller whose work runs. A **follower** is a caller who has joined the leader's flight, and
//!   whose own work waits unused.
//! - To **coalesce** is to let many callers share one flight.
//! - A caller goes **alone** if it runs its own work outside any flight; [`Reason`] says why.
//! - A flight **lands** when its outcome is known; then its callers get it, and nobody can join any more.
//! - A flight is **abandoned** when its last caller leaves; then its work is dropped.
//! - A flight is **lost** when its task dies without an outcome, because its runtime was shut down.
//! - An outcome is **shared** if more than one caller got it.
//! - A follower is **released** if it may not have the leader's outcome; it then goes alone.
//! - To **forget** a key is to make later callers start anew. Those who are on its flight still get the outcome.
//! - A call is **fresh** ([`Group::call_fresh`]) if its caller may not have the outcome of work that began before it. While a
//!   run is under way, fresh callers share a flight that **waits** for its turn behind it: the next run. A key has at most
//!   one of these.
//! - A **fleet** (feature `fleet`) is processes that share flights through an **engine**, such as Redis, which all of them
//!   reach: the leader of a flight in one process follows that of another, or leads for all.
//!
//! # Pages
//!
//! The [`guide`] has:
//!
//! - how to do what is often wanted: [recipes](guide/recipes/index.html), [placement](guide/placement/index.html) among
//!   other layers, [coming from Go](guide/coming_from_go/index.html);
//! - how to try it without risk: [before you switch it on](guide/before_you_switch_it_on/index.html);
//! - what may be shared: [security](guide/security/index.html), with five questions to ask a route, [all rules of
//!   sharing](guide/http_rules/index.html), [the fields that are no part of the key](guide/excepted_fields/index.html);
//! - what to do when two requests do not merge, when it does not compile, hangs or is slow:
//!   [troubleshooting](guide/troubleshooting/index.html);
//! - how to watch it in production: [operating](guide/operating/index.html); how several machines make one call: [many
//!   machines](guide/many_machines/index.html);
//! - how it works: [architecture](guide/architecture/index.html); and what it costs:
//!   [benchmarks](guide/benchmarks/index.html).
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `http` (default) | [`HttpSingleflightLayer`], [`CloneBodyLayer`](http::CloneBodyLayer), [`SharedBody`] |
//! | `axum` (default) | sharing over all connections of a router of axum 0.8, and keys by the URI that was asked for (axum's `OriginalUri`); without it, and with an older axum, requests share within one connection, unless `group` gives a group, and the layer must not stand [below a `nest`](guide/security/index.html#what-the-key-cannot-see) whose prefix has parameters |
//! | `tracing` (default) | the current span goes with the work when it moves to another task; each follower has a span that follows from its leader's |
//! | `dry-run` | [`HttpSingleflightLayer::dry_run`]: tries what the layer would do, and reports what it found |
//! | `fleet` | [`fleet`]: flights that many processes share |
//! | `metrics` | [`Metered`](metrics::Metered): counters, gauges and histograms |
//! | `spill` | [`LargeBodies::Spill`](http::LargeBodies::Spill): what does not fit the window waits in temporary files |
//! | `status` | [`http::StatusPage`]: a live page about the layers, to mount in the application |
//!
//! It takes services of `tower-service` 0.3, which tower 0.4 and 0.5 have, with messages of `http` 1.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![doc(test(attr(deny(warnings))))]

mod builder;
pub mod check;
mod context;
mod dry_run;
mod error;
#[cfg(feature = "fleet")]
pub mod fleet;
mod future;
mod group;
#[cfg(any(doc, doctest))]
pub mod guide;
mod hasher;
#[cfg(feature = "http")]
pub mod http;
mod key;
mod layer;
mod layer_fleet;
mod limits;
#[cfg(feature = "metrics")]
pub mod metrics;
mod observe;
mod outcome;
mod panic;
mod rare;
mod service;
mod stats;
mod striped;
mod sync;
mod threads;
mod timer;
mod trace;
mod work;

#[cfg(feature = "dry-run")]
pub use self::dry_run::DryRunStats;
#[cfg(feature = "http")]
pub use self::http::{HttpSingleflightLayer, SharedBody};
#[cfg(feature = "shuttle")]
pub use self::sync::let_tasks_die;
pub use self::{
    builder::ServiceBuilderExt,
    check::assert_service,
    error::SharedError,
    future::ResponseFuture,
    group::{Call, Group},
    key::{FreshIf, KeyFn},
    layer::SingleflightLayer,
    limits::{Limits, OnAbandon},
    observe::{End, Event, FlightId, Observer},
    outcome::{Outcome, Reason, Role},
    service::Singleflight,
    stats::Stats,
};

/// Its examples are tested, and nothing else is here.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
mod readme {}
