//! Flights that the processes of a fleet share, through an engine that all of them reach.
//!
//! Local flights come first: a process has one flight for a key as ever, and only the work of that flight asks the
//! [`Engine`] whether another process runs the same already. If one does, its outcome is waited for; else the work runs
//! here, and others can wait for it.
//!
//! # What holds
//!
//! The code cites these by their numbers.
//!
//! - **F1.** The owner of a token closes it, whatever became of the caller: whether it left, panicked, or was answered
//!   too late or not at all.
//! - **F2.** A message is only ever read under the token that its reader has joined.
//! - **F3.** A flight's closing is acknowledged, or its budget is spent, before anybody has the outcome.
//! - **F4.** Nothing is encoded and nothing is buffered if closing says that nobody follows.
//! - **F5.** No error of the engine reaches a caller. It costs each caller at most the budget for joining and once more for
//!   closing, or, where it follows, for one look.
//! - **F6.** What comes from the engine is not believed before its seal, its version, its length and its token are checked.
//! - **F7.** Every wait ends by a timer of its own.
//! - **F8.** Renewal ends at `lead_limit`: a flight that is stuck is replaced on other processes too.

mod ask;
mod breaker;
mod call;
mod codec;
mod core;
mod domain;
mod elsewhere;
mod engine;
#[cfg(feature = "http")]
mod fence;
mod handle;
mod inside;
mod landing;
mod lead;
mod memory;
mod message;
mod name;
mod news;
mod random;
mod refused;
mod role;
mod seal;
mod settings;
mod stats;
mod tasks;
mod timeout;
mod typed;
mod unclosed;
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "only the HTTP layer writes"))]
mod untold;
mod wait;
mod waiters;
mod watch;

pub(crate) use self::typed::{KeyedFleet, TypedFleet};
/// What the HTTP layer drives.
#[cfg(feature = "http")]
pub(crate) use self::{
    ask::{Ask, Course},
    domain::Domain,
    elsewhere::BeganElsewhere,
    fence::Fencing,
    landing::Landing,
    lead::{Closing, Lead},
    message::{Kind, Message},
};
pub use self::{
    call::FleetCall,
    codec::{Codec, PostcardCodec},
    engine::{Closed, Engine, Join, Joined, Peek, Reply, Unavailable},
    handle::Fleet,
    memory::{Faults, MemoryEngine},
    name::{FenceScope, Name, Token},
    news::News,
    role::{FleetReason, FleetRole},
    settings::{FleetError, FleetSettings},
    stats::FleetStats,
    watch::{FleetEvent, FleetOperation},
};
