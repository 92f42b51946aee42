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
mod part;
mod reader;
mod shared_body;
mod source;
mod stall;
mod state;
mod stream;

pub use self::{error::BodyError, shared_body::SharedBody, source::BodySource};
