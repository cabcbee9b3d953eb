//! Every key of the product on one page; records are read and written by type (`typed`).
//!
//! A key is a table's letter and its parts, each ended by a zero byte, so that the prefix of a
//! person never matches another person whose id begins alike. A record is a version byte and CBOR.

mod key;
mod typed;

use crate::domain::approval::{Approval, ApprovalState, Asked};
use crate::domain::certificate::{Certificate, Forgotten, Issuer, LastUse};
use crate::domain::confirmation::Confirmation;
use crate::domain::device::Device;
use crate::domain::enrolment::{Enrolment, EnrolmentKind};
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::phone::{Pairing, Phone, RemovedPhone};
use crate::domain::push::Subscription;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::reminder::Reminder;
use crate::domain::renewal::Renewal;
use crate::domain::route::{Route, Rules};
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Throttle;
use crate::domain::{
    ApprovalId, ConfirmationId, DeviceId, GrantId, PairingId, PersonId, PhoneId, TenantId, Time,
};

pub use key::Key;
pub use typed::*;

/// Where a tenant lives.
#[must_use]
pub fn tenant(id: &TenantId) -> Key {
    Key::of(Tenant::TABLE, &[id.as_str().as_bytes()])
}

/// Where a tenant's persons live.
#[must_use]
pub fn persons(tenant: &TenantId) -> Key {
    Key::of(Person::TABLE, &[tenant.as_str().as_bytes()])
}

/// Where a person lives.
#[must_use]
pub fn person(tenant: &TenantId, id: &PersonId) -> Key {
    of_person(Person::TABLE, tenant, id)
}

/// Where a person's password lives.
#[must_use]
pub fn password(tenant: &TenantId, id: &PersonId) -> Key {
    of_person(b'w', tenant, id)
}

/// Where a person's recovery codes live.
#[must_use]
pub fn recovery_codes(tenant: &TenantId, id: &PersonId) -> Key {
    of_person(RecoveryCodes::TABLE, tenant, id)
}

/// Where a person's devices live.
#[must_use]
pub fn devices(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Device::TABLE, tenant, person)
}

/// Where a device lives.
#[must_use]
pub fn device(tenant: &TenantId, person: &PersonId, id: &DeviceId) -> Key {
    Key::of(Device::TABLE, &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), id.as_str().as_bytes()])
}

/// Where a certificate lives.
#[must_use]
pub fn certificate(serial: &str) -> Key {
    Key::of(Certificate::TABLE, &[serial.as_bytes()])
}

/// Where it is kept when a certificate was last used.
#[must_use]
pub fn last_use(serial: &str) -> Key {
    Key::of(LastUse::TABLE, &[serial.as_bytes()])
}

/// Where it is kept that a certificate is off its owner's list.
#[must_use]
pub fn forgotten(serial: &str) -> Key {
    Key::of(Forgotten::TABLE, &[serial.as_bytes()])
}

/// Where a grant lives.
#[must_use]
pub fn grant(id: &GrantId) -> Key {
    Key::of(Grant::TABLE, &[id.as_str().as_bytes()])
}

/// Where a person's phones live.
#[must_use]
pub fn phones(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Phone::TABLE, tenant, person)
}

/// Where a phone lives.
#[must_use]
pub fn phone(tenant: &TenantId, person: &PersonId, id: &PhoneId) -> Key {
    Key::of(Phone::TABLE, &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), id.as_str().as_bytes()])
}

/// Where the subscriptions of a person's phones live.
#[must_use]
pub fn subscriptions(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Subscription::TABLE, tenant, person)
}

/// Where a phone's subscription lives. Whoever deletes a phone deletes this with it.
#[must_use]
pub fn subscription(tenant: &TenantId, person: &PersonId, phone: &PhoneId) -> Key {
    Key::of(
        Subscription::TABLE,
        &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), phone.as_str().as_bytes()],
    )
}

/// Where it is kept that a phone was removed.
#[must_use]
pub fn removed_phone(tenant: &TenantId, person: &PersonId, id: &PhoneId) -> Key {
    Key::of(
        RemovedPhone::TABLE,
        &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), id.as_str().as_bytes()],
    )
}

/// Where a pairing under way lives.
#[must_use]
pub fn pairing(id: &PairingId) -> Key {
    Key::of(Pairing::TABLE, &[id.as_str().as_bytes()])
}

