//! Keeps what is in the process's memory from everybody else on the machine: no core dump, no debugger of
//! the same user, no passphrase in the environment that `/proc` shows. Knows no secret's use.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use super::failure::Failure;
use crate::config::{Environment, environment};
use crate::domain::Secret;

/// No core dump, and `/proc/PID` is root's alone. Where the system refuses, the log says so: a gate that does
/// not start because of it would help nobody.
pub(super) fn raise() {
    // Asked first: a service manager that has set it may also forbid the call.
    if getrlimit(Resource::Core).current != Some(0)
        && let Err(error) = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
    {
        tracing::warn!(%error, "core dumps could not be switched off; set LimitCORE=0");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "other processes of this user may read this one's memory");
    }
}

/// Starts this very process anew without the passphrase in its environment, which would stay readable for as
/// long as it runs; the passphrase comes along in a pipe that is empty once it was read. Returns only where it
/// is not in the environment.
///
/// # Errors
/// What the system refuses. The process must end then: whoever tried to become another program has left
/// signals and standard input as that program would have wanted them.
pub(super) fn shed_passphrase(environment: &Environment, arguments: &[OsString]) -> Result<(), Failure> {
    let Some(passphrase) = environment.passphrase.as_ref().filter(|_| environment.exposes_passphrase) else {
        return Ok(());
    };
    let error = match restarted(passphrase, arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    Err(Failure::Other(format!(
        "the passphrase cannot be taken out of this process's environment ({error}): name a file of it in \
         `[secrets] passphrase_file` instead of setting PORTCULLIS_PASSPHRASE"
    )))
}

fn restarted(passphrase: &Secret, arguments: &[OsString]) -> std::io::Result<std::convert::Infallible> {
    let stdin = on_stdin(passphrase)?;
    let name = arguments.first().cloned().unwrap_or_else(|| "portcullis".into());
    // By its own name, which `ps` shows; where that file is gone, by what is left of it.
    let own = std::env::current_exe().ok().filter(|own| own.is_file());
    let mut command = Command::new(own.unwrap_or_else(|| "/proc/self/exe".into()));
    command.arg0(name).args(arguments.iter().skip(1)).stdin(stdin);
    command.env_remove(environment::PASSPHRASE).env(environment::PASSPHRASE_ON_STDIN, "1");
    Err(command.exec())
}

/// The passphrase as a process reads it that is told so by `PASSPHRASE_ON_STDIN`.
pub(super) fn on_stdin(passphrase: &Secret) -> std::io::Result<Stdio> {
    let (reader, mut writer) = std::io::pipe()?;
    // A pipe holds at least 4 KiB without a reader; longer ones would wait for ever.
    if passphrase.expose().len() > PIPE_BYTES_MAX {
        return Err(std::io::Error::other("the passphrase is too long to be handed over"));
    }
    writer.write_all(passphrase.expose().as_bytes())?;
    Ok(Stdio::from(reader))
}

/// What POSIX promises of every pipe is less; Linux gives 64 KiB, and 4 KiB to a user with many.
const PIPE_BYTES_MAX: usize = 4096;
