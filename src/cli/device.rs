//! `portcullis device`: writes the .p12 where the command was typed.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::print::{Printer, write_file};
use super::reach::Reach;
use crate::ca::Encoding;
use crate::console::command::which::{WhichDevice, WhichPerson};
use crate::console::command::{Command, device};
use crate::domain::certificate::RevocationReason;

#[derive(clap::Subcommand)]
pub(super) enum Device {
    /// Record a device and issue its certificate: writes a .p12, shows its import password once
    Issue {
        /// Whose: TENANT/PERSON
        person: WhichPerson,
        /// As its owner calls it: laptop
        #[arg(long)]
        name: String,
        #[command(flatten)]
        file: File,
    },
    /// Issue another certificate for a device; the one before goes on until this one has signed in
    Renew {
        /// Which: TENANT/PERSON/DEVICE, by name or id
        device: WhichDevice,
        #[command(flatten)]
        file: File,
    },
    /// Show devices and their certificates
    List {
        /// Of a tenant, or of one person: TENANT/PERSON
        of: String,
    },
    /// Switch a device off for good: its certificates are revoked, its sessions end at once
    Revoke {
        /// Which: TENANT/PERSON/DEVICE, by name or id
        device: WhichDevice,
        /// Why: unspecified, key-compromise, affiliation-changed, superseded,
        /// cessation-of-operation, privilege-withdrawn
        #[arg(long, default_value = "unspecified", value_parser = reason)]
        reason: RevocationReason,
        /// Yes, it stops working now
        #[arg(long)]
        yes: bool,
    },
}

#[derive(clap::Args)]
pub(super) struct File {
    /// modern (AES-256) or compatible (3DES, for iPhone, iPad, Mac and older Windows)
    #[arg(long, default_value = "modern", value_parser = encoding)]
    encoding: Encoding,
    /// File to write; PERSON-DEVICE.p12 in this folder where you give none
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(device: Device, reach: &Reach<'_>, printer: Printer) -> Result<bool, Failure> {
    let (command, out) = match device {
        Device::Issue { person, name, file: File { encoding, out } } => {
            (device::Command::Issue { person, name, encoding }, out)
        }
        Device::Renew { device, file: File { encoding, out } } => {
            (device::Command::Renew { device, encoding }, out)
        }
        Device::List { of } => (device::Command::List { of }, None),
        Device::Revoke { device, reason, yes } => (device::Command::Revoke { device, reason, yes }, None),
    };
    if let Some(out) = out.as_ref().filter(|out| out.exists()) {
        // Said before a certificate is issued that would have no place to go.
        return Err(Failure::Usage(format!(
            "{} exists already: move it away, or name another with --out FILE",
            out.display()
        )));
    }
    if matches!(command, device::Command::Issue { .. } | device::Command::Renew { .. }) {
        place_for(out.as_deref())?;
    }
    let mut output = reach.run(Command::Device(command)).await?;
    if let Some(file) = output.files.first() {
        let path = write_file(file, out.as_deref().or(free_name(&file.name).as_deref()))?;
        output.json["file"] = path.display().to_string().into();
        output.lines.insert(1, format!("The file is {}.", path.display()));
    }
    printer.output(&output)
}

/// Whether the .p12 can be written, asked before a certificate is issued whose only copy it would be.
fn place_for(out: Option<&Path>) -> Result<(), Failure> {
    let folder = out.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).map_err(|why| {
        Failure::Usage(format!(
            "nothing can be written into {} ({why}): name a file in another folder with --out FILE",
            folder.display()
        ))
    })
}

/// `anna-laptop.p12`, or `anna-laptop-2.p12` where that exists: once a certificate is issued, its
/// only copy must not fail to be written for want of a name.
fn free_name(name: &str) -> Option<PathBuf> {
    let stem = name.strip_suffix(".p12").unwrap_or(name);
    std::iter::once(PathBuf::from(name))
        .chain((2..1000).map(|number| PathBuf::from(format!("{stem}-{number}.p12"))))
        .find(|path| !path.exists())
}

pub(super) fn encoding(text: &str) -> Result<Encoding, String> {
    Encoding::parse(text).ok_or_else(|| "write modern or compatible".to_owned())
}

fn reason(text: &str) -> Result<RevocationReason, String> {
    RevocationReason::parse(text).ok_or_else(|| {
        let all: Vec<_> = RevocationReason::ALL.iter().map(|reason| reason.as_str()).collect();
        format!("write one of {}", all.join(", "))
    })
}
