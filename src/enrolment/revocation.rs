//! Certificates switched off for good: one, all of a device, of a person, of a tenant. What would fall is one
//! value, which the dry run shows and the commit takes. Knows no page and no command, and not who may.
//!
//! A certificate's own record decides at every request ([`crate::auth::certificate`]), so it is written first;
//! what hangs on it, sessions and open grants, falls in the same commit and is looked for again afterwards.

mod falls;

use std::sync::Arc;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::ca::crl::kept::List;
use crate::domain::certificate::{RevocationReason, Serial};
use crate::domain::{DeviceId, PersonId, TenantId, Time};
use crate::store::{StoreError, Write};
use crate::world::World;

pub use falls::{Falls, OfDevice};

/// Revokes.
pub struct Revocation {
    ledger: Arc<Ledger>,
    world: World,
}

/// How much falls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One certificate; its device goes on with its others.
    Certificate(Serial),
    /// The same where its key is in other hands: with all that have that key, and what a machine renewed by it.
    Key(Serial),
    /// A device with all its certificates.
    Device(TenantId, PersonId, DeviceId),
    /// Every device of a person. The person may be given a new one.
    Person(TenantId, PersonId),
    /// Every device of a tenant.
    Tenant(TenantId),
}

impl Scope {
    /// The one certificate, or its key, as the reason has it.
    #[must_use]
    pub fn of_certificate(serial: Serial, reason: RevocationReason) -> Self {
        match reason {
            RevocationReason::KeyCompromise => Self::Key(serial),
            _ => Self::Certificate(serial),
        }
    }
}

/// Whose word it is, and why.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// What falls.
    pub scope: &'a Scope,
    /// Why, in the words of RFC 5280 5.3.1.
    pub reason: RevocationReason,
    /// Who asks (an actor as in the audit trail).
    pub by: &'a str,
    /// Where from: a network address, or nothing.
    pub whence: &'a str,
}

/// What fell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Serial numbers revoked by this order, in order of their commits.
    pub revoked: Vec<Serial>,
    /// Devices retired.
    pub devices: usize,
    /// Sessions ended.
    pub sessions: usize,
    /// Open grants taken back.
    pub grants: usize,
    /// In how many commits.
    pub commits: usize,
    /// How many of `revoked` were issued while the order ran, and were caught.
    pub caught: usize,
}

/// Why not all fell. What is in `done` fell for good; the same order again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// The store failed on the way.
    #[error("{} were revoked, then the store failed: {error}", .done.revoked.len())]
    Store {
        /// What fell before.
        done: Done,
        /// Why it stopped.
        #[source]
        error: StoreError,
    },
    /// Others kept changing and issuing faster than this could follow.
    #[error("{} were revoked, and {left} more stood there at the end: others keep changing them", .done.revoked.len())]
    Outrun {
        /// What fell.
        done: Done,
        /// What still stands.
        left: usize,
    },
}

