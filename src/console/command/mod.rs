//! The operations behind the command line, the control socket and the desk: one noun, one file.
//! Each changes the store through the ledger, in the name of the actor it is given. Knows no
//! socket, no page and no terminal; who may call it is decided before.

pub mod audit;
pub mod bulk;
pub mod ca;
pub mod certificate;
pub mod code;
pub mod delivery;
pub mod device;
pub mod doctor;
pub mod enrol_secret;
pub mod expiring;
pub mod founding;
pub mod given;
pub mod history;
pub mod issue;
pub mod output;
pub mod person;
mod phones;
pub mod policy;
pub mod push;
pub mod reload;
pub mod request;
pub mod revoke;
pub mod route;
pub mod search;
pub mod tenant;
pub mod terms;
pub mod upgrade;
pub mod which;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::audit::{Ledger, RecordError};
use crate::auth::throttle::Throttles;
use crate::ca::{KeptLists, KeyFolder};
use crate::domain::Time;
use crate::enrolment::delivery::Deliveries;
use crate::enrolment::est::Est;
use crate::enrolment::first_visit::FirstVisits;
use crate::enrolment::issuance::Issuance;
use crate::notify::post::Post;
use crate::notify::webpush;
use crate::proxy::{Proxy, Reach};
use crate::store::table::{self, Key, Record, Stored};
use crate::store::view::View;
use crate::store::{Revision, StoreError, Write};
use crate::world::World;

pub use output::Output;
use reload::Reloads;
use upgrade::Upgrades;

/// Something to do. Deliberately without `Debug`: a code may stand in it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Tenants.
    Tenant(tenant::Command),
    /// Where a tenant's requests go.
    Route(route::Command),
    /// People.
    Person(person::Command),
    /// Devices and their certificates.
    Device(device::Command),
    /// Devices, by the sheet.
    Bulk(bulk::Command),
    /// Certificates, whosever they are.
    Certificate(certificate::Command),
    /// The certificate authorities.
    Ca(ca::Command),
    /// Six-digit codes.
    Code(code::Command),
    /// Rules.
    Policy(policy::Command),
    /// The key for push.
    Push(push::Command),
    /// The audit trail.
    Audit(audit::Command),
    /// The configuration, read again.
    Reload,
    /// The program, the next one.
    Upgrade,
    /// Whether all is well.
    Doctor,
}

impl Command {
    /// Whether it needs the keys of the CA, and so the passphrase.
    #[must_use]
    pub const fn signs(&self) -> bool {
        match self {
            Self::Device(device) => device.signs(),
            Self::Bulk(_) => true,
            _ => false,
        }
    }
}

/// What the operations act on.
pub struct Acts {
    /// The only way to change anything.
    pub ledger: Arc<Ledger>,
    /// What the gate sees.
    pub view: Arc<View>,
    /// Issues, on nodes that hold the keys of the CA and were given the passphrase.
    pub issuance: Arc<Issuance>,
    /// Where the sealed keys of the CA lie.
    pub keys: Arc<KeyFolder>,
    /// Where the last revocation lists lie.
    pub kept: KeptLists,
    /// Enrols machines.
    pub est: Arc<Est>,
    /// One-time links for a .p12.
    pub deliveries: Arc<Deliveries>,
    /// The way to the mail server, where one is configured.
    pub post: ArcSwapOption<Post>,
    /// The keys by which push services know us.
    pub push: Arc<webpush::Keys>,
    /// Wrong tries.
    pub throttles: Arc<Throttles>,
    /// First visits, for codes.
    pub first_visits: Arc<FirstVisits>,
    /// Time and chance.
    pub world: World,
    /// What the configuration says that the store does not.
    pub site: ArcSwap<Site>,
    /// The running house, where this is one.
    pub reloads: Option<Reloads>,
    /// Whoever runs it.
    pub upgrades: Option<Upgrades>,
    /// One command at a time: what it finds of the others is to be true still once it is recorded.
    pub routes: Mutex<()>,
    /// What knows how the backends are, once the house runs.
    pub proxy: OnceLock<Arc<Proxy>>,
    /// What knows of door certificates that had to stay, once the house runs.
    pub old_certificates: OnceLock<KeptCertificates>,
}

/// Tells which they are now.
pub type KeptCertificates = Box<dyn Fn() -> Vec<doctor::KeptCertificate> + Send + Sync>;

