//! Machines that enrol and renew by themselves (EST, RFC 7030): one-time secrets and what they open, and the
//! renewal of a machine's own certificate. Knows no HTTP.
//!
//! A machine has no password and no phone, so its way is narrow: the first certificate by a secret that an
//! operator made for one device, further ones by a certificate that came on this way, and only for the same
//! device. What people carry in a .p12 is not renewed so.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::issuance::{Issuance, NotIssued, Order};
use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::auth::evidence::ProvedCertificate;
use crate::auth::throttle::{Subject, Throttles};
use crate::ca::{Issued, ProvenKey, import_password};
use crate::crypto::{Pepper, same};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant, GrantSecret, GrantWay};
use crate::domain::person::Person;
use crate::domain::tenant::Tenant;
use crate::domain::throttle::Guarded;
use crate::domain::{DeviceId, GrantId, PersonId, Reason, Secret, TenantId, Time};
use crate::store::table::{self, Key, Record, Stored};
use crate::store::{StoreError, Write};
use crate::world::World;

/// Enrols machines.
pub struct Est {
    ledger: Arc<Ledger>,
    issuance: Arc<Issuance>,
    throttles: Arc<Throttles>,
    pepper: Arc<Pepper>,
    world: World,
}

/// What a machine shows for its first certificate.
pub struct Shown<'a> {
    /// The name that was told with the secret.
    pub user: &'a str,
    /// The secret.
    pub secret: &'a Secret,
    /// Whose client it says it is, where the path names a tenant.
    pub label: Option<&'a str>,
    /// Where it comes from.
    pub address: IpAddr,
}

/// Why a machine got no certificate.
#[derive(Debug, thiserror::Error)]
pub enum NotEnrolled {
    /// Unknown, wrong, used, over, dead, or for another tenant: one word for all.
    #[error(
        "the one-time secret is not valid, or is not any more: have a new one made with \
         `portcullis device enrol-secret TENANT/PERSON --name NAME`"
    )]
    Secret,
    /// The secret or the certificate is right, and something stands against it.
    #[error("{0}")]
    Closed(&'static str),
    /// Too many tries.
    #[error("too many tries: the next one is heard after {}", .0.minute())]
    Wait(Time),
    /// The key.
    #[error(
        "the key stands already in a certificate that was revoked or is another device's: make a new key, and a \
         request with it"
    )]
    Key,
    /// The keys of the CA are not here.
    #[error("certificates are issued on another node: try again there, or tell the operator")]
    Elsewhere,
    /// Somebody else changed the same device again and again.
    #[error("the device was changed at the same time: try again in a moment")]
    Busy,
    /// Something failed; the log says what.
    #[error("something failed here: try again later, and tell the operator if it stays so")]
    Internal,
}

impl Est {
    /// Over the issuance.
    #[must_use]
    pub const fn new(
        ledger: Arc<Ledger>,
        issuance: Arc<Issuance>,
        throttles: Arc<Throttles>,
        pepper: Arc<Pepper>,
        world: World,
    ) -> Self {
        Self { ledger, issuance, throttles, pepper, world }
    }

    /// A grant that a machine uses by itself, not yet on record, and the secret that opens it: it is told once.
    #[must_use]
    pub fn secret(&self, order: &Order<'_>, lives: Duration) -> (Grant, Secret) {
        let secret = import_password::draw(&self.world);
        let mut grant = self.issuance.grant(order, format!("command by {}", order.by), None, lives);
        let mac = self.mac(grant.id.as_str(), &secret);
        grant.secret = Some(GrantSecret { way: GrantWay::Est, mac, wrong: 0 });
        (grant, secret)
    }

    /// The first certificate: the secret is tried, and used up by the commit that puts the certificate on record.
    /// Whatever is wrong with name and secret costs the same and is told in the same words.
    ///
    /// # Errors
    /// [`NotEnrolled`].
    pub async fn enrol(&self, shown: &Shown<'_>, key: ProvenKey) -> Result<Issued, NotEnrolled> {
        self.issuance.authority()?;
        let (house, subject) = (TenantId::staff(), Subject::Address(shown.address));
        self.counted(&house, vec![subject.clone()]).await?;
        let id = self.tried(shown).await?;
        for _ in 0..ROUNDS_MAX {
            let grant = self.read::<Grant>(&table::grant(&id)).await?.ok_or(NotEnrolled::Secret)?;
            match self.used(&grant, key.clone(), shown.address).await {
                Err(NotEnrolled::Busy) => {}
                Ok(issued) => {
                    self.throttles.ease(&house, Guarded::Enrol, &subject).await;
                    return Ok(issued);
                }
                Err(error) => return Err(error),
            }
        }
        Err(NotEnrolled::Busy)
    }