/// Where a person's enrolments live.
#[must_use]
pub fn enrolments(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Enrolment::TABLE, tenant, person)
}

/// Where a device's enrolments live.
#[must_use]
pub fn enrolments_of_device(tenant: &TenantId, person: &PersonId, device: &DeviceId) -> Key {
    Key::of(
        Enrolment::TABLE,
        &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), device.as_str().as_bytes()],
    )
}

/// Where the enrolment of a device in one browser session lives.
#[must_use]
pub fn enrolment(tenant: &TenantId, person: &PersonId, device: &DeviceId, session: &[u8; 32]) -> Key {
    Key::of(
        Enrolment::TABLE,
        &[
            tenant.as_str().as_bytes(),
            person.as_str().as_bytes(),
            device.as_str().as_bytes(),
            hex(session).as_bytes(),
        ],
    )
}

/// Where a person's approvals live.
#[must_use]
pub fn approvals(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Approval::TABLE, tenant, person)
}

/// Where an approval lives.
#[must_use]
pub fn approval(tenant: &TenantId, person: &PersonId, id: &ApprovalId) -> Key {
    Key::of(
        Approval::TABLE,
        &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), id.as_str().as_bytes()],
    )
}

/// Where a person's confirmations live.
#[must_use]
pub fn confirmations(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Confirmation::TABLE, tenant, person)
}

/// Where a confirmation lives.
#[must_use]
pub fn confirmation(tenant: &TenantId, person: &PersonId, id: &ConfirmationId) -> Key {
    Key::of(
        Confirmation::TABLE,
        &[tenant.as_str().as_bytes(), person.as_str().as_bytes(), id.as_str().as_bytes()],
    )
}

/// Where it is kept what a person was asked last.
#[must_use]
pub fn asked(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(Asked::TABLE, tenant, person)
}

/// Where a session lives, by the hash of its token.
#[must_use]
pub fn session(token: &[u8; 32]) -> Key {
    Key::of(Session::TABLE, &[hex(token).as_bytes()])
}

/// Where a renewal of an ended certificate lives, by the hash of its token.
#[must_use]
pub fn renewal(token: &[u8; 32]) -> Key {
    Key::of(Renewal::TABLE, &[hex(token).as_bytes()])
}

/// Where a throttle lives.
#[must_use]
pub fn throttle(tenant: &TenantId, purpose: &str, subject: &str) -> Key {
    Key::of(Throttle::TABLE, &[tenant.as_str().as_bytes(), purpose.as_bytes(), subject.as_bytes()])
}

/// Where a tenant's rules live.
#[must_use]
pub fn rules(tenant: &TenantId) -> Key {
    Key::of(Rules::TABLE, &[tenant.as_str().as_bytes()])
}

/// Where a tenant's routes live.
#[must_use]
pub fn routes(tenant: &TenantId) -> Key {
    Key::of(Route::TABLE, &[tenant.as_str().as_bytes()])
}

fn of_person(table: u8, tenant: &TenantId, person: &PersonId) -> Key {
    Key::of(table, &[tenant.as_str().as_bytes(), person.as_str().as_bytes()])
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

impl Record for Tenant {
    const TABLE: u8 = b't';
    fn key(&self) -> Key {
        tenant(&self.id)
    }
}

impl Record for Person {
    const TABLE: u8 = b'p';
    fn key(&self) -> Key {
        person(&self.tenant, &self.id)
    }
}

impl Record for Device {
    const TABLE: u8 = b'd';
    fn key(&self) -> Key {
        device(&self.tenant, &self.person, &self.id)
    }
}

impl Record for Issuer {
    const TABLE: u8 = b'i';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.id.as_str().as_bytes()])
    }
}

impl Record for Certificate {
    const TABLE: u8 = b'c';
    fn key(&self) -> Key {
        certificate(&self.serial)
    }
}

impl Record for LastUse {
    const TABLE: u8 = b'l';
    fn key(&self) -> Key {
        last_use(&self.serial)
    }
}

impl Record for Reminder {
    const TABLE: u8 = b'm';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.serial.as_bytes(), self.stage.to_string().as_bytes()])
    }
    fn expires(&self) -> Option<Time> {
        Some(self.until)
    }
}

impl Record for Forgotten {
    const TABLE: u8 = b'x';
    fn key(&self) -> Key {
        forgotten(&self.serial)
    }
}

