//! The rules of the policy, by number.
