//! Many readers of one body.
//!
//! ```text
//! BodySource ──clone──► BodySource        claims, before anything is read
//!     │                     │ into_reader
//!     ▼                     ▼
//! SharedBody ◄─ frames ─ Stream ◄─ polls ─ the inner body
//! ```

mod error;
mod reader;
mod shared_body;
mod source;
mod state;
mod stream;

pub use self::{error::BodyError, shared_body::SharedBody, source::BodySource};
