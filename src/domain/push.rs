//! Where a phone wants to be woken. Knows no message and no push service.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::certificate::serde_bytes_vec;
use super::{PersonId, PhoneId, TenantId, Time};

/// What the browser of a paired phone gave: where to push (RFC 8030), and the keys that seal what is pushed (RFC 8291).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose.
    pub person: PersonId,
    /// The paired phone; without it the subscription is good for nothing.
    pub phone: PhoneId,
    /// Where to push. Whoever has it and our key can wake the phone: never in a log.
    pub endpoint: String,
    /// P-256 public key of the browser, SEC1 uncompressed (65 bytes).
    #[serde(with = "serde_bytes_vec")]
    pub p256dh: Vec<u8>,
    /// The secret that only browser and gate share (16 bytes).
    #[serde(with = "serde_bytes_vec")]
    pub auth: Vec<u8>,
    /// Our public key at that time (RFC 8292), SEC1 uncompressed: the push service takes no other's word.
    #[serde(with = "serde_bytes_vec")]
    pub key: Vec<u8>,
    /// Since when.
    pub since: Time,
}

impl Subscription {
    /// Name of the push service: all of the endpoint that may be told.
    #[must_use]
    pub fn service(&self) -> &str {
        let rest = self.endpoint.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.rsplit_once('@').map_or(authority, |(_, host)| host)
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("phone", &self.phone)
            .field("service", &self.service())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_tells_its_service_and_no_more() {
        let id = |text| PhoneId::parse(text).unwrap();
        let subscription = Subscription {
            tenant: TenantId::parse("bank").unwrap(),
            person: PersonId::parse("anna").unwrap(),
            phone: id("phone-1"),
            endpoint: "https://push.example:8443/wpush/very-secret?token=also".to_owned(),
            p256dh: vec![4; 65],
            auth: vec![0xAB; 16],
            key: vec![4; 65],
            since: Time(0),
        };
        let told = format!("{subscription:?}");
        assert!(
            told.contains("push.example:8443") && !told.contains("secret") && !told.contains("171"),
            "{told}"
        );
    }
}
