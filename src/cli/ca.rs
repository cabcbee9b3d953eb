//! `portcullis ca`: the certificate authorities, as typed. Reads and writes files where the person is, and finds
//! the passphrase; what is done with it is in `console::command`.

mod backup;
pub(super) mod offline;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::init::{long_enough, typed};
use super::print::{Printer, write_file};
use super::reach::Reach;
use crate::config::{Environment, SecretError, secrets};
use crate::console::command::given::Given;
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
    #[command(after_help = ROTATE)]
    Rotate {
        /// Which: devices, staff or server
        #[arg(value_parser = kind)]
        ca: IssuerKind,
        /// The root is elsewhere: write a request for it to this file
        #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
        request: Option<PathBuf>,
        /// Take up the certificate that the root has signed for that request
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Take the keys of the roots off this machine: the gate never needs them
    #[command(after_help = BUNDLE)]
    Init {
        /// The file to write them to, for taking away; a new one
        #[arg(long, value_name = "FILE")]
        offline_root: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Where the root bundle is, without gate or store: sign the request for an issuing CA
    #[command(after_help = BUNDLE)]
    SignIntermediate(offline::Sign),
    /// Another passphrase for all keys of the CA, at once
    Reseal {
        /// File with the new passphrase, mode 0600; without it you are asked for it twice
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// Seal a root bundle that was taken away instead; needs neither gate nor store
        #[arg(long, value_name = "FILE")]
        bundle: Option<PathBuf>,
        #[command(flatten)]
        keys: Keys,
    },
    /// Write the CA to one file: sealed keys, and the record of every certificate
    #[command(after_help = BACKUP)]
    Backup {
        /// File to write; a new one
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Revoke what a list of this gate tells: after an older store or backup was put back
    ImportCrl {
        /// A list of this gate as somebody fetched it, PEM or DER, of any age
        file: PathBuf,
    },
    /// Make a gate in an empty folder from a backup of its CA
    #[command(after_help = BACKUP)]
    Restore(backup::Restore),
}

/// How the keys are opened.
#[derive(clap::Args)]
pub(super) struct Keys {
    /// File with the passphrase of the CA's keys, mode 0600; without it the configuration's, else it is asked for
    #[arg(long, value_name = "FILE")]
    pub(super) passphrase_file: Option<PathBuf>,
}

pub(super) async fn run<'e>(
    command: Ca,
    reach: impl Fn() -> Result<Reach<'e>, Failure>,
    environment: &Environment,
    printer: Printer,
) -> Result<bool, Failure> {
    let opened = |keys: &Keys| passphrase(keys, &reach()?, environment);
    let command = match command {
        Ca::SignIntermediate(sign) => return offline::sign(&sign, environment, printer),
        Ca::Restore(restore) => return backup::restore(restore, environment, printer).await,
        Ca::Backup { out, keys } => {
            return backup::back_up(&reach()?, &out, &opened(&keys)?, printer).await;
        }
        Ca::Init { offline_root, keys } => {
            offline::free(&offline_root)?;
            let lines = offline::take_away(&reach()?, &offline_root, &opened(&keys)?).await?;
            return lines.iter().try_for_each(|line| printer.line(line)).map(|()| true);
        }
        Ca::Reseal { new_passphrase_file, bundle: Some(bundle), keys } => {
            let old = alone(&keys, environment)?;
            return offline::reseal(&bundle, &old, &new_passphrase(new_passphrase_file.as_deref())?, printer);
        }
        Ca::Reseal { new_passphrase_file, bundle: None, keys } => {
            let passphrase = opened(&keys)?;
            ca::Command::Reseal { passphrase, new: new_passphrase(new_passphrase_file.as_deref())? }
        }
        Ca::Show { pem } => ca::Command::Show { pem },
        Ca::ImportCrl { file } => {
            let list = Given::new(std::fs::read(&file).map_err(Failure::read(&file))?);
            ca::Command::ImportCrl { list }
        }
        Ca::Rotate { ca: kind, request: Some(to), keys, .. } => {
            offline::free(&to)?;
            let command = ca::Command::Request { kind, passphrase: opened(&keys)? };
            let output = reach()?.run(Command::Ca(command)).await?;
            for file in &output.files {
                write_file(file, Some(&to))?;
            }
            return printer.output(&output);
        }
        Ca::Rotate { ca: kind, certificate, keys, .. } => {
            let certificate = certificate.as_deref().map(read).transpose()?;
            ca::Command::Rotate { kind, passphrase: opened(&keys)?, certificate }
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
    match reach.config()?.secrets.passphrase(environment) {
        Ok(found) => Ok(found.secret),
        Err(SecretError::NoPassphrase) => asked(),
        Err(other) => Err(other.into()),
    }
}

/// The same where no configuration is.
fn alone(keys: &Keys, environment: &Environment) -> Result<Secret, Failure> {
    let named = crate::config::Secrets {
        passphrase_file: keys.passphrase_file.clone(),
        pepper_file: PathBuf::new(),
        jwt_key_file: PathBuf::new(),
        push_key_file: PathBuf::new(),
    };
    match named.passphrase(environment) {
        Ok(found) => Ok(found.secret),
        Err(SecretError::NoPassphrase) => asked(),
        Err(other) => Err(other.into()),
    }
}

/// Typed; without a terminal, what to do instead.
fn asked() -> Result<Secret, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "the passphrase of the CA's keys is needed: give --passphrase-file FILE (mode 0600), or run this in a \
             terminal and be asked"
                .to_owned(),
        ));
    }
    let terminal = |source| Failure::File { what: "read", file: "the terminal".into(), source };
    rpassword::prompt_password("Passphrase of the CA's keys (it is not shown): ")
        .map(Secret::new)
        .map_err(terminal)
}

fn new_passphrase(file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(file) => long_enough(secrets::from_file(file)?.secret),
        None if std::io::stdin().is_terminal() => typed(),
        None => Err(Failure::Usage(
            "the new passphrase is needed: give --new-passphrase-file FILE (mode 0600), or run this in a terminal and \
             be asked"
                .to_owned(),
        )),
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(Failure::read(file))
}

fn kind(text: &str) -> Result<IssuerKind, String> {
    [IssuerKind::Devices, IssuerKind::Staff, IssuerKind::Server]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| "write devices, staff or server".to_owned())
}

const ROTATE: &str = "\
Where the root's key lies on this machine, one command does it. Where it was taken away:
  1. here:              portcullis ca rotate devices --request devices.csr
  2. where the root is: portcullis ca sign-intermediate --bundle BUNDLE --request devices.csr --out devices.crt
     (it shows the SHA-256 of the key: is it the one that 1. showed, repeat it with --yes)
  3. here:              portcullis ca rotate devices --certificate devices.crt
The request is PKCS #10 in PEM (`openssl req -text` reads it), the certificate X.509 in PEM.";

const BUNDLE: &str = "\
The bundle is PEM: each root's certificate, and behind it its key, sealed under the passphrase of the CA.
Keep two copies, apart from the gate and from the passphrase. Without it no new issuing CA can be made.";

const BACKUP: &str = "\
The file is encrypted under the passphrase of the CA; `age -d FILE` opens it too, and shows JSON. It holds what
was issued and revoked until it was made. What was revoked later stands on the lists that the gate served:
after a restore, give the last one of each CA to `portcullis ca import-crl FILE`.
People, tenants and rules are not in it: they are in the store, which is backed up apart.";
