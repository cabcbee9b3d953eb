//! What goes into each step of a pairing, and what comes out.

use std::net::IpAddr;

use super::Ground;
use crate::domain::phone::Phone;
use crate::domain::session::TokenHash;
use crate::domain::{DeviceId, PersonId, TenantId, Time};
use crate::store::Write;

/// Whose phone is to be paired, and on which screen the square is.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose phone.
    pub person: PersonId,
    /// On which device the square is shown.
    pub device: DeviceId,
    /// In which browser session.
    pub session: TokenHash,
    /// Network address, for the audit trail.
    pub from: IpAddr,
    /// What lets it be paired.
    pub ground: Ground,
}

/// What the phone needs to make its credential.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Whose it will be.
    pub tenant: TenantId,
    /// Whose it will be.
    pub person: PersonId,
    /// WebAuthn challenge.
    pub challenge: [u8; 32],
    /// WebAuthn user handle: the same for a person each time, and it names nobody.
    pub user: [u8; 32],
    /// Until when.
    pub expires: Time,
}

/// What the phone brings once it has made its credential.
#[derive(Clone, Debug)]
pub struct Made<'a> {
    /// "Android phone".
    pub name: &'a str,
    /// `clientDataJSON`.
    pub client_data: &'a [u8],
    /// `attestationObject`.
    pub attestation: &'a [u8],
    /// Public key for agreements, SEC1 uncompressed; an older app sends none.
    pub offline_key: Option<&'a [u8]>,
}

/// The pairing's words and the phone that waits for the yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// Shown on both screens.
    pub words: [String; 2],
    /// The phone to be.
    pub phone: Phone,
}

/// What the desktop says to the two words.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Both screens show them. The writes (the session's next step) go into the same commit.
    Yes {
        /// Who released the device.
        released_by: Option<String>,
        /// Done in the same commit, or not at all.
        also: Vec<Write>,
        /// What lets it be paired.
        ground: Ground,
    },
    /// They do not.
    No,
}
