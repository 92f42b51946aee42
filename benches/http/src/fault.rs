//! What keeps a bench from being run.

pub(crate) type Fault = Box<dyn std::error::Error + Send + Sync>;
