//! May it be shared, and with whom: pure functions over heads.
