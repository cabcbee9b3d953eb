//! The maps of the view: records by key, with the indexes that the hot path needs, read without
//! locks. One writer only. Knows nothing of watches and revisions.

use std::hash::Hash;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use papaya::{Equivalent, HashSet};

use super::{Change, Key, Record, StoreError, table};
use crate::domain::certificate::{Certificate, Issuer, Serial};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::phone::Phone;
use crate::domain::route::{Route, RouteSet, Rules};
use crate::domain::session::{Session, TokenHash};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, TenantId};

/// By keys that we or the operator chose: nobody outside can have many of them fall in one place.
type HashMap<K, V> = papaya::HashMap<K, V, RandomState>;

/// Everything the view holds.
#[derive(Default)]
pub(super) struct Records {
    tenants: HashMap<TenantId, Arc<Tenant>>,
    hosts: HashMap<String, TenantId>,
    persons: HashMap<(TenantId, PersonId), Arc<Person>>,
    devices: HashMap<(TenantId, PersonId, DeviceId), Arc<Device>>,
    certificates: HashMap<Serial, Arc<Certificate>>,
    /// Serials by device: they only grow, and whose record is gone is passed over.
    of_device: HashMap<(TenantId, DeviceId), Arc<HashSet<Serial>>>,
    sessions: HashMap<TokenHash, Arc<Session>>,
    issuers: ArcSwap<Vec<Arc<Issuer>>>,
    routes: HashMap<TenantId, Arc<RouteSet>>,
    rules: HashMap<TenantId, Arc<Rules>>,
    phones: HashMap<(TenantId, PersonId), Arc<Vec<Arc<Phone>>>>,
}

