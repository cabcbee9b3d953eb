//! The embedded engine, redb.
