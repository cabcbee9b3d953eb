//! Finds certificates by what people know of them: a name, an e-mail address, a serial number or fingerprint as
//! another program prints it, a device. Reads the view alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::certificate::{Certificate, CertificateState, RevocationReason};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::{TenantId, Time};
use crate::store::view::View;

/// What is looked for; what is left out fits everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Search {
    /// Name, e-mail address, device, or the beginning of a serial number or SHA-256 fingerprint
    #[arg(value_name = "WORDS", default_value = "")]
    pub words: String,
    /// Of one tenant
    #[arg(long)]
    pub tenant: Option<TenantId>,
    /// How it stands: in-force, ends-soon (within 60 days), ended, superseded, revoked
    #[arg(long, value_parser = state)]
    pub state: Option<State>,
}

/// How a certificate stands, as lists tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It counts, for longer than sixty days.
    InForce,
    /// It counts, and ends within sixty days.
    EndsSoon,
    /// Its time is over.
    Ended,
    /// A newer one took its place, or will when its grace is over.
    Superseded,
    /// It was switched off.
    Revoked,
}

/// A certificate with whose it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Whose; `None` where the record is gone.
    pub person: Option<Arc<Person>>,
    /// On which device; `None` where the record is gone.
    pub device: Option<Arc<Device>>,
    /// How it stands.
    pub state: State,
}

impl Search {
    /// All that fit, those that end first first.
    #[must_use]
    pub fn find(&self, view: &View, now: Time) -> Vec<Found> {
        let words: Vec<String> = self.words.split_whitespace().map(str::to_lowercase).collect();
        let number = number(&self.words);
        let mut found: Vec<Found> = view
            .certificates()
            .into_iter()
            .filter(|one| self.tenant.as_ref().is_none_or(|tenant| one.tenant == *tenant))
            .filter(|one| self.state.is_none_or(|state| State::of(one, now) == state))
            .map(|certificate| Found::with_owner(certificate, view, now))
            .filter(|one| {
                number.as_ref().is_some_and(|number| one.has_number(number))
                    || words.iter().all(|word| one.mentions(word))
            })
            .collect();
        found.sort_by(|a, b| {
            let order = |one: &Found| (one.certificate.not_after, one.certificate.serial.clone());
            order(a).cmp(&order(b))
        });
        found
    }
}

impl Found {
    /// Looks up whose it is.
    #[must_use]
    pub fn with_owner(certificate: Arc<Certificate>, view: &View, now: Time) -> Self {
        Self {
            person: view.person(&certificate.tenant, &certificate.person),
            device: view.device(&certificate.tenant, &certificate.person, &certificate.device),
            state: State::of(&certificate, now),
            certificate,
        }
    }

    /// As its owner is called; the identifier where the record is gone.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.person.as_ref().map_or_else(|| self.certificate.person.as_str(), |one| one.name.as_str())
    }

    /// As its device is called; the identifier where the record is gone.
    #[must_use]
    pub fn device_name(&self) -> &str {
        self.device.as_ref().map_or_else(|| self.certificate.device.as_str(), |one| one.name.as_str())
    }

    fn mentions(&self, word: &str) -> bool {
        let emails = self.person.iter().flat_map(|one| one.emails.iter().map(String::as_str));
        [
            self.owner(),
            self.device_name(),
            self.certificate.tenant.as_str(),
            self.certificate.person.as_str(),
            self.certificate.device.as_str(),
        ]
        .into_iter()
        .chain(emails)
        .any(|text| text.to_lowercase().contains(word))
    }

    /// Whether its serial number or fingerprint begins so.
    fn has_number(&self, number: &str) -> bool {
        let certificate = &self.certificate;
        certificate.serial.starts_with(number.trim_start_matches('0'))
            || fingerprint(certificate).starts_with(number)
    }
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::InForce, Self::EndsSoon, Self::Ended, Self::Superseded, Self::Revoked];

    /// How it stands now. What ended it first is told, though it has expired since.
    #[must_use]
    pub fn of(certificate: &Certificate, now: Time) -> Self {
        match certificate.state {
            CertificateState::Revoked { .. } => Self::Revoked,
            CertificateState::Superseded { .. } => Self::Superseded,
            CertificateState::Active if certificate.not_after < now => Self::Ended,
            CertificateState::Active if certificate.not_after < now.plus(SOON) => Self::EndsSoon,
            CertificateState::Active => Self::InForce,
        }
    }

    /// As files and addresses write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InForce => "in-force",
            Self::EndsSoon => "ends-soon",
            Self::Ended => "ended",
            Self::Superseded => "superseded",
            Self::Revoked => "revoked",
        }
    }

    /// Reads what [`State::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// SHA-256 over the certificate, lower-case hexadecimal.
#[must_use]
pub fn fingerprint(certificate: &Certificate) -> String {
    data_encoding::HEXLOWER.encode(&certificate.fingerprint)
}

/// Why and when it was revoked.
#[must_use]
pub const fn revoked(certificate: &Certificate) -> Option<(RevocationReason, Time)> {
    match certificate.state {
        CertificateState::Revoked { reason, at } => Some((reason, at)),
        CertificateState::Active | CertificateState::Superseded { .. } => None,
    }
}

/// A hexadecimal number as openssl, browsers and mails write it: `0x` before it, colons or blanks between, either
/// case. Shorter ones are words.
fn number(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let number: String =
        text.chars().filter(|c| !c.is_whitespace() && *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    let hexadecimal = number.bytes().all(|b| b.is_ascii_hexdigit());
    (number.len() >= NUMBER_CHARS_MIN && hexadecimal).then_some(number)
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| format!("write one of {}", State::ALL.map(State::as_str).join(", ")))
}

/// The first reminder comes then.
const SOON: std::time::Duration = std::time::Duration::from_secs(60 * 24 * 3600);

/// Enough that no name is taken for one by chance.
const NUMBER_CHARS_MIN: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_other_programs_print_them() {
        for written in ["4f2a9c01", "4F:2A:9C:01", "0x4f2a9c01", " 4f 2a 9c 01 "] {
            assert_eq!(number(written).as_deref(), Some("4f2a9c01"), "{written}");
        }
        for word in ["anna", "4f2a", "laptop", "", "decade x"] {
            assert_eq!(number(word), None, "{word}");
        }
        // A name can be one too; then both are looked for.
        assert_eq!(number("decade").as_deref(), Some("decade"));
    }

    #[test]
    fn each_state_has_its_word() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }
}
