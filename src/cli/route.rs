//! `portcullis route`: reads files of routes. What they mean, the command says.

use std::path::PathBuf;

use super::failure::Failure;
use crate::console::command::route::Command;

#[derive(clap::Subcommand)]
pub(super) enum Route {
    #[command(flatten)]
    Plain(Command),
    /// Put the routes of a file in force, all or none; those that it does not name stay as they are
    Apply {
        /// TOML, as `route export` writes it
        file: PathBuf,
    },
}

impl Route {
    /// As it is run.
    pub(super) fn read(self) -> Result<Command, Failure> {
        match self {
            Self::Plain(command) => Ok(command),
            Self::Apply { file } => {
                let text = std::fs::read_to_string(&file).map_err(Failure::read(&file))?;
                Ok(Command::Apply { file: file.display().to_string(), text })
            }
        }
    }
}
