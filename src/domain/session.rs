//! Sessions: what a browser has proved, bound to the certificate it proved it with.

use serde::{Deserialize, Serialize};

use super::certificate::{Fingerprint, Serial};
use super::{DeviceId, PersonId, TenantId, Time};

/// SHA-256 of the 256-bit token in the cookie; the token itself is stored nowhere.
pub type TokenHash = [u8; 32];

/// What a browser has proved so far. With neither factor it is a pre-session: it holds the
/// place of a first visit or of a sign-in that has just begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Key of the record.
    pub token: TokenHash,
    /// Whose door.
    pub tenant: TenantId,
    /// Who.
    pub person: PersonId,
    /// On which device.
    pub device: DeviceId,
    /// With which certificate.
    pub serial: Serial,
    /// The same certificate's fingerprint; another one makes the session void.
    pub fingerprint: Fingerprint,
    /// When the password was proved.
    pub password: Option<Time>,
    /// When the phone approved, or was paired.
    pub phone: Option<Time>,
    /// When the browser first came.
    pub created: Time,
    /// Last navigation or unsafe request.
    pub last_seen: Time,
    /// Idle for longer ends it, in seconds; 0 for a pre-session.
    pub idle_secs: u64,
    /// It ends here whatever happens.
    pub absolute_end: Time,
    /// Path first asked for, on the same origin.
    pub return_to: Option<String>,
}

impl Session {
    /// Whether the session is still good at `now`.
    #[must_use]
    pub fn is_live(&self, now: Time) -> bool {
        now < self.absolute_end && (self.idle_secs == 0 || now < self.idle_end())
    }

    /// When it ends if nobody does anything.
    #[must_use]
    pub fn idle_end(&self) -> Time {
        self.last_seen.plus(std::time::Duration::from_secs(self.idle_secs))
    }

    /// Whether no factor beside the certificate has been proved.
    #[must_use]
    pub const fn is_pre_session(&self) -> bool {
        self.password.is_none() && self.phone.is_none()
    }
}
