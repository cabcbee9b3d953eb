//! Certificates we issued, the CAs that issued them, and the identity URI that names a device.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{DeviceId, IssuerId, PersonId, TenantId, Time};

/// Serial number of a certificate, lower-case hex without leading zeros.
pub type Serial = String;

/// SHA-256 over a certificate's DER.
pub type Fingerprint = [u8; 32];

/// The one identity URI in a device certificate's subject alternative name:
/// `portcullis://TENANT/device/DEVICE`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Whose client.
    pub tenant: TenantId,
    /// Which device.
    pub device: DeviceId,
}

impl Identity {
    /// The URI.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("{SCHEME}{}{DEVICE}{}", self.tenant, self.device)
    }

    /// Reads exactly what [`Identity::uri`] writes; anything else, in any other spelling, is `None`.
    #[must_use]
    pub fn parse(uri: &str) -> Option<Self> {
        let (tenant, device) = uri.strip_prefix(SCHEME)?.split_once(DEVICE)?;
        Some(Self { tenant: TenantId::parse(tenant).ok()?, device: DeviceId::parse(device).ok()? })
    }
}

/// A certificate that we issued. Its private key is nowhere in the house.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Key of the record.
    pub serial: Serial,
    /// Whose client.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// On which device.
    pub device: DeviceId,
    /// Which CA signed it.
    pub issuer: IssuerId,
    /// What kind: the name of a file in `certs/`.
    pub profile: String,
    /// The certificate.
    #[serde(with = "serde_bytes_vec")]
    pub der: Vec<u8>,
    /// SHA-256 over `der`.
    pub fingerprint: Fingerprint,
    /// First moment of validity.
    pub not_before: Time,
    /// Last moment of validity.
    pub not_after: Time,
    /// Whether it still counts.
    pub state: CertificateState,
    /// Who had it issued (an actor as in the audit trail).
    pub issued_by: String,
}

/// Whether a certificate counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CertificateState {
    /// It does.
    Active,
    /// A newer one took its place.
    Superseded {
        /// From when on it counts no more; in a tenant with a grace period that is later than the moment
        /// the newer one first signed in.
        at: Time,
    },
    /// It was switched off.
    Revoked {
        /// Why, in the words of RFC 5280 5.3.1.
        reason: RevocationReason,
        /// Since when.
        at: Time,
    },
}

impl Certificate {
    /// How [`Certificate::issued_by`] begins where a machine came for it by itself.
    pub const BY_MACHINE: &str = "est:";

    /// Whether a machine came for it by itself.
    #[must_use]
    pub fn by_machine(&self) -> bool {
        self.issued_by.starts_with(Self::BY_MACHINE)
    }

    /// The last moment of validity: the last second counts whole (RFC 5280 4.1.2.5).
    #[must_use]
    pub fn last_moment(&self) -> Time {
        Time::from_secs(self.not_after.secs()).plus(Duration::from_millis(999))
    }

    /// Whether it ended no longer than `grace` ago, and was good until then.
    #[must_use]
    pub fn ended_within(&self, grace: Duration, now: Time) -> bool {
        let last = self.last_moment();
        self.state == CertificateState::Active && last < now && now <= last.plus(grace)
    }
}

impl CertificateState {
    /// Whether it opens anything at `now`, its dates left aside.
    #[must_use]
    pub fn counts(&self, now: Time) -> bool {
        match self {
            Self::Active => true,
            Self::Superseded { at } => now < *at,
            Self::Revoked { .. } => false,
        }
    }

    /// As lists show it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Superseded { .. } => "superseded",
            Self::Revoked { .. } => "revoked",
        }
    }
}

/// When a certificate last signed in with all that was asked of it: apart from the certificate, which only
/// changes when its standing does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// Which certificate.
    pub serial: Serial,
    /// When.
    pub at: Time,
}

/// That its owner took a certificate that no longer counts off their list; the certificate's record stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Which certificate.
    pub serial: Serial,
    /// When.
    pub at: Time,
}

/// Reason codes of RFC 5280 5.3.1 that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationReason {
    /// 0
    Unspecified,
    /// 1
    KeyCompromise,
    /// 3
    AffiliationChanged,
    /// 4
    Superseded,
    /// 5
    CessationOfOperation,
    /// 9
    PrivilegeWithdrawn,
}

impl RevocationReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::KeyCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// As the command line writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::KeyCompromise => "key-compromise",
            Self::AffiliationChanged => "affiliation-changed",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessation-of-operation",
            Self::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// Reads what [`RevocationReason::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A CA certificate. Its key lies sealed in a file of a desk node, never in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Key of the record.
    pub id: IssuerId,
    /// What it signs.
    pub kind: IssuerKind,
    /// Its certificate.
    #[serde(with = "serde_bytes_vec")]
    pub der: Vec<u8>,
    /// The root above it; the same as `der` for a root.
    #[serde(with = "serde_bytes_vec")]
    pub root_der: Vec<u8>,
    /// Last moment of validity.
    pub not_after: Time,
    /// Whether new certificates come from it; an issuer that only verifies old ones is not.
    pub issues: bool,
}

/// What an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IssuerKind {
    /// Clients' devices.
    Devices,
    /// Staff's devices.
    Staff,
    /// The gate's own doors, in the demo and for private use; a root apart.
    Server,
}

impl IssuerKind {
    /// As files and lists name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Staff => "staff",
            Self::Server => "server",
        }
    }
}

/// Byte strings as CBOR byte strings, not as arrays of numbers.
pub mod serde_bytes_vec {
    use serde::{Deserializer, Serializer, de};

    /// Writes bytes.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    /// Reads bytes.
    ///
    /// # Errors
    /// Anything but a byte string.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl de::Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }
        }
        from.deserialize_byte_buf(Bytes)
    }
}

const SCHEME: &str = "portcullis://";
const DEVICE: &str = "/device/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_uri_has_one_spelling() {
        let id = Identity::parse("portcullis://bank/device/abc-1");
        assert_eq!(id.as_ref().map(Identity::uri).as_deref(), Some("portcullis://bank/device/abc-1"));
        for bad in [
            "PORTCULLIS://bank/device/abc",
            "portcullis://Bank/device/abc",
            "portcullis://bank/device/abc/",
            "portcullis://bank/device/",
            "portcullis:///device/abc",
            "portcullis://bank/device/a%62c",
            "portcullis://bank/device/abc?x",
            "portcullis://a/device/b/device/c",
            " portcullis://bank/device/abc",
        ] {
            assert_eq!(Identity::parse(bad), None, "{bad}");
        }
    }
}
