//! People: clients of a tenant and the staff who run the gate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{PersonId, PhoneId, TenantId, Time};

/// Someone who may own devices. Staff are persons of the tenant `staff`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Whose client, or `staff`.
    pub tenant: TenantId,
    /// Identifier within the tenant.
    pub id: PersonId,
    /// As people write it: "Anna Muster".
    pub name: String,
    /// Every e-mail address; notices go to all of them.
    pub emails: Vec<String>,
    /// The recorded telephone number (E.164) that support rings back.
    pub telephone: Option<String>,
    /// Whether this person may come in at all.
    pub standing: Standing,
    /// Groups that rules name as `group:NAME`.
    pub groups: BTreeSet<String>,
    /// What a member of staff may do; empty for clients.
    pub roles: BTreeSet<Role>,
    /// When the record was made.
    pub created: Time,
}

/// Whether a person may come in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Recorded; has not finished a first visit.
    Invited,
    /// Has.
    Active,
    /// Kept out until the desk, or the time, says otherwise.
    Locked {
        /// `None`: until the desk unlocks.
        until: Option<Time>,
        /// For the desk, not for the person.
        why: String,
    },
    /// "Not me" was said on the phone: kept out until the desk has spoken with the person.
    Frozen(Box<Frozen>),
    /// Gone for good.
    Closed,
}

/// What the phone said "not me" to, for the desk that rings the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// When it was said.
    pub at: Time,
    /// On which phone.
    pub phone: PhoneId,
    /// When the phone had been asked.
    pub asked: Time,
    /// The device that asked, as the phone showed it: "laptop".
    pub device: String,
    /// "Chrome on Linux".
    pub browser: String,
    /// Network address it came from.
    pub address: String,
    /// Rough place of that address; empty where none is known.
    #[serde(default)]
    pub place: String,
}

/// What a member of staff may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, and to name other owners.
    Owner,
    /// Issues, renews and revokes certificates; keeps tenants, routes and policies.
    Operator,
    /// Verifies codes on the telephone; unlocks.
    Support,
    /// Reads and verifies the audit trail.
    Auditor,
}

impl Role {
    /// All roles, in order of what they may do.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Operator, Self::Support, Self::Auditor];

    /// As rules and the command line write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Operator => "operator",
            Self::Support => "support",
            Self::Auditor => "auditor",
        }
    }

    /// Reads what [`Role::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl Person {
    /// Whether the person is kept out at `now`.
    #[must_use]
    pub fn shut_out(&self, now: Time) -> bool {
        match &self.standing {
            Standing::Invited | Standing::Active => false,
            Standing::Locked { until: Some(until), .. } => now < *until,
            Standing::Locked { until: None, .. } | Standing::Frozen(_) | Standing::Closed => true,
        }
    }

    /// What "not me" was said to, where that keeps the person out.
    #[must_use]
    pub const fn frozen(&self) -> Option<&Frozen> {
        match &self.standing {
            Standing::Frozen(frozen) => Some(frozen),
            _ => None,
        }
    }
}
