//! A Tower layer that runs the same work once for all who ask at the same time.
