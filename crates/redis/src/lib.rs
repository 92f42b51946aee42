//! Lets the processes of a fleet share flights of [`tower_singleflight`] through the Redis or Valkey that they have.
//!
//! [`RedisEngine`] is the engine through which a fleet's processes share flights. It needs Redis 6 or Valkey 7.2, or
//! later: alone, with replicas, or as a cluster (feature `cluster`).
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_singleflight::{Group, fleet::{Fleet, PostcardCodec}};
//! use tower_singleflight_redis::RedisEngine;
//!
//! let engine = RedisEngine::connect("redis://127.0.0.1/").await?;
//! let fleet = Fleet::new(engine, [7; 32]); // 32 random bytes that all processes of the fleet know
//! let group = Group::new();
//! let report = fleet.call(&group, "report 7", PostcardCodec::new(), || async { "rows".to_owned() }).await;
//! # drop(report);
//! # Ok(())
//! # }
//! ```
//!
//! # Rights
//!
//! A user needs these rights and no others; the tests run as such a user:
//!
//! ```text
#![doc = include_str!("rights.acl")]
//! ```
//!
//! A cluster needs `+cluster|slots` too.
//!
//! # What lies in the store
//!
//! `<scope>` and `<key>` are keyed digests in hexadecimal digits, which tell nothing of what they were made of.
//!
//! | key | what | until |
//! |---|---|---|
//! | `tsf:{<scope>}:l:<key>` | the flights of a key that run: their leases, and who waits | the last of them ends, or two leases after its last renewal |
//! | `tsf:{<scope>}:r:<key>:<token>` | a flight that was closed: pending, then its message | `keep` |
//! | `tsf:{<scope>}:x:<token>` | that this flight was closed | two leases |
//! | `tsf:{<scope>}:f` | a fence | all flights that it ends have ended |
//! | channel `tsf:i:<process>` | what a process is told: that a flight has landed, and its message up to 8 KiB | |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cluster")]
mod cluster;
mod connect;
mod connection;
mod engine;
mod error;
mod inbox;
mod keys;
mod link;
mod script;
mod trial;

pub use redis;

pub use self::{connect::Settings, engine::RedisEngine, error::ConnectError, inbox::Inbox};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