impl Records {
    pub(super) fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.tenants.pin().get(id).cloned()
    }

    pub(super) fn tenant_by_host(&self, host: &str) -> Option<Arc<Tenant>> {
        self.tenant(self.hosts.pin().get(host)?)
    }

    pub(super) fn tenants(&self) -> Vec<Arc<Tenant>> {
        let mut tenants: Vec<_> = self.tenants.pin().values().cloned().collect();
        tenants.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        tenants
    }

    pub(super) fn person(&self, tenant: &TenantId, id: &PersonId) -> Option<Arc<Person>> {
        self.persons.pin().get(&OfPerson(tenant, id)).cloned()
    }

    pub(super) fn persons(&self, tenant: &TenantId) -> Vec<Arc<Person>> {
        self.persons.pin().values().filter(|person| person.tenant == *tenant).cloned().collect()
    }

    pub(super) fn device(&self, tenant: &TenantId, person: &PersonId, id: &DeviceId) -> Option<Arc<Device>> {
        self.devices.pin().get(&OfDevice(tenant, person, id)).cloned()
    }

    pub(super) fn certificate(&self, serial: &str) -> Option<Arc<Certificate>> {
        self.certificates.pin().get(serial).cloned()
    }

    pub(super) fn certificates(&self) -> Vec<Arc<Certificate>> {
        self.certificates.pin().values().cloned().collect()
    }

    pub(super) fn certificates_of(&self, tenant: &TenantId, device: &DeviceId) -> Vec<Arc<Certificate>> {
        let Some(serials) = self.of_device.pin().get(&(tenant.clone(), device.clone())).cloned() else {
            return Vec::new();
        };
        let certificates =
            serials.pin().iter().filter_map(|serial| self.certificate(serial)).collect::<Vec<_>>();
        certificates.into_iter().filter(|one| one.tenant == *tenant && one.device == *device).collect()
    }

    pub(super) fn certificate_where(&self, fits: impl Fn(&Certificate) -> bool) -> Option<Arc<Certificate>> {
        self.certificates.pin().values().find(|one| fits(one)).cloned()
    }

    pub(super) fn session(&self, token: &TokenHash) -> Option<Arc<Session>> {
        self.sessions.pin().get(token).cloned()
    }

    pub(super) fn issuers(&self) -> Arc<Vec<Arc<Issuer>>> {
        self.issuers.load_full()
    }

    pub(super) fn routes(&self, tenant: &TenantId) -> Arc<RouteSet> {
        self.routes.pin().get(tenant).cloned().unwrap_or_default()
    }

    pub(super) fn rules(&self, tenant: &TenantId) -> Option<Arc<Rules>> {
        self.rules.pin().get(tenant).cloned()
    }

    pub(super) fn phones(&self, tenant: &TenantId, person: &PersonId) -> Vec<Arc<Phone>> {
        self.phones.pin().get(&OfPerson(tenant, person)).map(|phones| phones.to_vec()).unwrap_or_default()
    }

    /// Takes over one change. A record that cannot be read, or that lies under another's key,
    /// leaves nothing behind: whoever asks for it finds none.
    pub(super) fn apply(&self, change: &Change) -> Result<(), StoreError> {
        match change.key.table() {
            Tenant::TABLE => self.apply_tenant(change),
            Person::TABLE => {
                into(&self.persons, change, |p: &Person| (p.tenant.clone(), p.id.clone()), of_person)
            }
            Device::TABLE => into(
                &self.devices,
                change,
                |d: &Device| (d.tenant.clone(), d.person.clone(), d.id.clone()),
                of_device,
            ),
            Certificate::TABLE => self.apply_certificate(change),
            Session::TABLE => into(&self.sessions, change, |s: &Session| s.token, of_session),
            Rules::TABLE => into(&self.rules, change, |r: &Rules| r.tenant.clone(), of_tenant),
            Issuer::TABLE => self.apply_issuer(change),
            Route::TABLE => self.apply_route(change),
            Phone::TABLE => self.apply_phone(change),
            _ => Ok(()),
        }
    }

    fn apply_tenant(&self, change: &Change) -> Result<(), StoreError> {
        let id = of_tenant(&change.key).ok_or_else(|| foreign(&change.key))?;
        let new = read::<Tenant>(change);
        let hosts = self.hosts.pin();
        let kept = new.as_ref().ok().and_then(Option::as_ref).map(|tenant| tenant.hosts.as_slice());
        if let Some(old) = self.tenant(&id) {
            for host in &old.hosts {
                if !kept.unwrap_or_default().contains(host) && hosts.get(host) == Some(&id) {
                    hosts.remove(host);
                }
            }
        }
        match new {
            Ok(Some(tenant)) => {
                self.tenants.pin().insert(id.clone(), Arc::clone(&tenant));
                for host in &tenant.hosts {
                    hosts.insert(host.clone(), id.clone());
                }
                Ok(())
            }
            Ok(None) => {
                self.tenants.pin().remove(&id);
                Ok(())
            }
            Err(error) => {
                self.tenants.pin().remove(&id);
                Err(error)
            }
        }
    }

    fn apply_certificate(&self, change: &Change) -> Result<(), StoreError> {
        let of_key = |key: &Key| one_part(key).map(str::to_owned);
        into(&self.certificates, change, |c: &Certificate| c.serial.clone(), of_key)?;
        if let Some(new) = one_part(&change.key).and_then(|serial| self.certificate(serial)) {
            let of = (new.tenant.clone(), new.device.clone());
            self.of_device.pin().get_or_insert_with(of, Arc::default).pin().insert(new.serial.clone());
        }
        Ok(())
    }

    fn apply_issuer(&self, change: &Change) -> Result<(), StoreError> {
        let new = read::<Issuer>(change);
        let mut issuers = self.issuers.load().to_vec();
        replace(&mut issuers, change, &new);
        issuers.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        self.issuers.store(Arc::new(issuers));
        new.map(drop)
    }

    fn apply_route(&self, change: &Change) -> Result<(), StoreError> {
        let tenant = first_part(&change.key, TenantId::parse)?;
        let new = read::<Route>(change);
        let mut routes = self.routes(&tenant).to_vec();
        replace(&mut routes, change, &new);
        routes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if routes.is_empty() {
            self.routes.pin().remove(&tenant);
        } else {
            self.routes.pin().insert(tenant, Arc::new(RouteSet::of(routes)));
        }
        new.map(drop)
    }

    fn apply_phone(&self, change: &Change) -> Result<(), StoreError> {
        let parts = change.key.parts();
        let owner = parts.as_deref().and_then(|parts| match parts {
            [tenant, person, _] => Some((TenantId::parse(tenant).ok()?, PersonId::parse(person).ok()?)),
            _ => None,
        });
        let owner = owner.ok_or_else(|| foreign(&change.key))?;
        let new = read::<Phone>(change);
        let mut phones = self.phones(&owner.0, &owner.1);
        replace(&mut phones, change, &new);
        phones.sort_unstable_by(|a, b| (a.paired, &a.id).cmp(&(b.paired, &b.id)));
        put_list(&self.phones, owner, phones);
        new.map(drop)
    }
}

