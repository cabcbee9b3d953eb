//! Every key of the product on one page; records are read and written by type (`typed`).
//!
//! A key is a table's letter and its parts, each ended by a zero byte, so that the prefix of a
//! person never matches another person whose id begins alike. A record is a version byte and CBOR.

mod kept;
mod key;
mod typed;

use crate::domain::approval::{Approval, Asked};
use crate::domain::certificate::{Certificate, Forgotten, LastUse};
use crate::domain::confirmation::{Confirmation, KeptLately};
use crate::domain::device::Device;
use crate::domain::enrolment::Enrolment;
use crate::domain::grant::Grant;
use crate::domain::person::Person;
use crate::domain::phone::{Pairing, Phone, RemovedPhone};
use crate::domain::push::Subscription;
use crate::domain::recovery::RecoveryCodes;
use crate::domain::renewal::Renewal;
use crate::domain::route::{Route, Rules};
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Throttle;
use crate::domain::{ApprovalId, ConfirmationId, DeviceId, GrantId, PairingId, PersonId, PhoneId, TenantId};

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

/// Where it is kept how many confirmations a person had kept lately.
#[must_use]
pub fn kept_lately(tenant: &TenantId, person: &PersonId) -> Key {
    of_person(KeptLately::TABLE, tenant, person)
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

/// A route.
#[must_use]
pub fn route(tenant: &TenantId, name: &str) -> Key {
    Key::of(Route::TABLE, &[tenant.as_str().as_bytes(), name.as_bytes()])
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

/// The table of audit entries: it only grows, and no view holds it.
pub const TRAIL: u8 = b'z';

/// The table that says, for each node, where its part of the trail ends.
pub const TRAIL_HEADS: u8 = b'y';
