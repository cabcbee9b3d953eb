//! `portcullis certificate`: writes what is exported where the command was typed.

use std::path::PathBuf;

use super::failure::Failure;
use super::print::{Printer, write_file};
use super::reach::Reach;
use super::revoke::Revoke;
use crate::console::command::expiring::Expiring;
use crate::console::command::history::Format;
use crate::console::command::search::Search;
use crate::console::command::{Command, certificate};

#[derive(clap::Subcommand)]
pub(super) enum Certificate {
    /// Find certificates, those that end first first
    List {
        #[command(flatten)]
        search: Search,
        /// At most so many
        #[arg(long, default_value_t = 200, value_name = "NUMBER")]
        most: usize,
    },
    /// Show one certificate: whose it is, what happened to it, what the audit trail says of it
    Show {
        /// Serial number or SHA-256 fingerprint, or the beginning of one
        number: String,
    },
    /// Take the issue history away as a file; that it was is written into the audit trail
    Export {
        #[command(flatten)]
        search: Search,
        /// csv or json
        #[arg(long, default_value = "csv")]
        format: Format,
        /// File to write; certificates.csv or certificates.json in this folder where you give none
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Show what ends, and what ended lately; not what a newer certificate has replaced
    Expiring(Expiring),
    /// Switch certificates off for good: one, all of a device, of a person, of a tenant
    Revoke(Revoke),
}

pub(super) async fn run(
    certificate: Certificate,
    reach: &Reach<'_>,
    printer: Printer,
) -> Result<bool, Failure> {
    let (command, out) = match certificate {
        Certificate::List { search, most } => (certificate::Command::List { search, most }, None),
        Certificate::Show { number } => (certificate::Command::Show { number }, None),
        Certificate::Expiring(expiring) => (certificate::Command::Expiring(expiring), None),
        Certificate::Revoke(revoke) => (certificate::Command::Revoke(revoke.command()), None),
        Certificate::Export { search, format, out } => (certificate::Command::Export { search, format }, out),
    };
    if let Some(out) = out.as_ref().filter(|out| out.exists()) {
        // Said before the trail says that names left the house.
        return Err(Failure::Usage(format!(
            "{} exists already: move it away, or name another with --out FILE",
            out.display()
        )));
    }
    let mut output = reach.run(Command::Certificate(command)).await?;
    if let Some(file) = output.files.first() {
        let path = write_file(file, out.as_deref())?;
        output.json["file"] = path.display().to_string().into();
        output.lines.push(format!("The file is {}.", path.display()));
    }
    printer.output(&output)
}
