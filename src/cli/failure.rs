//! Why a command was not done, with the next step and the exit code. Prints nothing.

use std::io;
use std::path::PathBuf;

use crate::app::AppError;
use crate::ca::CaError;
use crate::config::{Mistakes, SecretError};
use crate::console::command::{CommandError, Kind};
use crate::control::CallError;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] Mistakes),
    /// The operation said no.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The running server could not be asked.
    #[error(transparent)]
    Call(CallError),
    /// The house could not be opened.
    #[error(transparent)]
    App(Box<AppError>),
    /// A secret is missing or open to others.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The CA could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A file.
    #[error("{} cannot be {what}: {source}; check the folder, its owner and its space", file.display())]
    File {
        /// "written".
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system has no thread or memory left.
    #[error("the system refuses to start a runtime: {0}; close other programs and try again")]
    System(#[source] io::Error),
    /// The command was wrong; the text ends with the next step.
    #[error("{0}")]
    Usage(String),
    /// Anything else; the text ends with the next step.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub(super) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Command(CommandError { kind: Kind::Usage | Kind::Unconfirmed, .. }) => 2,
            _ => 1,
        }
    }

    pub(super) fn written(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::File { what: "written", file, source }
    }

    pub(super) fn read(file: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::File { what: "read", file, source }
    }
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::App(Box::new(error))
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Command(error) => Self::Command(error),
            other => Self::Call(other),
        }
    }
}
