//! The view: what the hot path asks, in memory, typed, fed by one watch over the store. Knows
//! nothing of what a record means; it never writes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::lately::Lately;
use super::records::Records;
use super::{Batch, Change, Key, Revision, Store, StoreError, Watch, table};
use crate::domain::certificate::{Certificate, Issuer};
use crate::domain::device::Device;
use crate::domain::person::Person;
use crate::domain::phone::Phone;
use crate::domain::route::{RouteSet, Rules};
use crate::domain::session::{Session, TokenHash};
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, TenantId, Time};
use crate::world::World;

/// What the hot path asks, in memory. Dropping it ends its thread.
pub struct View {
    shared: Arc<Shared>,
    store: Arc<dyn Store>,
    world: World,
    _ends_with_it: DropGuard,
}

/// A record changed, appeared or went; the view holds the new state already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Which.
    pub key: Key,
    /// By which commit.
    pub revision: Revision,
}

impl View {
    /// Reads all that the view holds and follows the store from there, on a thread of its own.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Unreadable`] where a record cannot be read.
    pub async fn follow(store: Arc<dyn Store>, world: World) -> Result<Arc<Self>, StoreError> {
        // The trail may be longer than memory, and nobody asks for it here.
        let mut batches = store.watch(&Key::all_but(table::TRAIL)).await?;
        let first = batches.recv().await.ok_or(StoreError::Closed)?;
        let shared = Arc::new(Shared {
            records: Records::default(),
            revision: watch::Sender::new(0),
            touched: broadcast::Sender::new(TOUCHED_KEPT),
            lately: Lately::default(),
            ended: watch::Sender::new(None),
            unreadable: AtomicU64::new(0),
        });
        let mut unreadable = HashSet::new();
        if let Some(error) = shared.apply(first, &mut unreadable) {
            return Err(error);
        }
        // What it began with is no news.
        shared.lately.starts_at(*shared.revision.borrow());
        let stop = CancellationToken::new();
        let (following, stopped, clock) = (Arc::clone(&shared), stop.clone(), world.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(not_started)?;
        std::thread::Builder::new()
            .name("portcullis-view".to_owned())
            .spawn(move || {
                // Ends the view also where this thread panics: what nobody keeps fresh is stale.
                let _end = Ended { shared: &following, world: &clock };
                runtime.block_on(stopped.run_until_cancelled(following.follow(batches, unreadable)));
            })
            .map_err(not_started)?;
        Ok(Arc::new(Self { shared, store, world, _ends_with_it: stop.drop_guard() }))
    }

    /// A tenant.
    #[must_use]
    pub fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.shared.records.tenant(id)
    }

    /// The tenant whose door has this host name (lower case, no port).
    #[must_use]
    pub fn tenant_by_host(&self, host: &str) -> Option<Arc<Tenant>> {
        self.shared.records.tenant_by_host(host)
    }

