//! Many readers of one body.
