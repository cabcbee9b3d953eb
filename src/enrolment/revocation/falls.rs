//! What falls with a revocation, read from the store, and the writes that make it fall. Decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::Scope;
use crate::ca::chain;
use crate::domain::certificate::{Certificate, CertificateState, RevocationReason, Serial};
use crate::domain::device::{Device, DeviceState};
use crate::domain::grant::{Allows, Grant};
use crate::domain::person::Person;
use crate::domain::session::Session;
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, TenantId, Time};
use crate::notify::{self, About};
use crate::store::table::{self, Record, Stored};
use crate::store::{Store, StoreError, Write};
use crate::world::World;

/// What falls, device by device.
#[derive(Clone, Debug, Default)]
pub struct Falls {
    /// Each device that anything falls of.
    pub devices: Vec<OfDevice>,
    /// Certificates of the scope that were revoked before: their date and reason stay.
    pub already: usize,
}

/// What falls of one device.
#[derive(Clone, Debug)]
pub struct OfDevice {
    /// Whose client.
    pub tenant: TenantId,
    /// Whose device.
    pub person: PersonId,
    /// Which.
    pub id: DeviceId,
    /// Its owner's name; empty where the record is gone.
    pub owner: String,
    /// As its owner calls it; empty where the record is gone.
    pub name: String,
    /// The device itself, where all of it falls and it is not retired yet.
    pub device: Option<Stored<Device>>,
    /// Certificates that are not revoked yet.
    pub certificates: Vec<Stored<Certificate>>,
    /// Sessions.
    pub sessions: Vec<Stored<Session>>,
    /// Grants by which the device could still be given a certificate.
    pub grants: Vec<Stored<Grant>>,
    told: Option<(Tenant, Person)>,
}

impl Falls {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Whether all certificates, devices and grants of it have fallen.
    #[must_use]
    pub fn only_sessions(&self) -> bool {
        let rest = |device: &OfDevice| device.certificates.len() + device.grants.len();
        self.devices.iter().all(|device| rest(device) == 0 && device.device.is_none())
    }

    /// How many certificates.
    #[must_use]
    pub fn certificates(&self) -> usize {
        self.devices.iter().map(|device| device.certificates.len()).sum()
    }

    /// How many sessions, those that have not reached their end by themselves.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.devices.iter().map(|device| device.sessions.len()).sum()
    }

    /// How many devices are retired.
    #[must_use]
    pub fn retired(&self) -> usize {
        self.devices.iter().filter(|device| device.device.is_some()).count()
    }

    /// How many people are touched.
    #[must_use]
    pub fn people(&self) -> usize {
        self.devices.iter().map(|device| (&device.tenant, &device.person)).collect::<BTreeSet<_>>().len()
    }

    pub(super) fn serials(&self) -> BTreeSet<Serial> {
        self.devices.iter().flat_map(OfDevice::serials).collect()
    }

    /// Reads from the store and not from the view: what falls is changed under the revision it was read at.
    pub(super) async fn read(store: &dyn Store, scope: &Scope, now: Time) -> Result<Self, StoreError> {
        let mut devices: BTreeMap<Whose, OfDevice> = BTreeMap::new();
        let (mut already, mut serials) = (0, BTreeSet::new());
        for read in certificates(store, scope).await? {
            serials.insert(read.record.serial.clone());
            let whose = (read.record.tenant.clone(), read.record.person.clone(), read.record.device.clone());
            if matches!(read.record.state, CertificateState::Revoked { .. }) {
                already += 1;
            } else {
                of(&mut devices, whose).certificates.push(read);
            }
        }
        if let Some(prefix) = scope.devices() {
            for read in table::list::<Device>(store, &prefix).await? {
                let one = &read.record;
                let whose = (one.tenant.clone(), one.person.clone(), one.id.clone());
                if one.state != DeviceState::Retired && scope.holds(&whose) {
                    of(&mut devices, whose).device = Some(read);
                }
            }
            for read in table::list::<Grant>(store, &table::all::<Grant>()).await? {
                let Allows::Issue { tenant, person, device, .. } = &read.record.allows;
                let whose = (tenant.clone(), person.clone(), device.clone());
                if scope.holds(&whose) {
                    of(&mut devices, whose).grants.push(read);
                }
            }
        }
        for read in table::list::<Session>(store, &table::all::<Session>()).await? {
            let one = &read.record;
            let whose = (one.tenant.clone(), one.person.clone(), one.device.clone());
            if (scope.holds(&whose) || serials.contains(&one.serial)) && now < one.absolute_end {
                of(&mut devices, whose).sessions.push(read);
            }
        }
        let mut falls = Self { devices: devices.into_values().collect(), already };
        falls.name(store).await?;
        Ok(falls)
    }

    /// Names people and devices, and finds who is to be told.
    async fn name(&mut self, store: &dyn Store) -> Result<(), StoreError> {
        let mut tenants: BTreeMap<TenantId, Option<Tenant>> = BTreeMap::new();
        for device in &mut self.devices {
            if !tenants.contains_key(&device.tenant) {
                let read = table::get::<Tenant>(store, &table::tenant(&device.tenant)).await?;
                tenants.insert(device.tenant.clone(), read.map(|read| read.record));
            }
            let tenant = tenants.get(&device.tenant).cloned().flatten();
            let person = table::get::<Person>(store, &table::person(&device.tenant, &device.person)).await?;
            device.owner = person.as_ref().map(|read| read.record.name.clone()).unwrap_or_default();
            device.told = tenant.zip(person.map(|read| read.record));
            let key = table::device(&device.tenant, &device.person, &device.id);
            device.name = match &device.device {
                Some(read) => read.record.name.clone(),
                None => {
                    table::get::<Device>(store, &key).await?.map(|read| read.record.name).unwrap_or_default()
                }
            };
        }
        Ok(())
    }
}

