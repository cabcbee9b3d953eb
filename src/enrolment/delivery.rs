//! One-time links for a .p12: a grant that waits behind a link, opened by the import password that was told by
//! another way. Key, certificate and file are made when it opens, never before. Knows no page and no mail.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

use super::issuance::{Issuance, NotIssued, Order};
use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::ca::{Encoding, P12, Subject, import_password};
use crate::crypto::{self, Pepper};
use crate::domain::certificate::Certificate;
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant, GrantSecret, GrantWay};
use crate::domain::person::Person;
use crate::domain::{DeviceId, GrantId, PersonId, Secret, TenantId, Time};
use crate::store::table::{self, Stored};
use crate::store::view::View;
use crate::store::{StoreError, Write};
use crate::world::World;

/// Makes links and hears what is typed behind them.
pub struct Deliveries {
    ledger: Arc<Ledger>,
    view: Arc<View>,
    issuance: Arc<Issuance>,
    pepper: Arc<Pepper>,
    world: World,
}

/// A link that was just made. Both secrets are told once and kept nowhere.
pub struct Opened {
    /// What stands after the `#` of the link: it opens nothing without the password.
    pub secret: Secret,
    /// The import password, to be told by another way than the link.
    pub password: Secret,
    /// Until when.
    pub expires: Time,
}

/// Why nothing was handed out.
#[derive(Debug, thiserror::Error)]
pub enum NotHanded {
    /// There is no such link: used, ended, dead, replaced, or never made. Which of them, nobody is told.
    #[error("there is no such link")]
    Dead,
    /// Another password; so many tries are left.
    #[error("another import password")]
    Wrong {
        /// Never 0: then the link is dead.
        left: u8,
    },
    /// Something of ours; nothing was used up but the try.
    #[error(transparent)]
    Failed(#[from] NotIssued),
}

/// What a client brings to a link.
#[derive(Clone, Copy)]
pub struct Brought<'a> {
    /// At which tenant's page.
    pub tenant: &'a TenantId,
    /// What stood after the `#`.
    pub secret: &'a Secret,
    /// The import password as it was typed.
    pub typed: &'a Secret,
    /// For which kind of device.
    pub encoding: Encoding,
    /// Network address.
    pub from: IpAddr,
}

impl Deliveries {
    /// Over the ledger. The pepper is the key of links and passwords.
    #[must_use]
    pub const fn new(
        ledger: Arc<Ledger>,
        view: Arc<View>,
        issuance: Arc<Issuance>,
        pepper: Arc<Pepper>,
        world: World,
    ) -> Self {
        Self { ledger, view, issuance, pepper, world }
    }

    /// Makes a link for one certificate of a device; any other link for that device dies by it. `device` is the
    /// write that makes the device or says who delivers it.
    ///
    /// # Errors
    /// [`NotIssued::Subject`] for a name that no certificate can hold, and the store's; then nothing was written.
    pub async fn open(&self, order: &Order<'_>, device: Write, lives: Duration) -> Result<Opened, NotIssued> {
        Subject::of(order.tenant, order.person, order.device)?;
        let bits: [u8; 16] = self.world.bytes();
        let secret = Secret::new(BASE32_NOPAD.encode(&bits).to_ascii_lowercase());
        let password = import_password::draw(&self.world);
        let id = self.id_of(&secret);
        let mac = self.mac(&order.tenant.id, &id, &password);
        let waits = GrantSecret { way: GrantWay::Link, mac, wrong: 0 };
        let evidence = format!("one-time link by {}", order.by);
        let grant = Grant { id, ..self.issuance.grant(order, evidence, Some(waits), lives) };
        let mut writes = vec![device, table::create(&grant)];
        let older = self.void(&order.device.id).await.map_err(RecordError::from)?;
        let dies = older.len();
        writes.extend(older);
        let entry = order.entry(Event::DeliveryOpened).detail("until", grant.expires.to_string());
        let entry = if dies > 0 { entry.detail("older links dead", dies.to_string()) } else { entry };
        self.ledger.record(entry, writes).await?;
        Ok(Opened { secret, password, expires: grant.expires })
    }

