//! Many readers of one body.
//!
//! ```text
//! BodySource ──clone──► BodySource        claims, before anything is read
//!     │                     │ into_reader
//!     ▼                     ▼
//! SharedBody ◄─ frames ─ Stream ◄─ polls ─ the inner body
//! ```

mod checked;
mod error;
mod freed;
mod next;
mod origin;
mod part;
mod patience;
// Until the flights look into their bodies.
#[allow(dead_code)]
mod read_ahead;
mod reader;
mod shared_body;
mod source;
mod stall;
mod state;
mod stream;
#[cfg(test)]
mod tests;

#[allow(unused_imports)]
pub(in crate::http) use self::read_ahead::{Ahead, ReadAhead};
pub use self::{error::BodyError, shared_body::SharedBody, source::BodySource};
