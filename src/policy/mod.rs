//! Who may what, and what must have been proved: rules in files, decisions without IO.

pub mod permit;

pub use permit::{Ask, Decision, Missing, Permit};
