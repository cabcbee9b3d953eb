//! Grants: a permission to do one thing once, with the evidence for it.

use serde::{Deserialize, Serialize};

use super::{DeviceId, GrantId, PersonId, TenantId, Time};

/// A permission to do one thing once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Key of the record.
    pub id: GrantId,
    /// What it allows.
    pub allows: Allows,
    /// On what evidence: the operator's action, or the phone's signature.
    pub evidence: String,
    /// Who had it made (an actor as in the audit trail).
    pub by: String,
    /// What must be shown to use it; `None` where it is used in the same breath as it is made.
    pub secret: Option<GrantSecret>,
    /// After this it is void.
    pub expires: Time,
}

/// What opens a grant that waits to be used, and how often the wrong thing was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantSecret {
    /// By which way it is used: a grant for one opens no other.
    pub way: GrantWay,
    /// HMAC of the secret: the import password of a delivery, the one-time password of an EST client.
    pub mac: [u8; 32],
    /// Wrong secrets so far; the fifth ends the grant.
    pub wrong: u8,
}

/// By which way a waiting grant is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantWay {
    /// A one-time link on the public door, where the import password is typed.
    Link,
    /// `simpleenroll` of EST (RFC 7030 4.2), with the secret as the password.
    Est,
}

/// What a grant allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Allows {
    /// One certificate for this device, by this profile.
    Issue {
        /// Whose tenant.
        tenant: TenantId,
        /// Whose device.
        person: PersonId,
        /// Which device.
        device: DeviceId,
        /// Profile: `device` or `staff`.
        profile: String,
    },
}
