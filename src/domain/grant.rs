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
    /// After this it is void.
    pub expires: Time,
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
