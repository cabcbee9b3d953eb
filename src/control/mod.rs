//! The local socket through which the command line speaks to a running server: one line of JSON
//! asks, one line answers. Knows who asks by the kernel's word alone; what is asked is done by
//! the same operations as everywhere (`console::command`).

mod client;
mod server;

use serde::{Deserialize, Serialize};

use crate::console::command::{Command, CommandError, Output};

pub use client::{CallError, call};
pub use server::{ListenError, Listener, serve};

/// What is asked. Without `Debug`: a code may stand in it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Of the protocol.
    version: u32,
    /// What to do.
    command: Command,
}

/// What is answered.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// It was done.
    Done(Output),
    /// It was not.
    Failed(CommandError),
}

/// Both sides are one binary, but a server may run while its file is replaced.
const VERSION: u32 = 1;

/// A revocation list of a million certificates fits; more is no command.
const REQUEST_BYTES_MAX: u64 = 64 << 20;

/// A hundred thousand lines of the trail fit.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

#[cfg(test)]
mod tests;