/// What the configuration says that the store does not.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Hosts that have a door, with the tenant it belongs to.
    pub doors: BTreeSet<(String, String)>,
    /// `:8443`, or nothing where browsers need no port.
    pub port_suffix: String,
    /// `https://start.example.com`, where links lead; `None` where there is no public door.
    pub start: Option<String>,
    /// Whether mail can leave.
    pub mail: bool,
    /// What routes may reach.
    pub reach: Reach,
    /// The file that says it.
    pub file: PathBuf,
    /// SHA-256 of what that file held.
    pub digest: [u8; 32],
    /// When it was read.
    pub read_at: Time,
    /// What it says that counts from the next start alone.
    pub next_start: Vec<String>,
    /// Where the gate listens.
    pub listens: Vec<SocketAddr>,
}

impl Acts {
    /// Does it, in the name of `actor` (as in the audit trail: `local:1000`).
    ///
    /// # Errors
    /// What was wrong, with the next step.
    pub async fn run(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        // A conflict left no trace: somebody else was faster, and what is true now is looked at again.
        for _ in 1..TRIES_MAX {
            match self.once(actor, command.clone()).await {
                Err(error) if error.kind == Kind::Conflict => {}
                done => return done,
            }
        }
        self.once(actor, command).await
    }

    async fn once(&self, actor: &str, command: Command) -> Result<Output, CommandError> {
        match command {
            Command::Tenant(command) => self.tenant(actor, command).await,
            Command::Route(command) => self.route(actor, command).await,
            Command::Person(command) => self.person(actor, command).await,
            Command::Device(command) => self.device(actor, command).await,
            Command::Bulk(command) => self.bulk(actor, command).await,
            Command::Certificate(command) => self.certificate(actor, command).await,
            Command::Ca(command) => self.ca(actor, command).await,
            Command::Code(command) => self.code(actor, command).await,
            Command::Policy(command) => self.policy(actor, command).await,
            Command::Push(command) => self.push(actor, command).await,
            Command::Audit(command) => self.audit(command).await,
            Command::Reload => self.reload(actor).await,
            Command::Upgrade => self.upgrade(actor).await,
            Command::Doctor => self.doctor().await,
        }
    }

    pub(super) fn now(&self) -> Time {
        self.world.now()
    }

    async fn read<R: Record>(&self, key: &Key) -> Result<Option<Stored<R>>, CommandError> {
        Ok(table::get(&**self.ledger.store(), key).await?)
    }

    async fn read_all<R: Record>(&self, prefix: &Key) -> Result<Vec<Stored<R>>, CommandError> {
        Ok(table::list(&**self.ledger.store(), prefix).await?)
    }

    async fn record(&self, entry: crate::audit::Entry, writes: Vec<Write>) -> Result<Revision, CommandError> {
        Ok(self.ledger.record(entry, writes).await?)
    }
}

/// Why a command was not done: what is wrong, and the next step. Both are for the person at the
/// terminal and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", said(.what, .next))]
pub struct CommandError {
    /// What kind of mistake.
    pub kind: Kind,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

/// What kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The command itself is wrong.
    Usage,
    /// There is no such thing.
    NotFound,
    /// There is one already.
    Exists,
    /// The rules of the house say no.
    Refused,
    /// It wants `--yes`.
    Unconfirmed,
    /// Somebody else changed it in the same moment.
    Conflict,
    /// Something failed.
    Failed,
}

impl CommandError {
    /// What is wrong, and the next step.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind, what: what.into(), next: next.into() }
    }
}

/// In one line; below what takes several, which may end with a line of somebody's file, the next step has its own.
fn said(what: &str, next: &str) -> String {
    if !what.contains('\n') {
        return format!("{what}: {next}");
    }
    let mut letters = next.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{what}\n{first}{}", letters.as_str())
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self::new(Kind::Failed, error.to_string(), "run `portcullis doctor`")
    }
}

impl From<RecordError> for CommandError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Conflict => Self::new(
                Kind::Conflict,
                "somebody else changed it in the same moment",
                "look at it again and repeat the command",
            ),
            RecordError::Store(error @ (StoreError::Engine { .. } | StoreError::Closed)) => Self::new(
                Kind::Failed,
                format!("{error}; it may have been done all the same"),
                "once the gate runs again, look whether it was done before you repeat the command",
            ),
            RecordError::Store(error) => error.into(),
        }
    }
}

/// A command meets somebody else's change this often before it gives up.
const TRIES_MAX: u32 = 5;

/// Wants `--yes` before something falls.
fn confirmed(yes: bool, falls: &str) -> Result<(), CommandError> {
    if yes {
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Unconfirmed,
        falls,
        "repeat the command with `--yes` if that is what you want",
    ))
}
