//! What keeps a case from being counted.

pub(crate) type Fault = Box<dyn std::error::Error>;