    /// All tenants, by identifier.
    #[must_use]
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        self.shared.records.tenants()
    }

    /// A person.
    #[must_use]
    pub fn person(&self, tenant: &TenantId, id: &PersonId) -> Option<Arc<Person>> {
        self.shared.records.person(tenant, id)
    }

    /// All persons of a tenant, in no order.
    #[must_use]
    pub fn persons(&self, tenant: &TenantId) -> Vec<Arc<Person>> {
        self.shared.records.persons(tenant)
    }

    /// A device.
    #[must_use]
    pub fn device(&self, tenant: &TenantId, person: &PersonId, id: &DeviceId) -> Option<Arc<Device>> {
        self.shared.records.device(tenant, person, id)
    }

    /// A certificate, by its serial number.
    #[must_use]
    pub fn certificate(&self, serial: &str) -> Option<Arc<Certificate>> {
        self.shared.records.certificate(serial)
    }

    /// Every certificate ever issued, in no order.
    #[must_use]
    pub fn certificates(&self) -> Vec<Arc<Certificate>> {
        self.shared.records.certificates()
    }

    /// Every certificate of a device.
    #[must_use]
    pub fn certificates_of(&self, tenant: &TenantId, device: &DeviceId) -> Vec<Arc<Certificate>> {
        self.shared.records.certificates_of(tenant, device)
    }

    /// A certificate of which something holds, whosever it is: looks at each.
    #[must_use]
    pub fn certificate_where(&self, fits: impl Fn(&Certificate) -> bool) -> Option<Arc<Certificate>> {
        self.shared.records.certificate_where(fits)
    }

    /// A session, while it has not reached its absolute end.
    #[must_use]
    pub fn session(&self, token: &TokenHash) -> Option<Arc<Session>> {
        let now = self.world.now();
        self.shared.records.session(token).filter(|session| now < session.absolute_end)
    }

    /// As [`View::session`]; one that is not here is looked for once in the store, where another
    /// node may have put it a moment ago.
    ///
    /// # Errors
    /// The store's, and [`StoreError::Unreadable`].
    pub async fn session_or_read(&self, token: &TokenHash) -> Result<Option<Arc<Session>>, StoreError> {
        if let Some(session) = self.session(token) {
            return Ok(Some(session));
        }
        let read = table::get::<Session>(self.store.as_ref(), &table::session(token)).await?;
        Ok(read.map(|stored| Arc::new(stored.record)))
    }

    /// All issuing CA certificates, by identifier.
    #[must_use]
    pub fn issuers(&self) -> Arc<Vec<Arc<Issuer>>> {
        self.shared.records.issuers()
    }

    /// A tenant's routes, by name.
    #[must_use]
    pub fn routes(&self, tenant: &TenantId) -> Arc<RouteSet> {
        self.shared.records.routes(tenant)
    }

    /// A tenant's rules.
    #[must_use]
    pub fn rules(&self, tenant: &TenantId) -> Option<Arc<Rules>> {
        self.shared.records.rules(tenant)
    }

    /// A person's phones, the one paired first first.
    #[must_use]
    pub fn phones(&self, tenant: &TenantId, person: &PersonId) -> Vec<Arc<Phone>> {
        self.shared.records.phones(tenant, person)
    }

    /// The last commit that the view holds.
    #[must_use]
    pub fn revision(&self) -> Revision {
        *self.shared.revision.borrow()
    }

    /// Returns once the view holds the commit `revision`.
    ///
    /// # Errors
    /// [`StoreError::Closed`] where the view no longer follows and never will hold it.
    pub async fn reached(&self, revision: Revision) -> Result<(), StoreError> {
        let (mut reached, mut ended) = (self.shared.revision.subscribe(), self.shared.ended.subscribe());
        tokio::select! {
            biased;
            _ = reached.wait_for(|reached| *reached >= revision) => Ok(()),
            _ = ended.wait_for(Option::is_some) => Err(StoreError::Closed),
        }
    }

    /// Whether the view no longer follows: the store has closed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.shared.ended.borrow().is_some()
    }

    /// Returns once it has.
    pub async fn ended(&self) {
        // The sender lives as long as the view.
        drop(self.shared.ended.subscribe().wait_for(Option::is_some).await);
    }

    /// How long ago the view was last known to be what the store holds. Zero while it follows:
    /// the embedded engine tells of each commit before the commit returns. Without end while it
    /// holds a record that it cannot read.
    #[must_use]
    pub fn age(&self, now: Time) -> Duration {
        if self.unreadable() > 0 {
            return Duration::MAX;
        }
        match *self.shared.ended.borrow() {
            // Not zero in the very millisecond it ended: the view is stale from then on.
            Some(ended) => now.since(ended).max(Duration::from_millis(1)),
            None => Duration::ZERO,
        }
    }

    /// How many records the view was told of and could not read. While there is one, the view
    /// is stale and nothing may be decided by it.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.shared.unreadable.load(Ordering::Acquire)
    }

    /// Hears of every change from now on, but those of the trail. Who falls behind is told so
    /// (`Lagged`) and reads anew.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Touched> {
        self.shared.touched.subscribe()
    }

    /// Every change after the commit `seen` that the view has heard of, but those of the trail; `None` where
    /// that is too long ago to know. Who subscribes first and asks then misses nothing.
    #[must_use]
    pub fn touched_after(&self, seen: Revision) -> Option<Vec<Touched>> {
        self.shared.lately.after(seen)
    }
}

struct Shared {
    records: Records,
    revision: watch::Sender<Revision>,
    touched: broadcast::Sender<Touched>,
    lately: Lately,
    ended: watch::Sender<Option<Time>>,
    unreadable: AtomicU64,
}

impl Shared {
    async fn follow(&self, mut batches: Watch, mut unreadable: HashSet<Key>) {
        while let Some(batch) = batches.recv().await {
            if let Some(error) = self.apply(batch, &mut unreadable) {
                tracing::error!(%error, "the view is stale: nothing is decided until the record is repaired");
            }
        }
        // So it ends at every orderly stop; a node that goes on is told stale by its age.
        tracing::debug!("the store is closed: the view grows stale");
    }

    /// Takes over one commit: first the records, then which were touched, the revision, and the word to listeners.
    /// Returns the first record that cannot be read; the others are taken over all the same.
    fn apply(&self, batch: Batch, unreadable: &mut HashSet<Key>) -> Option<StoreError> {
        let mut first_error = None;
        for change in &batch.changes {
            match self.records.apply(change) {
                Ok(()) => {
                    unreadable.remove(&change.key);
                }
                Err(error) => {
                    unreadable.insert(change.key.clone());
                    first_error.get_or_insert(error);
                }
            }
        }
        self.unreadable.store(unreadable.len() as u64, Ordering::Release);
        let touched = |change: Change| Touched { key: change.key, revision: change.revision };
        let all: Vec<Touched> = batch.changes.into_iter().map(touched).collect();
        // Kept first: who begins to listen between the two finds it there, and so does who waited for the revision.
        all.iter().cloned().for_each(|touched| self.lately.push(touched));
        self.revision.send_replace(batch.revision);
        for touched in all {
            // Nobody may be listening.
            drop(self.touched.send(touched));
        }
        first_error
    }
}

struct Ended<'a> {
    shared: &'a Shared,
    world: &'a World,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.shared.ended.send_replace(Some(self.world.now()));
    }
}

fn not_started(error: std::io::Error) -> StoreError {
    StoreError::Engine { attempted: "started its view", source: Arc::new(error) }
}

/// Changes kept for a listener that is slow; a page that lags more reads anew.
const TOUCHED_KEPT: usize = 4096;
