//! The command line as it is: the real binary, every command both beside a running server and
//! without one, and what it says when something is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod bulk;
mod ca_life;
mod commands;
mod demo;
mod doctor;
mod door_files;
mod engines;
mod gate;
mod history;
mod mistakes;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/sealed.rs"]
#[allow(dead_code, reason = "the attacks use the rest")]
mod sealed;
mod silent;
#[path = "../support/skipped.rs"]
mod skipped;
mod socket;