    /// What ends every link that waits for a device, to commit with whatever takes their place.
    ///
    /// # Errors
    /// The store's.
    pub async fn void(&self, device: &DeviceId) -> Result<Vec<Write>, StoreError> {
        Ok(self.links_of(device).await?.iter().map(table::consume).collect())
    }

    /// Hears a password: counted before it is compared. A right one makes key, certificate and file, and uses the
    /// link up in the commit that puts the certificate on record.
    ///
    /// # Errors
    /// [`NotHanded`].
    pub async fn hear(&self, brought: &Brought<'_>) -> Result<(Certificate, P12), NotHanded> {
        let id = self.id_of(brought.secret);
        let (counted, mac, wrong) = self.count(&id, brought).await?;
        let typed = import_password::as_drawn(brought.typed);
        if !crypto::same(&self.mac(brought.tenant, &id, &typed), &mac) {
            return Err(self.refuse(&counted, wrong, brought).await);
        }
        let mut granted = counted;
        loop {
            match self.issue(&granted, &typed, brought).await {
                // Somebody else's try was counted meanwhile, or the device changed. Ours was right already.
                Err(NotHanded::Failed(NotIssued::Record(RecordError::Conflict))) => {
                    granted = self.find(&id, brought).await?.ok_or(NotHanded::Dead)?.0;
                }
                done => return done,
            }
        }
    }

    /// What a form of these pages must send back. There is no session to bind it to, and nothing that a browser
    /// would lend to another site: the link's secret and the password stand in the form itself.
    #[must_use]
    pub fn csrf(&self, tenant: &TenantId) -> String {
        BASE64URL_NOPAD.encode(&self.pepper.mac("csrf", &[b"deliver", tenant.as_str().as_bytes()]))
    }

    async fn count(
        &self,
        id: &GrantId,
        brought: &Brought<'_>,
    ) -> Result<(Stored<Grant>, [u8; 32], u8), NotHanded> {
        loop {
            let (read, secret) = self.find(id, brought).await?.ok_or(NotHanded::Dead)?;
            if secret.wrong >= WRONG_MAX {
                return Err(NotHanded::Dead);
            }
            let (mac, wrong) = (secret.mac, secret.wrong + 1);
            let counted = Grant { secret: Some(GrantSecret { wrong, ..secret }), ..read.record.clone() };
            let entry = self.entry(Event::ThrottleCounted, &counted, brought).detail("guards", "delivery");
            match self.ledger.record(entry, vec![table::replace(&read, &counted)]).await {
                Ok(revision) => return Ok((Stored { record: counted, revision }, mac, wrong)),
                Err(RecordError::Conflict) => {}
                Err(error) => return Err(NotIssued::from(error).into()),
            }
        }
    }

    /// A wrong password is written down; the fifth ends the link.
    async fn refuse(&self, counted: &Stored<Grant>, wrong: u8, brought: &Brought<'_>) -> NotHanded {
        let left = WRONG_MAX - wrong;
        let (event, writes) = match left {
            0 => (Event::DeliveryDead, vec![table::consume(counted)]),
            _ => (Event::DeliveryWrong, vec![]),
        };
        let entry = self.entry(event, &counted.record, brought).detail("tries left", left.to_string());
        match self.ledger.record(entry, writes).await {
            // Another that was right is issuing at this moment: it was counted before this one.
            Ok(_) | Err(RecordError::Conflict) if left == 0 => NotHanded::Dead,
            Ok(_) | Err(RecordError::Conflict) => NotHanded::Wrong { left },
            Err(error) => NotIssued::from(error).into(),
        }
    }

