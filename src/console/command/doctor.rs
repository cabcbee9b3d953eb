//! Whether all is well in the store: trail, CAs, certificates, tenants, owners. What lies outside
//! it (configuration, permissions, ports) the command line looks at itself.

mod backends;
mod doors;
mod tenants;

use serde::{Deserialize, Serialize};
use serde_json::json;

pub use doors::KeptCertificate;

use super::output::Output;
use super::person::count;
use super::{Acts, CommandError};
use crate::audit::{self, Event};
use crate::auth::password::Password;
use crate::ca::chain::{self, ChainFault};
use crate::crypto;
use crate::domain::TenantId;
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::Device;
use crate::domain::person::{Person, Role, Standing};
use crate::domain::phone::Phone;
use crate::domain::push::Subscription;
use crate::store::table::{self, Stored};

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What: "audit trail".
    pub name: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, where something is to be done.
    pub next: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Well,
    /// It works; it should be looked at.
    Heed,
    /// It does not work.
    Bad,
}

impl Check {
    /// As it should be.
    #[must_use]
    pub fn well(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Well, found: found.into(), next: None }
    }

    /// It works; it should be looked at.
    #[must_use]
    pub fn heed(name: &str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Heed, found: found.into(), next: Some(next.into()) }
    }

    /// It does not work.
    #[must_use]
    pub fn bad(name: &str, found: impl Into<String>, next: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Bad, found: found.into(), next: Some(next.into()) }
    }
}

/// Checks as an answer: well unless one is bad.
#[must_use]
pub fn told(checks: &[Check]) -> Output {
    let mut lines = Vec::new();
    let width = checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
    for check in checks {
        let word = match check.state {
            State::Well => "well",
            State::Heed => "heed",
            State::Bad => "BAD ",
        };
        let gap = " ".repeat(width.saturating_sub(check.name.chars().count()));
        let mut found = check.found.lines();
        let first = super::output::plain(found.next().unwrap_or_default());
        lines.push(format!("{word}  {}{gap}  {first}", check.name));
        lines
            .extend(found.map(|line| format!("      {}  {}", " ".repeat(width), super::output::plain(line))));
        if let Some(next) = &check.next {
            lines.push(format!("      {}  next: {next}", " ".repeat(width)));
        }
    }
    let worst = checks.iter().map(|check| check.state).max().unwrap_or(State::Well);
    lines.push(String::new());
    lines.push(match worst {
        State::Well => "All is well.".to_owned(),
        State::Heed => "It works; some things should be looked at.".to_owned(),
        State::Bad => "Something does not work: follow the lines with BAD.".to_owned(),
    });
    Output { well: worst != State::Bad, ..Output::new(json!({ "checks": checks, "worst": worst }), lines) }
}

impl Acts {
    pub(super) async fn doctor(&self) -> Result<Output, CommandError> {
        let mut checks: Vec<Check> = self.check_settings().into_iter().collect();
        checks.push(self.check_store());
        checks.push(self.check_trail().await?);
        checks.extend(self.check_authorities());
        checks.push(self.check_certificates().await?);
        checks.extend(self.check_tenants().await?);
        checks.extend(self.check_backends().await?);
        checks.extend(self.check_doors());
        checks.extend(self.doors_of_nobody().into_iter().map(|door| {
            let name = format!("portal {}", door.host);
            Check::heed(&name, door.what(), door.next())
        }));
        checks.push(self.check_owners().await?);
        checks.extend(self.check_break_glass().await?);
        checks.push(self.check_push().await?);
        let mut output = told(&checks);
        if self.reloads.is_some() {
            // Whoever looks from outside finds these taken.
            output.json["listens"] = json!(self.site.load().listens);
        }
        Ok(output)
    }

