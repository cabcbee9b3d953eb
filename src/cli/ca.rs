//! `portcullis ca`: the certificate authorities, as typed. Reads and writes files where the person is, and finds
//! the passphrase; what is done with it is in `console::command`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::print::Printer;
use super::reach::Reach;
use crate::config::{Environment, SecretError, secrets};
use crate::console::command::{Command, ca};
use crate::domain::Secret;
use crate::domain::certificate::IssuerKind;

#[derive(clap::Subcommand)]
pub(super) enum Ca {
    /// Show the CAs: what they sign, until when, their fingerprints
    Show {
        /// Print the root certificate of one as PEM: devices, staff or server
        #[arg(long, value_name = "CA", value_parser = kind)]
        pem: Option<IssuerKind>,
    },
    /// Make a new issuing CA: new certificates come from it, those of the old one go on counting
    Rotate {
        /// Which: devices, staff or server
        #[arg(value_parser = kind)]
        ca: IssuerKind,
        #[command(flatten)]
        keys: Keys,
    },
}

/// How the keys are opened.
#[derive(clap::Args)]
pub(super) struct Keys {
    /// File with the passphrase of the CA's keys, mode 0600; without it the configuration's, else it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(super) async fn run<'e>(
    command: Ca,
    reach: impl Fn() -> Result<Reach<'e>, Failure>,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let command = match command {
        Ca::Show { pem } => ca::Command::Show { pem },
        Ca::Rotate { ca: kind, keys } => {
            let passphrase = passphrase(&keys, &reach()?, environment)?;
            ca::Command::Rotate { kind, passphrase }
        }
    };
    let output = reach()?.run(Command::Ca(command)).await?;
    printer.output(&output)
}

/// From the file that was named, else as the gate itself would find it, else asked for.
fn passphrase(keys: &Keys, reach: &Reach<'_>, environment: &Environment) -> Result<Secret, Failure> {
    if let Some(file) = &keys.passphrase_file {
        return Ok(secrets::from_file(file)?.secret);
    }
    match reach.config.secrets.passphrase(environment) {
        Ok(found) => Ok(found.secret),
        Err(SecretError::NoPassphrase) => asked("Passphrase of the CA's keys (it is not shown): "),
        Err(other) => Err(other.into()),
    }
}

/// Typed; without a terminal, what to do instead.
fn asked(question: &str) -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "the passphrase of the CA's keys is needed: give --passphrase-file FILE (mode 0600), or run this in a \
             terminal and be asked"
                .to_owned(),
        ));
    }
    let terminal = |source| Failure::File { what: "read", file: Path::new("the terminal").into(), source };
    rpassword::prompt_password(question).map(Secret::new).map_err(terminal)
}

fn kind(text: &str) -> Result<IssuerKind, String> {
    [IssuerKind::Devices, IssuerKind::Staff, IssuerKind::Server]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| "write devices, staff or server".to_owned())
}