    async fn issue(
        &self,
        granted: &Stored<Grant>,
        password: &Secret,
        brought: &Brought<'_>,
    ) -> Result<(Certificate, P12), NotHanded> {
        let Allows::Issue { tenant, person, device, .. } = &granted.record.allows;
        let tenant = self.view.tenant(tenant).ok_or(NotHanded::Dead)?;
        let (person, device) = self.alive(&tenant.id, person, device).await?.ok_or(NotHanded::Dead)?;
        let first = self.view.certificates_of(&tenant.id, &device.record.id).is_empty();
        let whence = brought.from.to_string();
        let order = Order {
            tenant: &tenant,
            person: &person.record,
            device: &device.record,
            // Whoever made the link answers for the certificate, and may not release the device.
            by: &granted.record.by,
            whence: &whence,
            event: if first { Event::CertificateIssued } else { Event::CertificateRenewed },
        };
        let mut also = vec![table::unchanged(&device), table::unchanged(&person)];
        also.extend(self.issuance.notice(&order, granted)?);
        Ok(self.issuance.p12(&order, granted, brought.encoding, Some(password.clone()), also).await?)
    }

    /// The grant behind a link of this tenant, while its device and its person may still have a certificate.
    async fn find(
        &self,
        id: &GrantId,
        brought: &Brought<'_>,
    ) -> Result<Option<(Stored<Grant>, GrantSecret)>, NotHanded> {
        let read = table::get::<Grant>(&**self.ledger.store(), &table::grant(id)).await.map_err(broken)?;
        let Some(read) = read else { return Ok(None) };
        let Some(secret) = read.record.secret.clone() else { return Ok(None) };
        let Allows::Issue { tenant, person, device, .. } = &read.record.allows;
        if secret.way != GrantWay::Link || tenant != brought.tenant || read.record.expires <= self.world.now()
        {
            return Ok(None);
        }
        let alive = self.alive(tenant, person, device).await?.is_some();
        Ok(alive.then_some((read, secret)))
    }

    async fn alive(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        device: &DeviceId,
    ) -> Result<Option<(Stored<Person>, Stored<Device>)>, NotHanded> {
        let store = &**self.ledger.store();
        let who = table::get::<Person>(store, &table::person(tenant, person)).await.map_err(broken)?;
        let which =
            table::get::<Device>(store, &table::device(tenant, person, device)).await.map_err(broken)?;
        let who = who.filter(|read| !read.record.shut_out(self.world.now()));
        let which = which.filter(|read| read.record.state != DeviceState::Retired);
        Ok(who.zip(which))
    }

    async fn links_of(&self, wanted: &DeviceId) -> Result<Vec<Stored<Grant>>, StoreError> {
        let all = table::list::<Grant>(&**self.ledger.store(), &table::all::<Grant>()).await?;
        let of_device = |read: &Stored<Grant>| {
            let Allows::Issue { device, .. } = &read.record.allows;
            let link = read.record.secret.as_ref().is_some_and(|secret| secret.way == GrantWay::Link);
            link && device == wanted
        };
        Ok(all.into_iter().filter(of_device).collect())
    }

    fn entry(&self, event: Event, grant: &Grant, brought: &Brought<'_>) -> Entry {
        let Allows::Issue { tenant, person, device, .. } = &grant.allows;
        Entry::new("gate", event)
            .tenant(tenant)
            .whom(format!("device:{device}"))
            .detail("person", person.as_str())
            .whence(brought.from)
    }

    /// The store knows the link by this, and cannot make the link from it.
    fn id_of(&self, secret: &Secret) -> GrantId {
        let mac = self.pepper.mac("delivery-link", &[secret.expose().trim().to_ascii_lowercase().as_bytes()]);
        let mut bits = [0; 16];
        bits.copy_from_slice(&mac[..16]);
        GrantId::from_bits(bits)
    }

    fn mac(&self, tenant: &TenantId, id: &GrantId, password: &Secret) -> [u8; 32] {
        let parts = [tenant.as_str().as_bytes(), id.as_str().as_bytes(), password.expose().as_bytes()];
        self.pepper.mac("delivery-password", &parts)
    }
}

fn broken(error: StoreError) -> NotHanded {
    NotIssued::from(RecordError::from(error)).into()
}

/// Of 99 random bits nobody guesses five; somebody who misheard a letter gets there (design 6).
const WRONG_MAX: u8 = 5;
