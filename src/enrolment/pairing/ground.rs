//! What lets a phone be paired, and what becomes of the phones before it. Knows not who proved it.

use std::net::IpAddr;

use super::{PairingError, Pairings};
use crate::audit::{Entry, Event};
use crate::domain::phone::{PHONES_MAX, Pairing, Phone};
use crate::domain::tenant::{SyncedPasskeys, Tenant};
use crate::domain::{ApprovalId, PersonId, PhoneId, TenantId};
use crate::store::StoreError;
use crate::store::table::{self, Stored};

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
    /// It comes beside those there are: a paired phone agreed.
    Another {
        /// To which question: good for one phone.
        approval: ApprovalId,
        /// The one whose place it takes, where it takes one's.
        replaces: Option<PhoneId>,
    },
}

impl Ground {
    /// What the trail calls a pairing on this ground, once it is confirmed.
    pub(super) const fn event(&self) -> Event {
        match self {
            Self::First | Self::Another { .. } => Event::PairingConfirmed,
            Self::Replaces { .. } => Event::PhoneReplaced,
        }
    }

    /// What the trail is told of it.
    pub(super) fn noted(&self, mut entry: Entry, old: &[Stored<Phone>]) -> Entry {
        match self {
            Self::First => {}
            Self::Replaces { by, notes } => {
                entry = entry.detail("by", by);
                for (name, value) in notes {
                    entry = entry.detail(name, value);
                }
            }
            Self::Another { approval, .. } => entry = entry.detail("approval", approval.as_str()),
        }
        for (n, phone) in old.iter().enumerate() {
            entry = entry.detail(format!("ended {}", n + 1), format!("phone:{}", phone.record.id));
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
            Ground::Another { approval, replaces } => {
                let by = agreed_by(approval);
                if phones.is_empty() || phones.iter().any(|it| it.record.released_by.as_ref() == Some(&by)) {
                    return Err(PairingError::Gone);
                }
                let old: Vec<_> =
                    phones.iter().filter(|it| Some(&it.record.id) == replaces.as_ref()).cloned().collect();
                if replaces.is_some() && old.is_empty() {
                    return Err(PairingError::Gone);
                }
                if phones.len() - old.len() >= PHONES_MAX {
                    return Err(PairingError::TooMany);
                }
                Ok(old)
            }
        }
    }

    /// Whether a key that may be copied to other devices is taken.
    pub(super) async fn takes_copied_keys(&self, id: &TenantId) -> Result<bool, StoreError> {
        let tenant = table::get::<Tenant>(self.ledger.store().as_ref(), &table::tenant(id)).await?;
        Ok(tenant.is_some_and(|it| it.record.synced_passkeys == SyncedPasskeys::Accept))
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

/// What a phone's record says of the approval that agreed to it.
#[must_use]
pub fn agreed_by(approval: &ApprovalId) -> String {
    format!("approval:{approval}")
}

/// A line of the trail about a pairing.
pub(super) fn entry(event: Event, actor: &str, pairing: &Pairing, from: IpAddr) -> Entry {
    Entry::new(actor, event)
        .tenant(&pairing.tenant)
        .whom(format!("person:{}/{}", pairing.tenant, pairing.person))
        .whence(from)
        .detail("device", pairing.device.as_str())
}
