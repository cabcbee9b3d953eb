//! The in-memory view.
