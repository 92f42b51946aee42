//! Flights that many processes share: each process is a group and a `Fleet` of its own, all on one engine.
