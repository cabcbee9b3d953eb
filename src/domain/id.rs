//! Identifiers: short lower-case strings that are safe in a URL, a key and a log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is no identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no identifier: use 1 to 64 characters of a-z, 0-9 and '-'")]
pub struct BadId(pub String);

const ID_CHARS_MAX: usize = 64;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes 1 to 64 characters of `a-z`, `0-9` and `-`.
            ///
            /// # Errors
            /// Anything else is a [`BadId`].
            pub fn parse(text: &str) -> Result<Self, BadId> {
                let good = (1..=ID_CHARS_MAX).contains(&text.len())
                    && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
                if good { Ok(Self(text.to_owned())) } else { Err(BadId(text.chars().take(80).collect())) }
            }

            /// A new identifier of 128 random bits, in base32.
            #[must_use]
            pub fn from_bits(bits: [u8; 16]) -> Self {
                Self(data_encoding::BASE32_NOPAD.encode(&bits).to_ascii_lowercase())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> { Self::parse(&text) }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> { Self::parse(text) }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String { id.0 }
        }
    };
}

id!(
    /// A tenant, chosen by the operator: `bank`.
    TenantId
);
id!(
    /// A person of a tenant.
    PersonId
);
id!(
    /// A device of a person; it stands in the certificate's identity URI.
    DeviceId
);
id!(
    /// A paired phone.
    PhoneId
);
id!(
    /// An issuing CA certificate.
    IssuerId
);
id!(
    /// A permission to do one thing once.
    GrantId
);
id!(
    /// A pairing of a phone under way.
    PairingId
);
id!(
    /// A question put to a phone.
    ApprovalId
);
id!(
    /// A request that waits to be confirmed, and its receipt.
    ConfirmationId
);
id!(
    /// A message waiting to be sent.
    NoticeId
);

impl TenantId {
    /// The tenant of those who run the house: owners, operators, support, auditors.
    #[must_use]
    pub fn staff() -> Self {
        Self("staff".to_owned())
    }

    /// Whether this is the tenant of those who run the house.
    #[must_use]
    pub fn is_staff(&self) -> bool {
        self.0 == "staff"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_text_is_an_identifier() {
        for good in ["a", "bank", "bank-2", &"x".repeat(64)] {
            assert!(TenantId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Bank", "a/b", "a b", "ä", "..", &"x".repeat(65)] {
            assert!(TenantId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn random_identifiers_parse() {
        let id = DeviceId::from_bits([0xff; 16]);
        assert_eq!(DeviceId::parse(id.as_str()), Ok(id));
    }
}
