//! Many readers of one body.
//!
//! ```text
//! BodySource ──clone──► BodySource        claims, before anything is read
//!     │                     │ into_reader
//!     ▼                     ▼
//! SharedBody ◄─ frames ─ Stream ◄─ polls ─ the inner body
//! ```

mod checked;
mod deferred;
mod end;
mod error;
#[cfg(feature = "fleet")]
mod gather;
mod large;
mod observe;
mod origin;
mod part;
mod patience;
mod read_ahead;
mod reader;
mod settings;
mod shared_body;
mod source;
#[cfg_attr(not(feature = "spill"), allow(dead_code, reason = "without the feature there is no disk to spill to"))]
mod spill;
mod stall;
mod state;
mod step;
mod stream;
#[cfg(test)]
mod tests;
#[cfg(feature = "fleet")]
mod whole;

#[cfg(feature = "fleet")]
pub(in crate::http) use self::gather::{Gather, Gathered};
pub use self::{error::BodyError, large::LargeBodies, shared_body::SharedBody, source::BodySource, spill::SpillStore};
pub(in crate::http) use self::{
    observe::{BodyEvent, BodyObservers},
    read_ahead::{Ahead, ReadAhead},
    settings::Settings,
    shared_body::{Watch, tell},
};
