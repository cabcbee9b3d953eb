//! The subject of a device's certificate: what a browser's picker shows, and whose it is.
//! Knows no certificate. What would make two subjects look alike, or one run into the next
//! field, is refused here; who a certificate belongs to is told by its URI and never by this.

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, TenantId, Time};

/// Whose certificate, and how it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub(super) tenant: TenantId,
    pub(super) person: PersonId,
    pub(super) device: DeviceId,
    person_name: String,
    device_name: String,
    organization: String,
}

impl Subject {
    /// Takes the names from the records.
    ///
    /// # Errors
    /// Records that do not belong together, and names that a certificate must not hold.
    pub fn of(tenant: &Tenant, person: &Person, device: &Device) -> Result<Self, BadSubject> {
        let together = person.tenant == tenant.id && device.tenant == tenant.id && device.person == person.id;
        if !together {
            return Err(BadSubject::Apart);
        }
        Ok(Self {
            tenant: tenant.id.clone(),
            person: person.id.clone(),
            device: device.id.clone(),
            person_name: clean("name of the person", &person.name, COMMON_NAME_REFUSED)?,
            device_name: clean("name of the device", &device.name, COMMON_NAME_REFUSED)?,
            organization: clean("name of the tenant", &tenant.name, ORGANIZATION_REFUSED)?,
        })
    }

    /// "Anna Muster, laptop, until 2028-11", within the 64 characters that RFC 5280 A.1 allows.
    #[must_use]
    pub fn common_name(&self, not_after: Time) -> String {
        let until = not_after.format(", until %Y-%m");
        let room = NAME_CHARS_MAX - until.chars().count() - 2;
        let device_room = (room / 3).max(room.saturating_sub(self.person_name.chars().count()));
        let device = shortened(&self.device_name, device_room);
        let person = shortened(&self.person_name, room - device.chars().count());
        format!("{person}, {device}{until}")
    }

    /// The tenant's name, within 64 characters.
    #[must_use]
    pub fn organization(&self) -> String {
        shortened(&self.organization, NAME_CHARS_MAX)
    }
}

/// Why a subject is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubject {
    /// Tenant, person and device are not of one another.
    #[error("tenant, person and device do not belong together: name the person's own device")]
    Apart,
    /// Nothing there.
    #[error("the {0} is empty: write at least one letter")]
    Empty(&'static str),
    /// Blanks around it.
    #[error("the {0} begins or ends with a blank: write it without")]
    Blank(&'static str),
    /// A character that cannot be seen, turns the text round, or divides fields.
    #[error("the {what} holds the character U+{:04X}, which certificates must not: write it without", *.character as u32)]
    Character {
        /// Which name.
        what: &'static str,
        /// Which character.
        character: char,
    },
}

fn clean(what: &'static str, text: &str, refused: &[char]) -> Result<String, BadSubject> {
    let text: String = text.nfc().collect();
    if let Some(character) = text.chars().find(|c| refused.contains(c) || is_unseen(*c)) {
        return Err(BadSubject::Character { what, character });
    }
    match text.trim() {
        "" => Err(BadSubject::Empty(what)),
        trimmed if trimmed != text => Err(BadSubject::Blank(what)),
        _ => Ok(text),
    }
}

/// Controls, and what Unicode calls format characters, separators other than the blank, private
/// use and noncharacters: none can be seen, and some turn the text round.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c),
            0xAD | 0x34F | 0x600..=0x605 | 0x61C | 0x6DD | 0x70F | 0x890..=0x891 | 0x8E2
            | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F | 0x2028..=0x202E
            | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xE000..=0xF8FF | 0xFDD0..=0xFDEF | 0xFE00..=0xFE0F
            | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF | 0x110BD | 0x110CD | 0x13430..=0x1343F
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..)
        || u32::from(c) & 0xFFFE == 0xFFFE
}

