//! Certificates switched off for good: what would fall is said first, then it falls. What falls, and how, is
//! `enrolment::revocation`'s.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::output::Output;
use super::person::count;
use super::which::{WhichDevice, WhichPerson};
use super::{Acts, CommandError, Kind, confirmed};
use crate::domain::TenantId;
use crate::domain::certificate::{Certificate, RevocationReason};
use crate::enrolment::revocation::{Done, Falls, Order, Revocation, Scope, Unfinished};
use crate::store::table;

/// What to switch off.
#[derive(Clone, Serialize, Deserialize)]
pub struct Revoke {
    /// Which certificates.
    pub which: Which,
    /// Why.
    pub reason: RevocationReason,
    /// Only say what would fall.
    #[serde(default)]
    pub dry_run: bool,
    /// Confirmed.
    #[serde(default)]
    pub yes: bool,
}

/// Which certificates.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// One, by its serial number. Where its key is in other hands: with all that have that key or came by it.
    Serial(String),
    /// All of a device, which is retired.
    Device(WhichDevice),
    /// All of a person.
    Person(WhichPerson),
    /// All of a tenant.
    Tenant(TenantId),
}

impl Acts {
    /// Safe to repeat: where all has fallen, it says so and is done.
    pub(super) async fn revoke(&self, actor: &str, revoke: &Revoke) -> Result<Output, CommandError> {
        let (scope, whose) = self.scope(revoke).await?;
        let revocation = Revocation::new(Arc::clone(&self.ledger), self.world.clone());
        let falls = revocation.falls(&scope).await?;
        if revoke.dry_run {
            return Ok(would_fall(&scope, &whose, &falls));
        }
        if !falls.is_empty() {
            confirmed(revoke.yes, &format!("{whose} would be switched off for good: {}", words(&falls)))?;
        }
        let order = Order { scope: &scope, reason: revoke.reason, by: actor, whence: "" };
        match revocation.revoke(order).await {
            Ok(done) => Ok(fell(&scope, &whose, &falls, &done)),
            Err(unfinished) => Err(unfinished.into()),
        }
    }

    /// As the desk switches a device off: once.
    pub(super) async fn revoke_once(&self, actor: &str, revoke: &Revoke) -> Result<Output, CommandError> {
        let (scope, whose) = self.scope(revoke).await?;
        let revocation = Revocation::new(Arc::clone(&self.ledger), self.world.clone());
        if revocation.falls(&scope).await?.is_empty() {
            return Err(CommandError::new(
                Kind::Refused,
                format!("{whose} is switched off already"),
                "nothing is to be done",
            ));
        }
        let mut output = self.revoke(actor, revoke).await?;
        if let Which::Device(device) = &revoke.which {
            output
                .lines
                .push(format!("For a new one: `portcullis device issue {} --name NAME`", device.person));
        }
        Ok(output)
    }

    /// What is meant, and how people call it.
    async fn scope(&self, revoke: &Revoke) -> Result<(Scope, String), CommandError> {
        Ok(match &revoke.which {
            Which::Serial(typed) => {
                let certificate = self.find_serial(typed).await?;
                let whose = format!("the certificate {} of {}", certificate.serial, certificate.person);
                (Scope::of_certificate(certificate.serial, revoke.reason), whose)
            }
            Which::Device(which) => {
                let (person, device) = self.find_device(which).await?;
                let (person, device) = (person.record, device.record);
                let whose = format!("{} of {}", device.name, person.name);
                (Scope::Device(device.tenant, device.person, device.id), whose)
            }
            Which::Person(which) => {
                let person = self.find_person(which).await?.record;
                (Scope::Person(person.tenant, person.id), format!("every device of {}", person.name))
            }
            Which::Tenant(id) => {
                let tenant = self.find_tenant(id).await?.record;
                (Scope::Tenant(tenant.id), format!("every device of {}", tenant.name))
            }
        })
    }

    /// As other programs print it, too: `0A:1B:...`.
    async fn find_serial(&self, typed: &str) -> Result<Certificate, CommandError> {
        let serial = serial(typed).ok_or_else(|| {
            CommandError::new(
                Kind::Usage,
                format!("{typed:?} is no serial number"),
                "write it in hexadecimal, as `portcullis certificate list` shows it",
            )
        })?;
        let read = self.read::<Certificate>(&table::certificate(&serial)).await?;
        read.map(|read| read.record).ok_or_else(|| {
            CommandError::new(
                Kind::NotFound,
                format!("there is no certificate {serial}"),
                "give the whole serial number: `portcullis certificate list` shows those there are",
            )
        })
    }
}