    /// Whether the house that runs goes by what its file holds now.
    fn check_settings(&self) -> Option<Check> {
        self.reloads.as_ref()?;
        let (name, site) = (RUNNING_SETTINGS, self.site.load());
        let (file, at) = (site.file.display(), site.read_at);
        Some(match std::fs::read(&site.file) {
            Ok(text) if crypto::sha256(&text) == site.digest => match site.next_start.as_slice() {
                [] => Check::well(name, format!("those of {file}, read at {at}")),
                waits => Check::heed(
                    name,
                    format!(
                        "those of {file}, read at {at}, but for what counts from the next start: {}",
                        waits.join(", ")
                    ),
                    "start the gate anew when it suits; `portcullis upgrade` does so without a closed door",
                ),
            },
            Ok(_) => Check::heed(
                name,
                format!(
                    "{file} was changed since the gate read it at {at}, and the gate goes by what it read"
                ),
                "type `portcullis reload`, which says what is taken up and what the next start wants",
            ),
            Err(error) => Check::heed(
                name,
                format!("the gate read {file} at {at} and cannot do so any more: {error}"),
                "put the file back where the gate may read it: the next start needs it",
            ),
        })
    }

    fn check_store(&self) -> Check {
        let age = self.view.age(self.now());
        if age > STALE_AFTER {
            return Check::bad(
                "store",
                format!("nothing was heard from it for {} s", age.as_secs()),
                "look at the disk and at the log of the gate",
            );
        }
        Check::well("store", format!("answers, at commit {}", self.view.revision()))
    }

    async fn check_trail(&self) -> Result<Check, CommandError> {
        let report = audit::verify(&**self.ledger.store()).await?;
        Ok(match report.first_bad {
            None => Check::well("audit trail", format!("whole, {} lines", report.entries)),
            Some(bad) => Check::bad(
                "audit trail",
                bad.to_string(),
                "stop the gate, keep a copy of the store as evidence, compare with your backups",
            ),
        })
    }

    fn check_authorities(&self) -> Vec<Check> {
        let now = self.now();
        let issuers = self.view.issuers();
        if issuers.is_empty() {
            return vec![Check::bad("CA", "there is none", "make them with `portcullis init`")];
        }
        let mut checks: Vec<Check> = issuers
            .iter()
            .map(|issuer| {
                let name = format!("CA {}", issuer.id);
                let until = issuer.not_after.format("%Y-%m-%d");
                match chain::check(issuer, now) {
                    Err(ChainFault::NotInForce { not_after, .. }) if not_after < now && !issuer.issues => {
                        Check::well(&name, format!("issues no more, and ended on {until}"))
                    }
                    Err(fault @ ChainFault::NotInForce { .. }) => Check::bad(
                        &name,
                        fault.to_string(),
                        format!("make its successor: `portcullis ca rotate {}`", issuer.kind.as_str()),
                    ),
                    Err(fault) => {
                        Check::bad(&name, fault.to_string(), "restore the data folder from a backup")
                    }
                    Ok(()) if !issuer.issues => Check::well(
                        &name,
                        format!("issues no more; what it issued counts until {until} at most"),
                    ),
                    Ok(()) if issuer.not_after < now.plus(CA_SOON) => Check::heed(
                        &name,
                        format!("ends on {until}, and no certificate outlives its CA"),
                        format!("make its successor: `portcullis ca rotate {}`", issuer.kind.as_str()),
                    ),
                    Ok(()) => Check::well(&name, format!("good until {until}")),
                }
            })
            .collect();
        checks.push(match self.issuance.authority() {
            Ok(authority) => Check::well(
                "CA keys",
                format!(
                    "{} open; revocation lists are signed by them as they are needed",
                    authority.issuers().count()
                ),
            ),
            Err(_) => Check::heed(
                "CA keys",
                "not open here, so nothing can be issued and no revocation list signed",
                "give the passphrase: `[secrets] passphrase_file` or PORTCULLIS_PASSPHRASE",
            ),
        });
        checks
    }

    async fn check_certificates(&self) -> Result<Check, CommandError> {
        let now = self.now();
        let all: Vec<Stored<Certificate>> = self.read_all(&table::all::<Certificate>()).await?;
        let active: Vec<&Certificate> = all
            .iter()
            .map(|read| &read.record)
            .filter(|one| one.state == CertificateState::Active && one.not_after > now)
            .collect();
        let soon = active.iter().filter(|one| one.not_after < now.plus(SOON)).count();
        let found = format!("{} in force", active.len());
        Ok(if soon == 0 {
            Check::well("certificates", found)
        } else {
            Check::heed(
                "certificates",
                format!("{found}, {soon} of them end within 30 days"),
                "`portcullis device list TENANT` shows them, `portcullis device renew` makes new ones",
            )
        })
    }