impl OfDevice {
    pub(super) fn serials(&self) -> impl Iterator<Item = Serial> {
        self.certificates.iter().map(|read| read.record.serial.clone())
    }

    /// Everything but its sessions: certificates and device under the revision they were read at, its open
    /// grants, and the message to its owner.
    pub(super) fn writes(&self, world: &World, reason: RevocationReason, at: Time) -> Vec<Write> {
        let mut writes: Vec<Write> = self
            .certificates
            .iter()
            .map(|read| {
                let state = CertificateState::Revoked { reason, at };
                table::replace(read, &Certificate { state, ..read.record.clone() })
            })
            .collect();
        writes.extend(self.device.iter().map(|read| {
            table::replace(read, &Device { state: DeviceState::Retired, ..read.record.clone() })
        }));
        // Whether it was used meanwhile or not: nothing more comes of it.
        writes.extend(self.grants.iter().map(|read| table::delete(read.record.key())));
        if let (Some((tenant, person)), false) = (&self.told, self.certificates.is_empty()) {
            let about = About::CertificateRevoked { device: self.name.clone() };
            writes.extend(notify::queue(world, tenant, person, about));
        }
        writes
    }

    /// Without a condition: a session that ends or steps at this moment must not hold up what is revoked. The
    /// one it stepped to is bound to the same certificate, and found when we look again.
    pub(super) fn session_writes(&self) -> Vec<Write> {
        self.sessions.iter().map(|read| table::delete(read.record.key())).collect()
    }
}

impl Scope {
    /// Whether all of this device falls.
    fn holds(&self, (tenant, person, device): &Whose) -> bool {
        match self {
            Self::Certificate(_) | Self::Key(_) => false,
            Self::Device(t, p, d) => t == tenant && p == person && d == device,
            Self::Person(t, p) => t == tenant && p == person,
            Self::Tenant(t) => t == tenant,
        }
    }

    /// Where the devices lie that fall whole.
    fn devices(&self) -> Option<table::Key> {
        match self {
            Self::Certificate(_) | Self::Key(_) => None,
            Self::Device(tenant, person, _) | Self::Person(tenant, person) => {
                Some(table::devices(tenant, person))
            }
            Self::Tenant(tenant) => Some(table::Key::of(Device::TABLE, &[tenant.as_str().as_bytes()])),
        }
    }
}

type Whose = (TenantId, PersonId, DeviceId);

async fn certificates(store: &dyn Store, scope: &Scope) -> Result<Vec<Stored<Certificate>>, StoreError> {
    let own = match scope {
        Scope::Certificate(serial) | Scope::Key(serial) => {
            table::get::<Certificate>(store, &table::certificate(serial)).await?
        }
        _ => None,
    };
    if let Scope::Certificate(_) = scope {
        return Ok(own.into_iter().collect());
    }
    let all = table::list::<Certificate>(store, &table::all::<Certificate>()).await?;
    let whose = |one: &Certificate| (one.tenant.clone(), one.person.clone(), one.device.clone());
    Ok(match &own {
        Some(own) => of_key(&own.record, all),
        None => all.into_iter().filter(|read| scope.holds(&whose(&read.record))).collect(),
    })
}

/// Those of the same key, and what a machine may have renewed itself to since: it proves no more than the key it
/// has, and may keep that key.
fn of_key(own: &Certificate, all: Vec<Stored<Certificate>>) -> Vec<Stored<Certificate>> {
    let point = chain::point(&own.der);
    let same = |one: &Certificate| {
        one.serial == own.serial || point.as_ref().is_some_and(|point| chain::holds(&one.der, point))
    };
    let on_device = |one: &Certificate| one.tenant == own.tenant && one.device == own.device;
    let machines = all.iter().map(|read| &read.record).filter(|one| one.by_machine() && same(one));
    let since = machines.map(|one| one.not_before).min();
    let renewed = |one: &Certificate| {
        one.by_machine() && on_device(one) && since.is_some_and(|since| since <= one.not_before)
    };
    all.into_iter().filter(|read| same(&read.record) || renewed(&read.record)).collect()
}

fn of(devices: &mut BTreeMap<Whose, OfDevice>, whose: Whose) -> &mut OfDevice {
    let (tenant, person, id) = whose.clone();
    devices.entry(whose).or_insert_with(|| OfDevice {
        tenant,
        person,
        id,
        owner: String::new(),
        name: String::new(),
        device: None,
        certificates: Vec::new(),
        sessions: Vec::new(),
        grants: Vec::new(),
        told: None,
    })
}