impl Record for Phone {
    const TABLE: u8 = b'f';
    fn key(&self) -> Key {
        phone(&self.tenant, &self.person, &self.id)
    }
}

impl Record for Subscription {
    const TABLE: u8 = b'j';
    fn key(&self) -> Key {
        subscription(&self.tenant, &self.person, &self.phone)
    }
}

impl Record for RemovedPhone {
    const TABLE: u8 = b'2';
    fn key(&self) -> Key {
        removed_phone(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.at.plus(REMOVED_KEPT))
    }
}

impl Record for Pairing {
    const TABLE: u8 = b'q';
    fn key(&self) -> Key {
        pairing(&self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Enrolment {
    const TABLE: u8 = b'e';
    fn key(&self) -> Key {
        enrolment(&self.tenant, &self.person, &self.device, &self.session)
    }
    fn expires(&self) -> Option<Time> {
        Some(match self.kind {
            EnrolmentKind::FirstVisit | EnrolmentKind::LostPhone => self.started.plus(ENROLMENT_KEPT),
            // Anybody may begin one, and it is good for nothing without its renewal.
            EnrolmentKind::Expired => self.started.plus(Renewal::LIVES),
        })
    }
}

impl Record for RecoveryCodes {
    const TABLE: u8 = b'1';
    fn key(&self) -> Key {
        recovery_codes(&self.tenant, &self.person)
    }
}

impl Record for Grant {
    const TABLE: u8 = b'g';
    fn key(&self) -> Key {
        grant(&self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Approval {
    const TABLE: u8 = b'a';
    fn key(&self) -> Key {
        approval(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        let unanswered = matches!(
            self.state,
            ApprovalState::Pending | ApprovalState::Superseded | ApprovalState::Withdrawn
        );
        Some(self.expires.plus(if unanswered { QUESTION_KEPT } else { ANSWER_KEPT }))
    }
}

impl Record for Confirmation {
    const TABLE: u8 = b'b';
    fn key(&self) -> Key {
        confirmation(&self.tenant, &self.person, &self.id)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.created.plus(Self::KEPT))
    }
}

impl Record for Asked {
    const TABLE: u8 = b'k';
    fn key(&self) -> Key {
        asked(&self.tenant, &self.person)
    }
}

impl Record for Session {
    const TABLE: u8 = b's';
    fn key(&self) -> Key {
        session(&self.token)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.absolute_end)
    }
}

impl Record for Renewal {
    const TABLE: u8 = b'v';
    fn key(&self) -> Key {
        renewal(&self.token)
    }
    fn expires(&self) -> Option<Time> {
        Some(self.expires)
    }
}

impl Record for Throttle {
    const TABLE: u8 = b'h';
    fn key(&self) -> Key {
        throttle(&self.tenant, self.purpose.as_str(), &self.subject)
    }
    /// Strangers may type, and come from, any number of addresses: a count that only pauses is forgotten long after.
    fn expires(&self) -> Option<Time> {
        let of_strangers = [Throttle::OF_MAILBOX, Throttle::OF_ADDRESS];
        let pauses = of_strangers.iter().any(|kind| self.subject.starts_with(kind));
        pauses.then(|| self.until.plus(PAUSING_KEPT))
    }
}

impl Record for Route {
    const TABLE: u8 = b'r';
    fn key(&self) -> Key {
        Key::of(Self::TABLE, &[self.tenant.as_str().as_bytes(), self.name.as_bytes()])
    }
}

impl Record for Rules {
    const TABLE: u8 = b'u';
    fn key(&self) -> Key {
        rules(&self.tenant)
    }
}

/// The table of audit entries: it only grows, and no view holds it.
pub const TRAIL: u8 = b'z';

/// The table that says, for each node, where its part of the trail ends.
pub const TRAIL_HEADS: u8 = b'y';

/// An enrolment outlives its code, so that a call that takes long can be taken up again.
const ENROLMENT_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Many times the pause that too many tries bring.
const PAUSING_KEPT: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// Who was asked sees for as long what was answered, and may still say that it was somebody else.
const ANSWER_KEPT: std::time::Duration = std::time::Duration::from_secs(90 * 24 * 3600);

/// Questions that nobody answered are of use for less long, and a stranger may cause many.
const QUESTION_KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// A phone that was removed is told so for as long as somebody may find it in a drawer.
const REMOVED_KEPT: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 3600);
