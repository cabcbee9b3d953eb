//! Sessions as a sign-in long ago left them: for tests that begin where the signing in has ended. How one
//! is come by is other tests' affair.

use std::time::Duration;

use portcullis::crypto::sha256;
use portcullis::domain::certificate::Certificate;
use portcullis::domain::session::Session;

use super::browser::{Browser, COOKIE};
use super::gate::{Gate, Handed};

impl Gate {
    /// Writes a session with all three locks, bound to this certificate. Returns the cookie's value.
    pub(crate) async fn session_for(&self, certificate: &Certificate) -> String {
        let bits: [u8; 32] = self.world.bytes();
        self.put(&self.session_of(&bits, certificate)).await;
        data_encoding::BASE64URL_NOPAD.encode(&bits)
    }

    /// Its record.
    pub(crate) fn session_of(&self, bits: &[u8; 32], certificate: &Certificate) -> Session {
        let now = self.world.now();
        Session {
            token: sha256(bits),
            tenant: certificate.tenant.clone(),
            person: certificate.person.clone(),
            device: certificate.device.clone(),
            serial: certificate.serial.clone(),
            fingerprint: certificate.fingerprint,
            password: Some(now),
            phone: Some(now),
            created: now,
            last_seen: now,
            idle_secs: 3600,
            absolute_end: now.plus(Duration::from_secs(12 * 3600)),
            return_to: None,
        }
    }

    /// The browser of a device whose owner has signed in.
    pub(crate) async fn signed_in(&self, door: &str, handed: &Handed) -> Browser {
        self.settle(handed).await;
        let all = self.all::<Certificate>().await;
        let certificate = all.iter().find(|one| one.serial == handed.serial).expect("its record");
        let browser = self.browser(door, handed);
        browser.set_cookie(COOKIE, &self.session_for(certificate).await);
        browser
    }
}