    async fn check_owners(&self) -> Result<Check, CommandError> {
        let staff: Vec<Stored<Person>> = self.read_all(&table::persons(&TenantId::staff())).await?;
        let owners: Vec<&Person> =
            staff.iter().map(|read| &read.record).filter(|one| one.roles.contains(&Role::Owner)).collect();
        let active = owners.iter().filter(|one| one.standing == Standing::Active).count();
        Ok(match (owners.len(), active) {
            (0, _) => Check::heed(
                "owners",
                "there is none",
                "`portcullis person add staff --name NAME --role owner`",
            ),
            (_, 0) => match self.half_in(&owners).await? {
                Some((owner, lacks)) => Check::heed(
                    "owners",
                    format!("{} was let in by the code, and has no {lacks} yet", owner.name),
                    "open the console with the same certificate: it asks for what is missing",
                ),
                None => Check::heed(
                    "owners",
                    "none has come in yet",
                    "open the console with the owner's certificate, then `portcullis code verify PERSON CODE`",
                ),
            },
            (_, 1) => Check::heed(
                "owners",
                "one is in",
                "let a second come in, so that one lost phone does not stop the desk",
            ),
            (_, more) => Check::well("owners", format!("{more} are in")),
        })
    }

    /// One of them whose device was released, and what they lack still.
    async fn half_in<'p>(
        &self,
        owners: &[&'p Person],
    ) -> Result<Option<(&'p Person, &'static str)>, CommandError> {
        for owner in owners {
            let (tenant, id) = (&owner.tenant, &owner.id);
            let devices = self.read_all::<Device>(&table::devices(tenant, id)).await?;
            if devices.iter().any(|read| read.record.state.is_released()) {
                let phone = !self.read_all::<Phone>(&table::phones(tenant, id)).await?.is_empty();
                let password = self.read::<Password>(&table::password(tenant, id)).await?.is_some();
                let lacks = match (phone, password) {
                    (false, false) => "phone and no password",
                    (false, true) => "phone",
                    (true, false) => "password",
                    (true, true) => "full sign-in",
                };
                return Ok(Some((*owner, lacks)));
            }
        }
        Ok(None)
    }

    async fn check_push(&self) -> Result<Check, CommandError> {
        let subscribed = self.read_all::<Subscription>(&table::all::<Subscription>()).await?.len();
        Ok(match self.push.count() {
            0 => Check::heed(
                "push",
                "there is no key for it, so no phone is woken: people open the app themselves",
                "make one: `portcullis push rotate-key`",
            ),
            _ if subscribed == 0 => {
                Check::well("push", "ready; no phone wants to be woken yet: its owner allows that in the app")
            }
            _ => Check::well("push", format!("{} can be woken", count(subscribed, "phone"))),
        })
    }

    async fn check_break_glass(&self) -> Result<Option<Check>, CommandError> {
        let since = self.now().minus(SOON);
        let lines = audit::latest(&**self.ledger.store(), LINES_LOOKED_AT).await?;
        let used =
            lines.iter().filter(|line| line.what == Event::BreakglassUsed && line.when >= since).count();
        Ok((used > 0).then(|| {
            Check::heed(
                "break glass",
                format!("used {} in the last 30 days", count(used, "time")),
                "`portcullis audit list --event breakglass.used` shows by whom and why",
            )
        }))
    }
}

/// What is said of whether the gate goes by what its file holds.
pub const RUNNING_SETTINGS: &str = "running settings";

/// Past this a node fails closed (design: bounded staleness).
const STALE_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

/// What ends within this is named.
const SOON: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// A CA must outlive the two years of what it signs, and a year is time to act.
const CA_SOON: std::time::Duration = std::time::Duration::from_secs(3 * 365 * 24 * 3600);

/// So many lines of the trail are looked through for what needs attention.
const LINES_LOOKED_AT: usize = 20_000;