impl Revocation {
    /// Over the ledger.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, world: World) -> Self {
        Self { ledger, world }
    }

    /// What would fall now; changes nothing. Empty where all of it has fallen, and where there never was any.
    ///
    /// # Errors
    /// The store's.
    pub async fn falls(&self, scope: &Scope) -> Result<Falls, StoreError> {
        Falls::read(&**self.ledger.store(), scope, self.world.now()).await
    }

    /// Revokes all of the scope that is not revoked yet: those keep their date and reason. Looks again until
    /// nothing is left, so that what others issue meanwhile is caught. Safe to repeat.
    ///
    /// # Errors
    /// [`Unfinished`]; then it says what fell.
    pub async fn revoke(&self, order: Order<'_>) -> Result<Done, Unfinished> {
        self.revoke_since(order, None).await
    }

    /// Revokes what a list of ours tells and the store does not know: then the store is older than the list. Each
    /// keeps the date and the reason of the list. Returns those that had not stayed revoked.
    ///
    /// # Errors
    /// [`Unfinished`], of the one at which it stopped.
    pub async fn heed(&self, list: &List, by: &str) -> Result<Vec<Serial>, Unfinished> {
        let mut revoked = Vec::new();
        for one in &list.told {
            let now = self.world.now();
            let known = self.ledger.view().certificate(&one.serial);
            if known.is_some_and(|known| known.issuer == list.issuer && known.state.counts(now)) {
                let scope = Scope::Certificate(one.serial.clone());
                let order = Order { scope: &scope, reason: one.reason, by, whence: "" };
                revoked.extend(self.revoke_since(order, Some(one.at.min(now))).await?.revoked);
            }
        }
        Ok(revoked)
    }

    async fn revoke_since(&self, order: Order<'_>, since: Option<Time>) -> Result<Done, Unfinished> {
        let (mut done, mut first, mut sweeps) = (Done::default(), None, 0);
        for _ in 0..PASSES_MAX {
            let falls = match self.falls(order.scope).await {
                Ok(falls) => falls,
                Err(error) => return Err(Unfinished::Store { done, error }),
            };
            // Sessions of dead certificates are dead. Who begins them faster than we end them holds nothing up.
            sweeps += usize::from(falls.only_sessions());
            if falls.is_empty() || sweeps > SWEEPS_MAX {
                return Ok(done);
            }
            let known = first.get_or_insert_with(|| falls.serials());
            match self.commit(&falls, order, since, &mut done).await {
                // What was not there at the first look came while we were at it.
                Ok(()) => done.caught = done.revoked.iter().filter(|serial| !known.contains(*serial)).count(),
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(Unfinished::Store { done, error }),
            }
        }
        match self.falls(order.scope).await {
            Ok(left) if left.only_sessions() => Ok(done),
            Ok(left) => Err(Unfinished::Outrun { left: left.certificates(), done }),
            Err(error) => Err(Unfinished::Store { done, error }),
        }
    }

    /// Device by device, in bounded commits: each device falls whole or stands whole.
    async fn commit(
        &self,
        falls: &Falls,
        order: Order<'_>,
        since: Option<Time>,
        done: &mut Done,
    ) -> Result<(), RecordError> {
        let at = since.unwrap_or_else(|| self.world.now());
        let (mut batch, mut writes, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for device in &falls.devices {
            let mut of_device = device.writes(&self.world, order.reason, at);
            // More sessions than fit beside: the certificate is dead without them, so they may go later.
            let mut sessions = device.session_writes();
            late.extend(sessions.split_off(sessions.len().min(WRITES_MAX.saturating_sub(of_device.len()))));
            let beside = sessions.len();
            of_device.extend(sessions);
            if writes.len() + of_device.len() > WRITES_MAX && !batch.is_empty() {
                self.put(order, at, &batch, std::mem::take(&mut writes), done).await?;
                batch.clear();
                tracing::info!(revoked = done.revoked.len(), of = falls.certificates(), "revoking goes on");
            }
            writes.extend(of_device);
            batch.push((device, beside));
        }
        if !batch.is_empty() {
            self.put(order, at, &batch, writes, done).await?;
        }
        while !late.is_empty() {
            let rest = late.split_off(late.len().min(WRITES_MAX));
            let entry = self.entry(order, Event::SessionEnded).detail("why", "its certificate was revoked");
            let ended = late.len();
            self.ledger.record(entry.detail("sessions", ended.to_string()), late).await?;
            done.sessions += ended;
            done.commits += 1;
            late = rest;
        }
        Ok(())
    }

    async fn put(
        &self,
        order: Order<'_>,
        at: Time,
        batch: &[(&OfDevice, usize)],
        writes: Vec<Write>,
        done: &mut Done,
    ) -> Result<(), RecordError> {
        let serials: Vec<Serial> = batch.iter().flat_map(|(device, _)| device.serials()).collect();
        let retired = batch.iter().filter(|(device, _)| device.device.is_some()).count();
        let sessions: usize = batch.iter().map(|(_, sessions)| sessions).sum();
        let event = match (serials.is_empty(), retired) {
            (false, _) => Event::CertificateRevoked,
            (true, 1..) => Event::DeviceRetired,
            (true, 0) => Event::SessionEnded,
        };
        let mut entry = self
            .entry(order, event)
            .detail("reason", order.reason.as_str())
            .detail("sessions", sessions.to_string())
            .detail("since", at.to_string());
        // A detail of the trail is one line to read, and cut where it is longer.
        for (number, some) in serials.chunks(SERIALS_A_DETAIL).enumerate() {
            let name = if number == 0 { "serials".to_owned() } else { format!("serials {}", number + 1) };
            entry = entry.detail(name, some.join(" "));
        }
        self.ledger.record(entry, writes).await?;
        done.revoked.extend(serials);
        done.devices += retired;
        done.sessions += sessions;
        done.grants += batch.iter().map(|(device, _)| device.grants.len()).sum::<usize>();
        done.commits += 1;
        Ok(())
    }

    fn entry(&self, order: Order<'_>, event: Event) -> Entry {
        let entry = Entry::new(order.by, event).whom(order.scope.to_string());
        let entry = if order.whence.is_empty() { entry } else { entry.whence(order.whence) };
        let tenant = match order.scope {
            Scope::Device(tenant, ..) | Scope::Person(tenant, _) | Scope::Tenant(tenant) => {
                Some(tenant.clone())
            }
            Scope::Certificate(serial) | Scope::Key(serial) => {
                self.ledger.view().certificate(serial).map(|certificate| certificate.tenant.clone())
            }
        };
        tenant.iter().fold(entry, Entry::tenant)
    }
}

/// As the trail names what an act was done to.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate(serial) | Self::Key(serial) => write!(f, "certificate:{serial}"),
            Self::Device(_, _, device) => write!(f, "device:{device}"),
            Self::Person(tenant, person) => write!(f, "person:{tenant}/{person}"),
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
        }
    }
}

/// A commit of so many writes is durable in milliseconds, and no other change waits longer than that for a
/// tenant of ten thousand.
const WRITES_MAX: usize = 400;

/// Serial numbers have at most 40 digits, details of the trail 512.
const SERIALS_A_DETAIL: usize = 12;

/// Each pass that meets somebody else's change has still committed all before it.
const PASSES_MAX: usize = 64;

/// Leftover sessions are looked for so often.
const SWEEPS_MAX: usize = 2;

#[cfg(test)]
mod tests;
