//! Renewals of certificates that ended: how far somebody has come who may do this and nothing else.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::certificate::{Fingerprint, Serial};
use super::session::TokenHash;
use super::{ApprovalId, DeviceId, PersonId, TenantId, Time};

/// A renewal under way. It is no session and has a cookie of its own: whatever asks for a session cannot be
/// given it. Where an unknown address asked, it names a person who does not exist, and goes the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewal {
    /// Key of the record: SHA-256 of the token in the cookie.
    pub token: TokenHash,
    /// Whose door.
    pub tenant: TenantId,
    /// Who, or nobody.
    pub person: PersonId,
    /// For which device, or none.
    pub device: DeviceId,
    /// The certificate that ended; empty for nobody.
    pub serial: Serial,
    /// The same certificate's fingerprint.
    pub fingerprint: Fingerprint,
    /// How it began.
    pub way: RenewalWay,
    /// Who at the desk released it (an actor as in the audit trail), where that was asked for.
    pub released_by: Option<String>,
    /// When the password was proved.
    pub password: Option<Time>,
    /// What the phone approved.
    pub phone: Option<PhoneSaidYes>,
    /// When it began.
    pub started: Time,
    /// It ends here whatever happens.
    pub expires: Time,
}

/// How a renewal begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RenewalWay {
    /// With the certificate that ended, its key proved.
    Shown,
    /// With an e-mail address, and nothing shown.
    Asked,
}

/// An approval that a renewal took up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneSaidYes {
    /// Which; it must still stand when the certificate is made.
    pub approval: ApprovalId,
    /// When it was taken up.
    pub at: Time,
}

impl Renewal {
    /// How long it lives: a telephone call, a password and a phone, without hurry.
    pub const LIVES: Duration = Duration::from_secs(3600);
    /// How long after the phone's approval the certificate may be made.
    pub const MADE_WITHIN: Duration = Duration::from_secs(15 * 60);

    /// Whether it is still good at `now`. A clock that was set back extends nothing.
    #[must_use]
    pub fn is_live(&self, now: Time) -> bool {
        self.started <= now && now < self.expires
    }
}
