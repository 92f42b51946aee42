//! A layer that only tries what it would do, and what it has found.
//!
//! [`HttpSingleflightLayer::dry_run`](crate::HttpSingleflightLayer::dry_run) takes a [`DryRun`];
//! [`dry_run_report`](crate::HttpSingleflightLayer::dry_run_report) returns a [`Report`], which prints as a table. How to
//! go about it: [before you switch it on](crate::guide::before_you_switch_it_on).
//!
//! Every request goes alone, once, untouched. Beside it a shadow is kept of what the layer would have done. The first
//! request of a key opens a shadow flight; those that come before the head of its answer are its followers. At that
//! head the layer's own code decides who would have had the answer. What they got instead is compared with it as it
//! passes by.
//!
//! # Memory
//!
//! It is bounded, whatever clients send: at most `watched` shadow flights (default 4096) and sixteen times as many
//! requests, each of about 1.2 kB while its answer is under way (its key, and up to 64 digests of what it shows). So it
//! is about 5 MB for 4096 flights of one request each, and 77 MB where every flight has sixteen. Where requests are
//! larger, fewer of them are watched: they take 100 MB together at most. A report has 256 routes, each with the names of
//! at most 64 inputs. At rest there is the report alone.
//!
//! # Time
//!
//! A `GET` or `HEAD` request that is not in the sample costs a hash of its target and one allocation; any other request
//! costs what its key does, about 1 µs. One that is watched costs about 4 µs more, and its answer 0.5 µs for each KiB
//! that is compared. Nothing is digested of an answer that nobody would have shared.

// call, body, content ──► shadow ──► watcher ──► table ──► member ──► answer, inputs      what is under way
//                                       ├──► routes ──► tally ──► cause                  what was found
//                                       └──► report                                      what is told

mod answer;
mod body;
mod call;
mod cause;
mod content;
mod difference;
mod digest;
mod inputs;
mod member;
mod pair;
mod report;
mod route;
mod routes;
mod settings;
mod shadow;
mod steps;
mod table;
mod tally;
mod watcher;

pub(super) use self::{
    call::ShadowCall,
    shadow::{Shadow, Watched},
    watcher::Watcher,
};
pub use self::{
    cause::Cause,
    difference::{Difference, Part},
    inputs::Input,
    report::{Colour, Report, RouteReport},
    settings::DryRun,
};
