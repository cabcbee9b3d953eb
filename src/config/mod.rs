//! What the operator wrote in `portcullis.toml`, checked, in the shape the house uses. Knows
//! files, lines and permissions; opens no store and no socket.

mod addresses;
pub mod annotated;
mod backends;
mod beside;
mod changes;
pub mod environment;
pub mod mistake;
mod named;
mod outside;
pub mod secrets;
mod sheet;
mod written;

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use crate::domain::TenantId;
use crate::front::beside::Plan;
use crate::front::outside::Settings as OutsideSettings;
use crate::proxy::Reach;

pub(crate) use addresses::share;
pub(crate) use written::is_host;

pub use changes::Changes;
pub use environment::Environment;
pub use mistake::{Mistake, Mistakes};
pub use named::place;
pub use secrets::{Passphrase, SecretError};

/// A checked configuration. Every path in it is complete: relative ones were written relative
/// to the configuration file.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// SHA-256 of what that file held.
    pub digest: [u8; 32],
    /// Folder of all that the gate keeps; mode 0700.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: Listen,
    /// Which engine keeps the store.
    pub engine: Engine,
    /// File or folder of the embedded store.
    pub store: PathBuf,
    /// Where its secrets are.
    pub secrets: Secrets,
    /// The door of the staff.
    pub console: Door,
    /// The door of the phone app.
    pub phone: Door,
    /// The door that asks for nothing, where there is one.
    pub public: Option<Door>,
    /// The tenants' doors.
    pub portals: Vec<Portal>,
    /// How mail leaves, where it does.
    pub mail: Option<Mail>,
    /// How phones are asked.
    pub approvals: Approvals,
    /// How phones are woken.
    pub push: Push,
    /// What it takes at most.
    pub limits: Limits,
    /// What routes may reach from this machine.
    pub reach: Reach,
    /// What is told of requests.
    pub outside: OutsideSettings,
    /// Other proxies that ask, or stand in front.
    pub other_proxies: Vec<Plan>,
}

/// Where the gate listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// TLS, all doors.
    pub tls: SocketAddr,
    /// Plain HTTP: redirects, revocation list, CA certificates.
    pub plain: Option<SocketAddr>,
    /// Health and metrics; loopback only.
    pub ops: Option<SocketAddr>,
    /// The TLS port as browsers see it, for links.
    pub public_port: u16,
    /// The plain port as clients see it, for the revocation list's address in certificates.
    pub public_plain_port: u16,
    /// Balancers that say who their client is by the PROXY protocol; connections from here must.
    pub proxy_protocol_from: Vec<IpNet>,
}

/// What keeps the store. The other engines of other builds are unknown to this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// One file.
    #[default]
    Redb,
    /// A folder.
    #[cfg(feature = "sled")]
    Sled,
}

impl Engine {
    /// As it is written in the configuration; the store's file or folder is called after it too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            #[cfg(feature = "sled")]
            Self::Sled => "sled",
        }
    }

    /// The engine of that name.
    ///
    /// # Errors
    /// What to write, or to build, instead.
    pub fn named(text: &str) -> Result<Self, String> {
        match text {
            "redb" => Ok(Self::Redb),
            #[cfg(feature = "sled")]
            "sled" => Ok(Self::Sled),
            #[cfg(not(feature = "sled"))]
            "sled" => {
                Err("the engine sled is not in this gate: build it with `--features sled`, or take redb"
                    .to_owned())
            }
            _ => Err(format!("{text:?} is no engine of the store: take redb, or sled")),
        }
    }
}

/// Where the gate's secrets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// File of the passphrase, where it is not in the environment or a systemd credential.
    pub passphrase_file: Option<PathBuf>,
    /// 32 bytes, kept apart from the store.
    pub pepper_file: PathBuf,
    /// PKCS #8 PEM: signs what the backend is told.
    pub jwt_key_file: PathBuf,
    /// PKCS #8 PEM, the newest key first: push services know us by it. Where there is none, nothing is pushed.
    pub push_key_file: PathBuf,
}

/// A host name with its own server certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Door {
    /// Lower case, without a port.
    pub host: String,
    /// What it shows.
    pub certificate: DoorCertificate,
}

/// A tenant's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub door: Door,
}

/// Where a door's server certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DoorCertificate {
    /// From the built-in server CA, for the demo and private use.
    Internal,
    /// From PEM files, read again when they change.
    Files {
        /// Leaf and chain.
        certificate: PathBuf,
        /// PKCS #8, SEC1 or PKCS #1.
        key: PathBuf,
    },
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `smtps://user@host:465` or `smtp://host:587` (STARTTLS demanded unless `in_clear`).
    pub smtp: String,
    /// The operator wrote `tls = "none"`: whoever is on the way reads the messages.
    pub in_clear: bool,
    /// Its password.
    pub password_file: Option<PathBuf>,
    /// The CA of its certificate, where that is one's own; else those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// `Bank Muster <gate@bank.example>`.
    pub from: String,
}

/// How phones are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// A question may be answered for so long. 120: time to find the phone; at most 600.
    pub seconds: u32,
    /// A file that says where about an address is (MaxMind's format), where there is one.
    pub places_file: Option<PathBuf>,
}

impl Approvals {
    /// SP 800-63B-4 3.1.3.2.
    pub const SECONDS_MAX: u32 = 600;
}

impl Default for Approvals {
    fn default() -> Self {
        Self { seconds: 120, places_file: None }
    }
}