    /// Another certificate for the device of `proved`, whose key the connection has shown. It goes on until it
    /// ends or its successor renews; any other that this device got on this way counts no more from now on, so
    /// that two count at most, however often it renews.
    ///
    /// # Errors
    /// [`NotEnrolled`].
    pub async fn renew(
        &self,
        proved: &ProvedCertificate,
        key: ProvenKey,
        address: IpAddr,
    ) -> Result<Issued, NotEnrolled> {
        self.issuance.authority()?;
        if !proved.certificate().by_machine() {
            return Err(NotEnrolled::Closed(NOT_A_MACHINE));
        }
        self.counted(proved.tenant(), vec![Subject::Machine(proved.device_id().clone())]).await?;
        for _ in 0..ROUNDS_MAX {
            match self.renewed(proved, key.clone(), address).await {
                Err(NotEnrolled::Busy) => {}
                done => return done,
            }
        }
        Err(NotEnrolled::Busy)
    }

    /// A try, counted before it is heard: of a thousand at once, five hear whether their secret is right.
    async fn tried(&self, shown: &Shown<'_>) -> Result<GrantId, NotEnrolled> {
        let id = GrantId::parse(shown.user).ok();
        let mut open = None;
        loop {
            let read = match &id {
                Some(id) => self.read::<Grant>(&table::grant(id)).await?,
                None => None,
            };
            let read = read.filter(|read| fits(&read.record, shown.label, self.world.now()));
            let mut writes = Vec::new();
            if let Some(read) = &read {
                let mut grant = read.record.clone();
                if let Some(secret) = &mut grant.secret {
                    secret.wrong += 1;
                    open = Some(secret.mac);
                }
                writes.push(table::replace(read, &grant));
            }
            let entry = Entry::new("gate", Event::ThrottleCounted)
                .whence(shown.address)
                .whom(known(read.as_ref()))
                .detail("guards", Guarded::Enrol.as_str());
            match self.ledger.record(entry, writes).await {
                Ok(_) => break,
                Err(RecordError::Conflict) => open = None,
                Err(RecordError::Store(error)) => return Err(internal(&error)),
            }
        }
        let mac = self.mac(shown.user, shown.secret);
        // Compared with something in any case: nobody learns which names exist.
        let right = same(&mac, &open.unwrap_or_else(|| mac.map(|byte| !byte)));
        match (right, id) {
            (true, Some(id)) => Ok(id),
            (_, id) => {
                let whom = id.filter(|_| open.is_some()).map(|id| format!("grant:{id}")).unwrap_or_default();
                let entry = Entry::new("gate", Event::EnrolSecretWrong).whence(shown.address).whom(whom);
                self.ledger.record(entry, vec![]).await.map_err(|error| internal(&error))?;
                Err(NotEnrolled::Secret)
            }
        }
    }