impl From<Unfinished> for CommandError {
    fn from(error: Unfinished) -> Self {
        let next = "what was revoked is revoked for good; repeat the command, and it goes on from there";
        Self::new(Kind::Failed, error.to_string(), next)
    }
}

/// "3 certificates stop working, 1 session ends, 1 device cannot be used again".
#[must_use]
pub fn words(falls: &Falls) -> String {
    let one = |number: usize, one: &'static str, more: &'static str| if number < 2 { one } else { more };
    let (certificates, sessions, retired) = (falls.certificates(), falls.sessions(), falls.retired());
    let mut words = format!(
        "{} {}, {} {} now",
        count(certificates, "certificate"),
        one(certificates, "stops working", "stop working"),
        count(sessions, "session"),
        one(sessions, "ends", "end"),
    );
    if retired > 0 {
        words.push_str(&format!(", {} cannot be used again", count(retired, "device")));
    }
    words
}

fn would_fall(scope: &Scope, whose: &str, falls: &Falls) -> Output {
    let certificates = falls.devices.iter().flat_map(|device| {
        device.certificates.iter().map(|read| {
            json!({
                "serial": read.record.serial,
                "tenant": device.tenant.as_str(),
                "person": device.person.as_str(),
                "device": device.id.as_str(),
                "owner": device.owner,
                "name": device.name,
                "state": read.record.state.as_str(),
                "not_after": read.record.not_after.to_string(),
            })
        })
    });
    let listed: Vec<Value> = certificates.take(LISTED_MAX).collect();
    let mut lines = vec![format!("{whose} would be switched off for good: {}.", words(falls))];
    if falls.already > 0 {
        lines.push(format!("{} revoked before: date and reason stay.", count(falls.already, "certificate")));
    }
    for device in falls.devices.iter().take(LINES_MAX) {
        let certificates = count(device.certificates.len(), "certificate");
        let sessions = count(device.sessions.len(), "session");
        lines.push(format!("  {} of {}: {certificates}, {sessions}", device.name, device.owner));
    }
    if falls.devices.len() > LINES_MAX {
        lines.push(format!("  and {} more", count(falls.devices.len() - LINES_MAX, "device")));
    }
    let json = json!({
        "dry_run": true,
        "scope": scope.to_string(),
        "would_revoke": falls.certificates(),
        "sessions": falls.sessions(),
        "devices": falls.retired(),
        "people": falls.people(),
        "already_revoked": falls.already,
        "certificates": listed,
    });
    Output::new(json, lines)
}

fn fell(scope: &Scope, whose: &str, before: &Falls, done: &Done) -> Output {
    let mut lines = if done.revoked.is_empty() && done.devices == 0 {
        vec![format!("Nothing is left to switch off: {whose} is off already.")]
    } else {
        vec![format!(
            "{whose} is switched off: {} revoked, {} ended.",
            count(done.revoked.len(), "certificate"),
            count(done.sessions, "session"),
        )]
    };
    if done.commits > 1 {
        lines.push(format!("Done in {} steps; each is in the audit trail.", done.commits));
    }
    if done.caught > 0 {
        lines.push(format!("{} issued meanwhile fell as well.", count(done.caught, "certificate")));
    }
    let json = json!({
        "dry_run": false,
        "scope": scope.to_string(),
        "revoked": done.revoked,
        "sessions_ended": done.sessions,
        "devices_retired": done.devices,
        "grants_taken_back": done.grants,
        "already_revoked": before.already,
        "issued_meanwhile": done.caught,
        "commits": done.commits,
    });
    Output::new(json, lines)
}

/// Lower-case hex without separators and leading zeros, as the store has it; `None` for what is no number.
#[must_use]
pub fn serial(typed: &str) -> Option<String> {
    let hex: String = typed.trim().chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    let hex = hex.strip_prefix("0x").unwrap_or(&hex).to_ascii_lowercase();
    let whole = !hex.is_empty() && hex.len() <= 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| hex.trim_start_matches('0').to_owned()).filter(|serial| !serial.is_empty())
}

/// More would be no list to read; the counts are whole.
const LISTED_MAX: usize = 1000;
const LINES_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_read_as_other_programs_print_it() {
        for typed in ["0a1b", "A1B", "0A:1B", " 0x0a1b "] {
            assert_eq!(serial(typed).as_deref(), Some("a1b"), "{typed}");
        }
        for typed in ["", "0", "xyz", "12 34 5g", "../a", &"1".repeat(41)] {
            assert_eq!(serial(typed), None, "{typed}");
        }
    }
}
