//! Phones: the second device of a person, and a pairing under way.

use serde::{Deserialize, Serialize};

use super::certificate::serde_bytes_vec;
use super::session::TokenHash;
use super::{DeviceId, PairingId, PersonId, PhoneId, TenantId, Time};

/// A paired phone. Its two private keys never leave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// Identifier; the app sends it with each call.
    pub id: PhoneId,
    /// "Android phone".
    pub name: String,
    /// WebAuthn credential id.
    #[serde(with = "serde_bytes_vec")]
    pub credential_id: Vec<u8>,
    /// P-256 public key of the credential, SEC1 uncompressed (65 bytes): signs approvals.
    #[serde(with = "serde_bytes_vec")]
    pub credential_key: Vec<u8>,
    /// P-256 public key of the app's API calls, SEC1 uncompressed (65 bytes).
    #[serde(with = "serde_bytes_vec")]
    pub api_key: Vec<u8>,
    /// P-256 public key for agreements, SEC1 uncompressed (65 bytes): answers without a network. None in a phone
    /// that was paired before there were such answers.
    #[serde(default)]
    pub offline_key: Option<OfflineKey>,
    /// The credential may be copied between devices (WebAuthn BE flag); never labelled AAL3.
    pub backup_eligible: bool,
    /// The authenticator's signature counter when last seen; 0 where it keeps none.
    pub sign_count: u32,
    /// When the pairing was confirmed on the desktop.
    pub paired: Time,
    /// Who released the device on which it was paired, or what agreed to it: `approval:ID`.
    pub released_by: Option<String>,
    /// Its last yes.
    #[serde(default)]
    pub used: Option<Time>,
}

/// A public key for agreements, SEC1 uncompressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfflineKey(#[serde(with = "serde_bytes_vec")] pub Vec<u8>);

/// What is left of a phone that was removed, so that it can be told so: nothing is accepted by its key any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPhone {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// Identifier; its app still sends it.
    pub id: PhoneId,
    /// P-256 public key of the app's API calls: only who holds the private one is told.
    #[serde(with = "serde_bytes_vec")]
    pub api_key: Vec<u8>,
    /// When.
    pub at: Time,
    /// By whom.
    pub by: RemovedBy,
}

/// Who removed a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemovedBy {
    /// Its owner, in the settings.
    Owner,
    /// Support.
    Support,
    /// A new phone took its place.
    Replaced,
}

impl RemovedBy {
    /// In the trail and the phone's API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Support => "support",
            Self::Replaced => "replaced",
        }
    }
}

/// Nobody needs more, and each is one more that may be stolen.
pub const PHONES_MAX: usize = 5;

/// A phone's name as it is shown and kept: one line, not too long.
#[must_use]
pub fn name(said: &str) -> String {
    let name: String = said.trim().chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect();
    if name.is_empty() { "phone".to_owned() } else { name }
}

/// A phone's name on the desktop's line.
pub const NAME_CHARS_MAX: usize = 40;

/// A pairing under way: from the QR code to the confirmation on the desktop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// Public half of what the QR code holds.
    pub id: PairingId,
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// On which device the QR code is shown.
    pub device: DeviceId,
    /// In which browser session.
    pub session: TokenHash,
    /// HMAC of the secret half (128 bits).
    pub secret_mac: [u8; 32],
    /// WebAuthn challenge for the new credential.
    pub challenge: [u8; 32],
    /// After this it is void: 5 minutes from its making (SP 800-63B-4 4.1.2.2); once its secret is
    /// spent, 5 minutes from the last step.
    pub expires: Time,
    /// How far it has come.
    pub state: PairingState,
}

/// How far a pairing has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PairingState {
    /// The QR code is on the screen.
    Open,
    /// A phone presented the secret and registers `api_key`; the secret is spent.
    Begun {
        /// P-256 public key of the app's API calls, SEC1 uncompressed.
        #[serde(with = "serde_bytes_vec")]
        api_key: Vec<u8>,
    },
    /// The phone made its credential; both screens show the two words.
    Claimed {
        /// What will become the record once confirmed.
        phone: Box<Phone>,
        /// Shown on both screens.
        words: [String; 2],
    },
    /// Confirmed on the desktop.
    Confirmed,
    /// Refused on the desktop or the phone.
    Refused,
    /// Another phone came with the same square: neither is paired.
    Contested,
}