    async fn used(
        &self,
        grant: &Stored<Grant>,
        key: ProvenKey,
        address: IpAddr,
    ) -> Result<Issued, NotEnrolled> {
        let Allows::Issue { tenant, person, device, .. } = &grant.record.allows;
        let (tenant, person, device) = self.whose(tenant, person, device).await?;
        let (by, whence) = (format!("{}{}", Certificate::BY_MACHINE, grant.record.id), address.to_string());
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device.record,
            by: &by,
            whence: &whence,
            event: Event::CertificateIssued,
        };
        let also = vec![table::unchanged(&device)];
        Ok(self.issuance.certify(&order, grant, key, "est", also).await?)
    }

    async fn renewed(
        &self,
        proved: &ProvedCertificate,
        key: ProvenKey,
        address: IpAddr,
    ) -> Result<Issued, NotEnrolled> {
        let now = self.world.now();
        let (tenant, person, device) =
            self.whose(proved.tenant(), proved.person_id(), proved.device_id()).await?;
        let own = self.read::<Certificate>(&table::certificate(&proved.certificate().serial)).await?;
        let own = own.filter(|own| {
            own.record.fingerprint == *proved.fingerprint()
                && own.record.state == CertificateState::Active
                && now <= own.record.not_after
        });
        let (Some(own), true) = (own, device.record.state.is_released()) else {
            return Err(NotEnrolled::Closed(NOT_IN_FORCE));
        };
        let (fall, serials) = self.successors(&own.record, now).await?;
        let (by, whence) = (format!("{}{}", Certificate::BY_MACHINE, device.record.id), address.to_string());
        let order = Order {
            tenant: &tenant,
            person: &person,
            device: &device.record,
            by: &by,
            whence: &whence,
            event: Event::CertificateRenewed,
        };
        self.issuance.unknown_elsewhere(&key, &device.record)?;
        let entry = order
            .entry(Event::GrantMade)
            .detail("way", "est")
            .detail("by certificate", &own.record.serial)
            .detail("supersedes", serials.join(" "));
        let seen = vec![table::unchanged(&device), table::unchanged(&own)];
        let evidence = format!("certificate {}", own.record.serial);
        let grant = self.issuance.open(&order, evidence, entry, seen).await?;
        // The device's record is put back as it is, under its revision: of renewals at once, one goes first,
        // and the next sees what that one left.
        let mut also = vec![table::replace(&device, &device.record), table::unchanged(&own)];
        also.extend(fall);
        also.extend(self.issuance.notice(&order, &grant)?);
        Ok(self.issuance.certify(&order, &grant, key, "est", also).await?)
    }

    /// What takes the other certificates of a machine out of force, and which they are.
    async fn successors(
        &self,
        own: &Certificate,
        now: Time,
    ) -> Result<(Vec<Write>, Vec<String>), NotEnrolled> {
        let (mut writes, mut serials) = (Vec::new(), Vec::new());
        for other in self.ledger.view().certificates_of(&own.tenant, &own.device) {
            if other.serial == own.serial || !other.by_machine() {
                continue;
            }
            let Some(read) = self.read::<Certificate>(&table::certificate(&other.serial)).await? else {
                continue;
            };
            if read.record.state.counts(now) {
                let state = CertificateState::Superseded { at: now };
                writes.push(table::replace(&read, &Certificate { state, ..read.record.clone() }));
                serials.push(other.serial.clone());
            }
        }
        Ok((writes, serials))
    }

    /// The records behind a device, where it may have a certificate on this way.
    async fn whose(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        device: &DeviceId,
    ) -> Result<(Tenant, Person, Stored<Device>), NotEnrolled> {
        let whose = self.read::<Tenant>(&table::tenant(tenant)).await?;
        let owner = self.read::<Person>(&table::person(tenant, person)).await?;
        let device = self.read::<Device>(&table::device(tenant, person, device)).await?;
        let (Some(whose), Some(owner), Some(device)) = (whose, owner, device) else {
            return Err(NotEnrolled::Closed(NOT_IN_FORCE));
        };
        if !whose.record.certificates.est {
            return Err(NotEnrolled::Closed(NO_EST));
        }
        if owner.record.shut_out(self.world.now()) || device.record.state == DeviceState::Retired {
            return Err(NotEnrolled::Closed(NOT_IN_FORCE));
        }
        Ok((whose.record, owner.record, device))
    }

    async fn counted(&self, tenant: &TenantId, whom: Vec<Subject>) -> Result<(), NotEnrolled> {
        match self.throttles.attempt(tenant, Guarded::Enrol, whom).await {
            // Easing is the caller's: a machine's renewals stay counted, the good ones too.
            Ok(_counted) => Ok(()),
            Err(Reason::TooMany { until }) => Err(NotEnrolled::Wait(until)),
            Err(_) => Err(NotEnrolled::Internal),
        }
    }

    async fn read<R: Record>(&self, key: &Key) -> Result<Option<Stored<R>>, NotEnrolled> {
        table::get(&**self.ledger.store(), key).await.map_err(|error: StoreError| internal(&error))
    }

    fn mac(&self, user: &str, secret: &Secret) -> [u8; 32] {
        self.pepper.mac("est-secret", &[user.as_bytes(), secret.expose().as_bytes()])
    }
}

/// Whether a grant is one that a machine may use here, now.
fn fits(grant: &Grant, label: Option<&str>, now: Time) -> bool {
    let Allows::Issue { tenant, .. } = &grant.allows;
    let alive =
        grant.secret.as_ref().is_some_and(|secret| secret.way == GrantWay::Est && secret.wrong < WRONG_MAX);
    alive && now < grant.expires && label.is_none_or(|label| label == tenant.as_str())
}

fn known(grant: Option<&Stored<Grant>>) -> String {
    grant.map(|read| format!("grant:{}", read.record.id)).unwrap_or_default()
}

fn internal(error: &dyn std::error::Error) -> NotEnrolled {
    tracing::error!(%error, "a machine's enrolment failed");
    NotEnrolled::Internal
}

impl From<NotIssued> for NotEnrolled {
    fn from(error: NotIssued) -> Self {
        match error {
            NotIssued::NoAuthority => Self::Elsewhere,
            NotIssued::KeyKnown => Self::Key,
            NotIssued::Record(RecordError::Conflict) => Self::Busy,
            other => internal(&other),
        }
    }
}

/// The longest that a one-time secret may live.
pub const SECRET_HOURS_MAX: u64 = 24;

/// Five wrong secrets end a grant (RTS 2018/389 art. 4(3)(b)).
const WRONG_MAX: u8 = 5;

/// At most five others try the same secret at once, and a device is seldom changed meanwhile.
const ROUNDS_MAX: u32 = 10;

const NO_EST: &str = "this tenant's machines do not enrol by EST: the operator switches it on with \
                      `portcullis tenant certificates TENANT --est yes`";
const NOT_IN_FORCE: &str =
    "the device, its certificate or its owner is not in force any more: ask the operator";
const NOT_A_MACHINE: &str = "this certificate did not come by EST, and is not renewed by it: renew it where it was \
                             issued, or enrol the machine with a one-time secret";
