//! What lets a phone be paired, and what becomes of the phones before it. Knows not who proved it.

use std::net::IpAddr;

use super::{PairingError, Pairings};
use crate::audit::{Entry, Event};
use crate::domain::phone::{Pairing, Phone};
use crate::domain::{PersonId, TenantId};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};

/// What lets a phone be paired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    /// The person has none.
    First,
    /// It takes the place of all there are: their keys end in the commit that makes it.
    Replaces {
        /// By what: "a recovery code", "our support".
        by: String,
        /// What else the trail is told.
        notes: Vec<(String, String)>,
    },
}

impl Ground {
    /// What the trail calls a pairing on this ground, once it is confirmed.
    pub(super) const fn event(&self) -> Event {
        match self {
            Self::First => Event::PairingConfirmed,
            Self::Replaces { .. } => Event::PhoneReplaced,
        }
    }

    /// What the trail is told of it.
    pub(super) fn noted(&self, mut entry: Entry, old: &[Stored<Phone>]) -> Entry {
        if let Self::Replaces { by, notes } = self {
            entry = entry.detail("by", by);
            for (name, value) in notes {
                entry = entry.detail(name, value);
            }
            for (n, phone) in old.iter().enumerate() {
                entry = entry.detail(format!("ended {}", n + 1), format!("phone:{}", phone.record.id));
            }
        }
        entry
    }
}

impl Pairings {
    /// The phones that end with a pairing on this ground.
    pub(super) async fn making_way(
        &self,
        ground: &Ground,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<Stored<Phone>>, PairingError> {
        let phones = self.phones(tenant, person).await?;
        match ground {
            Ground::First if phones.is_empty() => Ok(phones),
            Ground::First => Err(PairingError::HasPhone),
            Ground::Replaces { .. } => Ok(phones),
        }
    }

    /// The phones of a person.
    pub(super) async fn phones(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<Stored<Phone>>, StoreError> {
        table::list(self.ledger.store().as_ref(), &table::phones(tenant, person)).await
    }
}

/// What ends with a phone: its key, and the address at which it was woken.
pub(super) fn ending(phone: &Stored<Phone>) -> [Write; 2] {
    let one = &phone.record;
    [table::consume(phone), table::delete(table::subscription(&one.tenant, &one.person, &one.id))]
}

/// A line of the trail about a pairing.
pub(super) fn entry(event: Event, actor: &str, pairing: &Pairing, from: IpAddr) -> Entry {
    Entry::new(actor, event)
        .tenant(&pairing.tenant)
        .whom(format!("person:{}/{}", pairing.tenant, pairing.person))
        .whence(from)
        .detail("device", pairing.device.as_str())
}