/// How phones are woken (Web Push).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// Whom a push service writes to about our messages: `mailto:` or `https:`; else the phone's door is named.
    pub contact: Option<String>,
    /// `proxy.example.com:3128`: an HTTP proxy through which all pushes go.
    pub proxy: Option<String>,
    /// A CA that is believed beside those that browsers trust.
    pub ca_file: Option<PathBuf>,
    /// The operator wrote that push services may lie inside: phones then choose which of our addresses we go to.
    pub private_services: bool,
}

/// What the gate takes at most. Each default says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections. 10 000: at 32 KiB each, a third of a gigabyte.
    pub connections: u32,
    /// Open connections of one network address. 500: an office behind one address still fits.
    pub connections_per_address: u32,
    /// Time for a TLS handshake. 10 s: a slow mobile network needs three.
    pub handshake_seconds: u32,
    /// Time for a request's headers. 10 s, against slow senders.
    pub headers_seconds: u32,
    /// A connection without a request is closed. 75 s, as browsers expect.
    pub idle_seconds: u32,
    /// A body that does not move for so long ends. 30 s.
    pub body_stall_seconds: u32,
    /// Running requests may end within this when the gate stops. 30 s: systemd waits 90.
    pub drain_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 500,
            handshake_seconds: 10,
            headers_seconds: 10,
            idle_seconds: 75,
            body_stall_seconds: 30,
            drain_seconds: 30,
        }
    }
}

impl Config {
    /// Reads and checks a configuration file, the permissions of the secrets it names included.
    ///
    /// # Errors
    /// All mistakes together, each with its line.
    pub fn load(file: &Path) -> Result<Self, Mistakes> {
        let shown = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| {
            let what = match error.kind() {
                ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => format!("it cannot be read: {error}"),
            };
            let next = match owner(file).filter(|_| error.kind() == ErrorKind::PermissionDenied) {
                Some(owner) => format!(
                    "run this as the gate's user does: type `sudo -u '#{owner}' portcullis` and the rest"
                ),
                None => "name another with `--config FILE`, or make one with `portcullis init`".to_owned(),
            };
            Mistakes::one(&shown, &what, &next)
        })?;
        let mut config = Self::parse(&text, file)?;
        let mut mistakes = Mistakes::of(&shown, &text);
        beside::learn_secrets(&mut config.other_proxies, &mut mistakes);
        for secret in config.secret_files() {
            if let Err(error) = secrets::check_mode(&secret) {
                mistakes.with_file(&secret, &error.to_string());
            }
        }
        mistakes.none_or(config)
    }

    /// Checks the text of a configuration; `file` is where its relative paths start.
    ///
    /// # Errors
    /// All mistakes together, each with its line.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Mistakes> {
        written::read(text, file)
    }

    /// The socket through which the command line speaks to a running server.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        control_socket(&self.data)
    }

    /// Files that only the gate may read. Those that do not exist are left to the one who opens them.
    #[must_use]
    pub fn secret_files(&self) -> Vec<PathBuf> {
        let doors = self.doors();
        let keys = doors.iter().filter_map(|door| match &door.certificate {
            DoorCertificate::Files { key, .. } => Some(key.clone()),
            DoorCertificate::Internal => None,
        });
        let Secrets { passphrase_file, pepper_file, jwt_key_file, push_key_file } = &self.secrets;
        [pepper_file, jwt_key_file, push_key_file]
            .into_iter()
            .cloned()
            .chain(passphrase_file.clone())
            .chain(self.mail.as_ref().and_then(|mail| mail.password_file.clone()))
            .chain(keys)
            .chain(self.reach.tls.iter().filter_map(|trust| Some(trust.shows.as_ref()?.1.clone())))
            .collect()
    }

    /// Every door.
    #[must_use]
    pub fn doors(&self) -> Vec<&Door> {
        [Some(&self.console), Some(&self.phone), self.public.as_ref()]
            .into_iter()
            .flatten()
            .chain(self.portals.iter().map(|portal| &portal.door))
            .collect()
    }

    /// Each address that is listened at, with the key that names it.
    pub fn listeners(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        let Listen { tls, plain, ops, .. } = &self.listen;
        let own = [("tls", Some(*tls)), ("plain", *plain), ("ops", *ops)];
        let others = self.other_proxies.iter().map(|other| ("other_proxy", Some(other.listen)));
        own.into_iter().chain(others).filter_map(|(key, address)| Some((key, address?)))
    }

    /// `https://host`, with the port where browsers need it.
    #[must_use]
    pub fn origin(&self, host: &str) -> String {
        match self.listen.public_port {
            443 => format!("https://{host}"),
            port => format!("https://{host}:{port}"),
        }
    }

    /// Where the CA's revocation lists are served, without a slash at the end: a client that
    /// checks one must not need our certificate for it.
    #[must_use]
    pub fn plain_origin(&self) -> String {
        let host = self.public.as_ref().map_or(&self.phone.host, |door| &door.host);
        match self.listen.public_plain_port {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        }
    }
}

/// Whose a file is; of one that cannot be looked at, whose the folder is that hides it.
fn owner(file: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    file.ancestors().find_map(|path| std::fs::metadata(path).ok()).map(|found| found.uid())
}

/// The control socket of a data folder.
#[must_use]
pub fn control_socket(data: &Path) -> PathBuf {
    data.join("control.sock")
}

/// The control socket that a file leads to, whatever else is wrong with it; `None` where it does not say.
#[must_use]
pub fn control_socket_by(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    // Its mistakes are told by whoever needs all of it.
    let mut mistakes = Mistakes::of("", &text);
    let data = sheet::Sheet::whole(&text, &mut mistakes).text("data", &mut mistakes)?;
    Some(control_socket(&file.parent()?.join(data.value)))
}