/// The record of a change, `None` for a deletion; it must lie where its own key says.
fn read<R: Record>(change: &Change) -> Result<Option<Arc<R>>, StoreError> {
    let Some(item) = &change.item else { return Ok(None) };
    let record: R = table::decode(&change.key, &item.value)?;
    if record.key() == change.key { Ok(Some(Arc::new(record))) } else { Err(foreign(&change.key)) }
}

fn into<K: Hash + Eq, R: Record>(
    map: &HashMap<K, Arc<R>>,
    change: &Change,
    key_of_record: impl Fn(&R) -> K,
    key_of_key: impl Fn(&Key) -> Option<K>,
) -> Result<(), StoreError> {
    match read::<R>(change) {
        Ok(Some(record)) => {
            map.pin().insert(key_of_record(&record), record);
            Ok(())
        }
        gone => {
            let key = key_of_key(&change.key).ok_or_else(|| foreign(&change.key))?;
            map.pin().remove(&key);
            gone.map(drop)
        }
    }
}

fn replace<R: Record>(list: &mut Vec<Arc<R>>, change: &Change, new: &Result<Option<Arc<R>>, StoreError>) {
    list.retain(|old| old.key() != change.key);
    if let Ok(Some(record)) = new {
        list.push(Arc::clone(record));
    }
}

fn put_list<K: Hash + Eq, R>(map: &HashMap<K, Arc<Vec<Arc<R>>>>, key: K, list: Vec<Arc<R>>) {
    if list.is_empty() {
        map.pin().remove(&key);
    } else {
        map.pin().insert(key, Arc::new(list));
    }
}

fn foreign(key: &Key) -> StoreError {
    StoreError::Unreadable { key: format!("{key:?}"), why: "another record's key".to_owned() }
}

fn one_part(key: &Key) -> Option<&str> {
    match key.parts()?.as_slice() {
        [part] => Some(*part),
        _ => None,
    }
}

fn first_part<T, E>(key: &Key, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, StoreError> {
    let parts = key.parts().unwrap_or_default();
    parts.first().and_then(|part| parse(part).ok()).ok_or_else(|| foreign(key))
}

fn of_tenant(key: &Key) -> Option<TenantId> {
    TenantId::parse(one_part(key)?).ok()
}

fn of_person(key: &Key) -> Option<(TenantId, PersonId)> {
    match key.parts()?.as_slice() {
        [tenant, person] => Some((TenantId::parse(tenant).ok()?, PersonId::parse(person).ok()?)),
        _ => None,
    }
}

fn of_device(key: &Key) -> Option<(TenantId, PersonId, DeviceId)> {
    match key.parts()?.as_slice() {
        [tenant, person, device] => Some((
            TenantId::parse(tenant).ok()?,
            PersonId::parse(person).ok()?,
            DeviceId::parse(device).ok()?,
        )),
        _ => None,
    }
}

fn of_session(key: &Key) -> Option<TokenHash> {
    data_encoding::HEXLOWER.decode(one_part(key)?.as_bytes()).ok()?.try_into().ok()
}

/// Looks a person's things up without making a key of its own.
#[derive(Hash)]
struct OfPerson<'a>(&'a TenantId, &'a PersonId);

impl Equivalent<(TenantId, PersonId)> for OfPerson<'_> {
    fn equivalent(&self, key: &(TenantId, PersonId)) -> bool {
        self.0 == &key.0 && self.1 == &key.1
    }
}

#[derive(Hash)]
struct OfDevice<'a>(&'a TenantId, &'a PersonId, &'a DeviceId);

impl Equivalent<(TenantId, PersonId, DeviceId)> for OfDevice<'_> {
    fn equivalent(&self, key: &(TenantId, PersonId, DeviceId)) -> bool {
        self.0 == &key.0 && self.1 == &key.1 && self.2 == &key.2
    }
}
