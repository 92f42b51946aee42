//! The rules of the key, by number.
