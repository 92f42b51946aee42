//! Fresh calls where something is in the way: a stuck run, limits, lost tasks, work that calls itself, slow drops.