fn shortened(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// What divides the fields of a name as tools print it (RFC 4514 2.4), and of ours.
const COMMON_NAME_REFUSED: &[char] = &[',', '=', '+', '"', '\\', '<', '>', ';'];

/// A firm may have a comma or a plus in its name; nothing is told apart by it.
const ORGANIZATION_REFUSED: &[char] = &['=', '"', '\\', '<', '>', ';'];

/// `ub-common-name` and `ub-organization-name` of RFC 5280 A.1.
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::device::DeviceState;
    use crate::domain::person::Standing;
    use crate::domain::tenant::{Brand, CertificateTerms, SessionProfile};

    pub(in crate::ca) fn records(person: &str, device: &str, tenant: &str) -> (Tenant, Person, Device) {
        let id = TenantId::parse("bank").unwrap();
        let tenant = Tenant {
            id: id.clone(),
            name: tenant.to_owned(),
            hosts: vec!["bank.localhost".to_owned()],
            telephone: "+41 44 000 00 00".to_owned(),
            language: "en".to_owned(),
            brand: Brand::default(),
            profile: SessionProfile::Strict,
            identified_on_incoming_call: false,
            certificates: CertificateTerms::default(),
            synced_passkeys: crate::domain::tenant::SyncedPasskeys::Accept,
            created: Time(0),
        };
        let person = Person {
            tenant: id.clone(),
            id: PersonId::parse("anna").unwrap(),
            name: person.to_owned(),
            emails: Vec::new(),
            telephone: None,
            standing: Standing::Invited,
            groups: BTreeSet::new(),
            roles: BTreeSet::new(),
            created: Time(0),
        };
        let device = Device {
            tenant: id,
            person: person.id.clone(),
            id: DeviceId::parse("laptop-1").unwrap(),
            name: device.to_owned(),
            state: DeviceState::Issued,
            issued_by: "local:0".to_owned(),
            delivered_by: None,
            released_by: None,
            created: Time(0),
        };
        (tenant, person, device)
    }

    pub(in crate::ca) fn subject(person: &str, device: &str, tenant: &str) -> Result<Subject, BadSubject> {
        let (tenant, person, device) = records(person, device, tenant);
        Subject::of(&tenant, &person, &device)
    }

    const UNTIL: Time = Time::from_secs(1_858_364_244);

    #[test]
    fn reads_well_in_a_picker() {
        let subject = subject("Anna Muster", "laptop", "Bank Muster & Cie, Genève").unwrap();
        assert_eq!(subject.common_name(UNTIL), "Anna Muster, laptop, until 2028-11");
        assert_eq!(subject.organization(), "Bank Muster & Cie, Genève");
    }

    #[test]
    fn what_deceives_is_refused() {
        for bad in [
            "",
            " ",
            "Anna\0",
            "Anna\nMuster",
            "Anna\u{202e}retsuM",
            "Anna\u{2066}",
            "An\u{200b}na",
            "\u{feff}Anna",
            "Anna, CN=Root",
            "Anna=x",
            "Anna+Bob",
            "Anna\\",
            " Anna",
            "Anna ",
            "Anna\u{a0}Muster",
            "An\u{ad}na",
            "Anna\u{e0041}",
            "Anna\u{fe0f}",
            "Anna\u{85}",
            "Anna\u{2028}",
            "Anna\u{1b}[31m",
            "Anna\u{1fffe}",
        ] {
            assert!(subject(bad, "laptop", "Bank").is_err(), "{bad:?}");
            assert!(subject("Anna", bad, "Bank").is_err(), "{bad:?}");
        }
        assert!(subject("Anna", "laptop", "Bank\u{202e}").is_err());
        let error = subject("Anna\u{202e}", "laptop", "Bank").unwrap_err().to_string();
        assert_eq!(
            error,
            "the name of the person holds the character U+202E, which certificates must not: write it without"
        );
    }

    #[test]
    fn one_spelling_of_one_name() {
        let composed = subject("Zo\u{eb}", "laptop", "Bank").unwrap();
        assert_eq!(composed, subject("Zoe\u{308}", "laptop", "Bank").unwrap());
    }

    #[test]
    fn records_must_belong_together() {
        let (tenant, person, mut device) = records("Anna", "laptop", "Bank");
        device.person = PersonId::parse("bob").unwrap();
        assert_eq!(Subject::of(&tenant, &person, &device), Err(BadSubject::Apart));
        let (mut tenant, person, device) = records("Anna", "laptop", "Bank");
        tenant.id = TenantId::parse("other").unwrap();
        assert_eq!(Subject::of(&tenant, &person, &device), Err(BadSubject::Apart));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_short_and_visible(person in "\\PC{0,90}", device in "\\PC{0,90}") {
            if let Ok(subject) = subject(&person, &device, "Bank") {
                let name = subject.common_name(UNTIL);
                prop_assert!(name.chars().count() <= 64, "{name}");
                prop_assert!(name.ends_with(", until 2028-11"));
                prop_assert_eq!(name.matches(',').count(), 2);
                prop_assert!(!name.chars().any(is_unseen));
            }
        }

        #[test]
        fn no_text_at_all_panics(text in any::<String>()) {
            let _ = subject(&text, &text, &text);
        }
    }
}
