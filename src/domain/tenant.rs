//! Tenants: whose gate it is, what it looks like, whom to call.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{TenantId, Time};

/// A bank, an agency, or (as `staff`) the house itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Identifier, in the identity URI of every certificate.
    pub id: TenantId,
    /// As clients know it: "Bank Muster & Cie".
    pub name: String,
    /// Host names of its door, lower case, without a port.
    pub hosts: Vec<String>,
    /// Support's telephone number, as a client should dial it (E.164, may hold spaces).
    pub telephone: String,
    /// BCP 47 tag of its pages.
    pub language: String,
    /// Name, logo and colour at the top of each page.
    pub brand: Brand,
    /// How long sessions live.
    pub profile: SessionProfile,
    /// Whether the agent may identify the caller on the incoming call, instead of ringing
    /// the recorded number back.
    pub identified_on_incoming_call: bool,
    /// How its certificates are delivered, renewed and retired.
    #[serde(default)]
    pub certificates: CertificateTerms,
    /// Whether a phone may answer whose key its maker copies to its owner's other devices.
    #[serde(default)]
    pub synced_passkeys: SyncedPasskeys,
    /// When the record was made.
    pub created: Time,
}

impl Tenant {
    /// One that no record tells of: it has no name, no telephone, and nothing that counts.
    #[must_use]
    pub fn unknown(id: TenantId) -> Self {
        Self {
            id,
            name: String::new(),
            hosts: vec![],
            telephone: String::new(),
            language: "en".to_owned(),
            brand: Brand::default(),
            profile: SessionProfile::default(),
            identified_on_incoming_call: false,
            certificates: CertificateTerms::default(),
            synced_passkeys: SyncedPasskeys::default(),
            created: Time(0),
        }
    }
}

/// What becomes of phones whose key may be copied to other devices (WebAuthn backup eligibility). Such a key is never
/// called AAL3; the app's own key, which cannot be copied, signs beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncedPasskeys {
    /// They are paired, and answer.
    #[default]
    Accept,
    /// They are not paired, and one paired before answers nothing but "not me".
    Refuse,
}

impl SyncedPasskeys {
    /// As the command line writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }

    /// Reads what [`SyncedPasskeys::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Accept, Self::Refuse].into_iter().find(|one| one.as_str() == text)
    }
}

/// How the certificates of a tenant are delivered, renewed and retired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CertificateTerms {
    /// How long an old certificate still counts after the newer one first signed in, in seconds.
    pub supersede_grace_secs: u64,
    /// For how many days after its end an unrevoked certificate still opens renewal, and nothing else.
    pub expired_grace_days: u32,
    /// Whether the desk releases a renewal that comes without a certificate. Where the rules ask for three
    /// factors it does, whatever stands here.
    pub expired_needs_release: bool,
    /// How long a one-time link for a .p12 may be used, in seconds.
    pub delivery_secs: u64,
    /// Whether programs may enrol and renew by EST (RFC 7030).
    pub est: bool,
}

impl CertificateTerms {
    /// The longest that a delivery link may live.
    pub const DELIVERY_SECS_MAX: u64 = 24 * 3600;
    /// The longest that an old certificate may go on beside a newer one.
    pub const SUPERSEDE_GRACE_SECS_MAX: u64 = 30 * 24 * 3600;
    /// The longest that an ended certificate may open renewal.
    pub const EXPIRED_GRACE_DAYS_MAX: u32 = 90;

    /// For how long after its end a certificate opens renewal.
    #[must_use]
    pub const fn expired_grace(&self) -> Duration {
        Duration::from_secs(self.expired_grace_days as u64 * 24 * 3600)
    }
}

impl Default for CertificateTerms {
    fn default() -> Self {
        Self {
            supersede_grace_secs: 0,
            expired_grace_days: 30,
            expired_needs_release: true,
            delivery_secs: 15 * 60,
            est: false,
        }
    }
}

/// What a tenant's pages look like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Brand {
    /// Accent colour, `#rrggbb`; `None` is the gate's own.
    pub accent: Option<String>,
    /// One or two letters shown as the logo.
    pub monogram: String,
}

/// How long a session lives (NIST SP 800-63B-4 2.1.3, 2.2.3, 2.3.3; RTS 2018/389 art. 4(3)(d)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum SessionProfile {
    /// 12 h in all, 5 min idle (PSD2).
    #[default]
    Strict,
    /// 12 h in all, 15 min idle.
    Aal3,
    /// 24 h in all, 1 h idle.
    Aal2,
}

impl SessionProfile {
    /// The longest a session lives, in seconds.
    #[must_use]
    pub const fn absolute_secs(self) -> u64 {
        match self {
            Self::Strict | Self::Aal3 => 12 * 3600,
            Self::Aal2 => 24 * 3600,
        }
    }

    /// The longest a session lives without a navigation, in seconds.
    #[must_use]
    pub const fn idle_secs(self) -> u64 {
        match self {
            Self::Strict => 5 * 60,
            Self::Aal3 => 15 * 60,
            Self::Aal2 => 3600,
        }
    }
}
