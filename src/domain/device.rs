//! Devices: the things a certificate is installed on.

use serde::{Deserialize, Serialize};

use super::{DeviceId, PersonId, TenantId, Time};

/// A device of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose device.
    pub person: PersonId,
    /// Identifier; stands in the certificate's identity URI.
    pub id: DeviceId,
    /// As its owner calls it: "laptop".
    pub name: String,
    /// How far its first visit has come.
    pub state: DeviceState,
    /// Who had its certificate issued (an actor as in the audit trail).
    pub issued_by: String,
    /// Who handed the .p12 over, where known.
    pub delivered_by: Option<String>,
    /// Who released it; never one of the two above.
    pub released_by: Option<String>,
    /// When the record was made.
    pub created: Time,
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// A certificate exists; nobody has come with it.
    Issued,
    /// Somebody has come with it and reads a code to support.
    AwaitingCode,
    /// Support released it; the first full sign-in is still to come.
    Released,
    /// It has been signed in with all factors.
    Active,
    /// No longer of use.
    Retired,
}

impl DeviceState {
    /// Whether support (or the first owner's machine) has let it in.
    #[must_use]
    pub const fn is_released(self) -> bool {
        matches!(self, Self::Released | Self::Active)
    }

    /// As lists show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::AwaitingCode => "awaiting code",
            Self::Released => "released",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}
