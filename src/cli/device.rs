//! `portcullis device`: writes the .p12, or the chain for a request, where the command was typed.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::bulk;
use super::failure::Failure;
use super::print::{Printer, write_file};
use super::reach::Reach;
use super::revoke::reason;
use crate::ca::Encoding;
use crate::console::command::given::Given;
use crate::console::command::issue::Target;
use crate::console::command::which::{Unclear, WhichDevice, WhichPerson};
use crate::console::command::{Command, device, enrol_secret, request};
use crate::domain::certificate::RevocationReason;

#[derive(clap::Subcommand)]
pub(super) enum Device {
    /// Record a device and issue its certificate: writes a .p12, shows its import password once. With --csr it
    /// certifies a key made elsewhere and writes the chain
    Issue {
        /// Whose: TENANT/PERSON
        #[arg(required_unless_present = "from", conflicts_with = "from")]
        person: Option<WhichPerson>,
        /// As its owner calls it: laptop
        #[arg(long, required_unless_present = "from", conflicts_with = "from")]
        name: Option<String>,
        #[command(flatten)]
        bulk: Box<bulk::Bulk>,
        #[command(flatten)]
        file: File,
        /// Send the file to the owner's first recorded address instead of writing it; the password never goes by mail
        #[arg(long, conflicts_with = "out")]
        mail: bool,
    },
    /// Issue another certificate for a device; the one before goes on until this one has signed in
    Renew {
        /// Which: TENANT/PERSON/DEVICE, by name or id
        device: WhichDevice,
        #[command(flatten)]
        file: File,
        /// Send the file to the owner's first recorded address instead of writing it; the password never goes by mail
        #[arg(long, conflicts_with = "out")]
        mail: bool,
    },
    /// Make a one-time link: behind it the owner types the import password, and key and certificate are made
    Deliver {
        /// Whose new device: TENANT/PERSON with --name; or one that there is: TENANT/PERSON/DEVICE
        whom: String,
        /// Record a new device, as its owner calls it: laptop
        #[arg(long)]
        name: Option<String>,
        /// How long the link may be used, at most 1440; without it the tenant's own time (`tenant certificates`)
        #[arg(long)]
        minutes: Option<u64>,
        /// Send the link to the owner's first recorded address; the password never goes by mail
        #[arg(long)]
        mail: bool,
    },
    /// Record a device that enrols itself by EST (RFC 7030): shows a one-time secret once
    EnrolSecret {
        /// Whose: TENANT/PERSON; or TENANT/PERSON/DEVICE, for one that lost what it was given
        whom: String,
        /// As its owner calls it: robot
        #[arg(long)]
        name: Option<String>,
        /// How long the secret may be used, in hours (1 to 24)
        #[arg(long, default_value_t = 1)]
        hours: u64,
    },
    /// Show devices and their certificates
    List {
        /// Of a tenant, or of one person: TENANT/PERSON; all where you give none
        of: Option<String>,
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
    #[arg(long, default_value = "modern", value_parser = encoding, conflicts_with = "csr")]
    encoding: Encoding,
    /// A certificate request (PKCS #10, PEM or DER) with a P-256 or P-384 key; its subject is not read
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// File to write; PERSON-DEVICE.p12 (or .pem) in this folder where you give none
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn run(device: Device, reach: &Reach<'_>, printer: Printer) -> Result<bool, Failure> {
    if let Device::Issue { bulk, file: File { out: Some(folder), .. }, .. } = &device
        && let Some(from) = &bulk.from
    {
        return bulk::run(bulk, from, folder, reach, printer).await;
    }
    let (command, out) = match device {
        Device::Issue {
            person: Some(person),
            name: Some(name),
            file: File { encoding, csr, out },
            mail,
            ..
        } => match csr {
            None => (handed_over(Target::New { person, name }, encoding, mail), out),
            Some(csr) => {
                let request = request_in(&csr)?;
                (device::Command::Request(request::Command::Issue { person, name, request }), out)
            }
        },
        Device::Issue { .. } => {
            return Err(Failure::Usage(
                "say whose it is and how it is called: TENANT/PERSON --name laptop".to_owned(),
            ));
        }
        Device::Renew { device, file: File { encoding, csr, out }, mail } => match csr {
            None => (handed_over(Target::Again(device), encoding, mail), out),
            Some(csr) => {
                let request = request_in(&csr)?;
                (device::Command::Request(request::Command::Renew { device, request }), out)
            }
        },
        Device::EnrolSecret { whom, name, hours } => {
            let command = enrol_secret::EnrolSecret { target: target(&whom, name)?, hours };
            (device::Command::EnrolSecret(command), None)
        }
        Device::Deliver { whom, name, minutes, mail } => {
            (device::Command::Link { target: target(&whom, name)?, minutes, mail }, None)
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
    let hands_out = matches!(
        command,
        device::Command::Issue { .. }
            | device::Command::Renew { .. }
            | device::Command::Mail { .. }
            | device::Command::Request(_)
    );
    if hands_out {
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

fn handed_over(target: Target, encoding: Encoding, mail: bool) -> device::Command {
    match target {
        target if mail => device::Command::Mail { target, encoding },
        Target::New { person, name } => device::Command::Issue { person, name, encoding },
        Target::Again(device) => device::Command::Renew { device, encoding },
    }
}

/// A new device of a person, or one that there is.
fn target(whom: &str, name: Option<String>) -> Result<Target, Failure> {
    let told = |error: Unclear| Failure::Usage(error.to_string());
    match name {
        Some(name) => Ok(Target::New { person: whom.parse().map_err(told)?, name }),
        None => whom.parse().map(Target::Again).map_err(|error: Unclear| {
            Failure::Usage(format!(
                "{error}; for a device that is new, write TENANT/PERSON and --name laptop"
            ))
        }),
    }
}

/// Whether the file can be written, asked before a certificate is issued whose only copy it would be.
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

/// The request in a file, no longer than any is.
fn request_in(file: &Path) -> Result<Given, Failure> {
    let unread = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!(
            "--csr {} could not be read ({why}): name the file of a request",
            file.display()
        ))
    };
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(|why| unread(&why))?;
    opened.take(REQUEST_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|why| unread(&why))?;
    if bytes.len() as u64 > REQUEST_BYTES_MAX {
        return Err(unread(&"it is longer than 16 KiB"));
    }
    Ok(Given::new(bytes))
}

/// As `ca::request` takes it.
const REQUEST_BYTES_MAX: u64 = 16 * 1024;

/// `anna-laptop.p12`, or `anna-laptop-2.p12` where that exists: once a certificate is issued, its
/// only copy must not fail to be written for want of a name.
fn free_name(name: &str) -> Option<PathBuf> {
    let (stem, kind) = name.rsplit_once('.').unwrap_or((name, "p12"));
    std::iter::once(PathBuf::from(name))
        .chain((2..1000).map(|number| PathBuf::from(format!("{stem}-{number}.{kind}"))))
        .find(|path| !path.exists())
}

pub(super) fn encoding(text: &str) -> Result<Encoding, String> {
    Encoding::parse(text).ok_or_else(|| "write modern or compatible".to_owned())
}
