//! Reaches whoever can do a command: the running server through its socket, else the store itself.
//! Knows no command.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::presence::gate_lives;
use crate::app;
use crate::auth::password;
use crate::config::{self, Config, Environment, Mistakes};
use crate::console::command::{Acts, Command, CommandError, Kind, Output};
use crate::control::{self, CallError};
use crate::world::World;

/// The way to a gate.
pub(super) struct Reach<'e> {
    /// Mistakes in it are for those who need more of it than the place of the socket: a running gate goes by what
    /// it read when there were none, and does what it is told.
    config: Result<Config, Mistakes>,
    /// Where a running gate hears.
    pub(super) socket: PathBuf,
    environment: &'e Environment,
}

impl<'e> Reach<'e> {
    /// Reads the configuration.
    pub(super) fn open(file: Option<&Path>, environment: &'e Environment) -> Result<Self, Failure> {
        let file = config_file(file, environment)?;
        let config = Config::load(&file);
        let socket = match &config {
            Ok(config) => config.control_socket(),
            Err(mistakes) => config::control_socket_by(&file).ok_or_else(|| mistakes.clone())?,
        };
        Ok(Self { config, socket, environment })
    }

    /// What the operator wrote, without a mistake.
    pub(super) fn config(&self) -> Result<&Config, Failure> {
        self.config.as_ref().map_err(|mistakes| mistakes.clone().into())
    }

    /// Has it done.
    pub(super) async fn run(&self, command: Command) -> Result<Output, Failure> {
        match self.beside(&command).await? {
            Some(output) => Ok(output),
            None => self.alone(command).await,
        }
    }

    /// Has a running gate do it; `None` where there is none. One that is silent is waited for, since whoever opens its
    /// store meanwhile keeps it from the next one.
    pub(super) async fn beside(&self, command: &Command) -> Result<Option<Output>, Failure> {
        let begun = Instant::now();
        loop {
            match control::call(&self.socket, command).await {
                Err(CallError::Nobody(_)) => {}
                answered => return Ok(Some(answered?)),
            }
            if !gate_lives(&self.socket) {
                return Ok(None);
            }
            match command {
                // Whoever asks meanwhile means the one that gives way, or that only just starts.
                Command::Upgrade => return Err(silent().into()),
                _ if begun.elapsed() < SILENT_MAX => tokio::time::sleep(PAUSE).await,
                Command::Reload => return Err(silent().into()),
                // A gate may be ending for long while its successor has died: the store says who has it.
                _ => return Ok(None),
            }
        }
    }

    /// Whether a gate lives, though it may answer nobody just now.
    pub(super) fn gate_lives(&self) -> bool {
        gate_lives(&self.socket)
    }

    /// The same for many commands, one after the other or at once: where no server runs the store is opened, and
    /// the keys of the CA with it, for all of them.
    pub(super) async fn seat(&self) -> Result<Seat<'_>, Failure> {
        let begun = Instant::now();
        loop {
            if tokio::net::UnixStream::connect(&self.socket).await.is_ok() {
                return Ok(Seat::Beside(self));
            }
            if !self.gate_lives() || begun.elapsed() >= SILENT_MAX {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        let config = self.config()?;
        let core = app::open(config, World::real(), password::Settings::default()).await?;
        let authority = Arc::new(app::open_authority(config, self.environment, &core)?);
        Ok(Seat::Alone(app::acts(config, &core, Some(authority))?))
    }

    /// Has it done here, in the store itself.
    pub(super) async fn alone(&self, command: Command) -> Result<Output, Failure> {
        let config = self.config()?;
        let core = app::open(config, World::real(), password::Settings::default()).await?;
        let authority = match &command {
            command if command.signs() => Some(app::open_authority(config, self.environment, &core)?),
            // What is wrong with the passphrase is told beside the other checks.
            Command::Doctor => app::open_authority(config, self.environment, &core).ok(),
            _ => None,
        };
        let acts = app::acts(config, &core, authority.map(Arc::new))?;
        Ok(acts.run(&actor(), command).await?)
    }
}

fn silent() -> CommandError {
    CommandError::new(
        Kind::Refused,
        "a gate lives on this data and answers nobody just now: another process takes over already, or it is just \
         starting or stopping",
        "wait until it serves, and look whether it is what you wanted; then repeat the command, if it is still needed",
    )
}

/// Opening the keys of the CA, between two processes, takes a second or two on a small machine.
const SILENT_MAX: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

/// Who does the commands, for as long as there are some.
pub(super) enum Seat<'r> {
    /// The running server.
    Beside(&'r Reach<'r>),
    /// This process, which holds the store.
    Alone(Arc<Acts>),
}

impl Seat<'_> {
    /// Has it done.
    pub(super) async fn run(&self, command: Command) -> Result<Output, Failure> {
        match self {
            // Where the server ends meanwhile, so do we: what it was doing is not ours to do beside it.
            Self::Beside(reach) => Ok(control::call(&reach.socket, &command).await?),
            Self::Alone(acts) => Ok(acts.run(&actor(), command).await?),
        }
    }
}

/// As the audit trail names whoever types.
pub(super) fn actor() -> String {
    format!("local:{}", rustix::process::getuid().as_raw())
}

/// Which configuration file: the one named, else the environment's, else the usual ones.
pub(super) fn config_file(file: Option<&Path>, environment: &Environment) -> Result<PathBuf, Failure> {
    if let Some(file) = file.map(Path::to_owned).or_else(|| environment.config.clone()) {
        return Ok(file);
    }
    let usual = [PathBuf::from("portcullis.toml"), PathBuf::from("/etc/portcullis/portcullis.toml")];
    // One that others hide from us is there.
    let there = |file: &&PathBuf| match std::fs::metadata(file) {
        Ok(found) => found.is_file(),
        Err(error) => error.kind() == std::io::ErrorKind::PermissionDenied,
    };
    usual.iter().find(there).cloned().ok_or_else(|| {
        Failure::Usage(
            "there is no portcullis.toml here, nor in /etc/portcullis: name one with --config FILE, \
             make one with `portcullis init`, or try the gate with `portcullis demo`"
                .to_owned(),
        )
    })
}
