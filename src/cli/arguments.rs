//! What may be typed. Says nothing of what it does.

use std::path::PathBuf;

use super::{ca, certificate, demo, device, init, policy, route};
use crate::console::command::{audit, code, person, push, tenant};

/// A gate with three locks in front of a private web application
#[derive(clap::Parser)]
#[command(name = "portcullis", version, max_term_width = 100, after_help = AFTER)]
pub(super) struct Arguments {
    /// Configuration file [default: $PORTCULLIS_CONFIG, ./portcullis.toml, /etc/portcullis/portcullis.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) act: Act,
}

#[derive(clap::Subcommand)]
pub(super) enum Act {
    /// Try it: a whole gate with a small bank behind it, on this machine
    Demo(demo::Demo),
    /// Make a new gate: configuration, CA, first owner
    Init(Box<init::Init>),
    /// Run the gate
    Serve,
    /// Have the running gate read its configuration and all files again, as SIGHUP does
    Reload,
    /// Have the program that lies in its place now take over from the running gate, as SIGUSR2 does: no connection is refused
    Upgrade,
    /// Look whether all is well, and say what to do where it is not
    Doctor,
    /// Whose gate it is: add, list
    Tenant {
        #[command(subcommand)]
        command: tenant::Command,
    },
    /// Where permitted requests go: set, list, show, apply, export, close, open, remove
    Route {
        #[command(subcommand)]
        command: route::Route,
    },
    /// People: add, list, lock, unlock
    Person {
        #[command(subcommand)]
        command: person::Command,
    },
    /// Devices and their certificates: issue, renew, list, revoke
    Device {
        #[command(subcommand)]
        command: device::Device,
    },
    /// Certificates, whosever they are: list, show, export
    Certificate {
        #[command(subcommand)]
        command: certificate::Certificate,
    },
    /// The certificate authorities: show, rotate, reseal, backup, restore; the root kept offline
    Ca {
        #[command(subcommand)]
        command: ca::Ca,
    },
    /// Six-digit codes on this machine: verify
    Code {
        #[command(subcommand)]
        command: code::Command,
    },
    /// Rules: apply, export, check, test, explain
    Policy {
        #[command(subcommand)]
        command: policy::Policy,
    },
    /// Push, which wakes the phones: rotate-key
    Push {
        #[command(subcommand)]
        command: push::Command,
    },
    /// The audit trail: list, verify
    Audit {
        #[command(subcommand)]
        command: audit::Command,
    },
}

const AFTER: &str = "\
Begin with `portcullis demo` to try it, or with `portcullis init` to run it.
Beside a running gate every command speaks to it through DATA/control.sock; else it opens the store itself.
Exit codes: 0 done, 1 not done or something is wrong, 2 the command itself was wrong.";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_sound() {
        super::Arguments::command().debug_assert();
    }
}
