//! What a phone's authenticator says, verified as WebAuthn Level 3, sections 7.1 and 7.2, ask, with
//! our own challenge: the hash of what was shown. Knows no store and no page.

use ciborium::Value;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use super::cose::{self, PublicKey};
use crate::crypto;

/// Whom the phone believes it speaks to: the phone door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// Host name of the phone door, without a port: WebAuthn's RP id.
    pub id: String,
    /// `https://HOST[:PORT]`, as the browser writes it.
    pub origin: String,
}

/// A credential that an authenticator has just made for us. Only [`RelyingParty::registered`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    id: Vec<u8>,
    key: PublicKey,
    backup_eligible: bool,
    sign_count: u32,
}

/// A signature by a credential over a challenge of ours. Only [`RelyingParty::asserted`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asserted {
    sign_count: u32,
}

/// What the browser hands over after `navigator.credentials.get`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// `clientDataJSON`.
    pub client_data: Vec<u8>,
    /// `authenticatorData`.
    pub authenticator_data: Vec<u8>,
    /// `signature`, DER.
    pub signature: Vec<u8>,
}

/// What is known of the credential that should have signed.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its key, SEC1 uncompressed.
    pub key: &'a [u8],
    /// Its counter when last seen.
    pub sign_count: u32,
}

impl RelyingParty {
    /// Of the door at `host`, reached at `port`.
    #[must_use]
    pub fn at(host: &str, port: u16) -> Self {
        let host = host.to_ascii_lowercase();
        let origin = if port == 443 { format!("https://{host}") } else { format!("https://{host}:{port}") };
        Self { id: host, origin }
    }

    /// Verifies a new credential (7.1). Attestation is not asked for and not weighed: whose phone
    /// it is, the person confirms on the desktop.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn registered(
        &self,
        challenge: &[u8],
        client_data: &[u8],
        attestation: &[u8],
    ) -> Result<Credential, Refused> {
        self.client_data(client_data, CREATE, challenge)?;
        let data = AuthenticatorData::read(&authenticator_data_of(attestation)?)?;
        self.flags(&data)?;
        let attested = data.attested.ok_or(Refused::NoCredential)?;
        Ok(Credential {
            id: attested.id,
            key: attested.key,
            backup_eligible: data.flags & BE != 0,
            sign_count: data.sign_count,
        })
    }

    /// Verifies a signature by a known credential (7.2).
    ///
    /// # Errors
    /// The first thing that does not hold; a wrong signature among them.
    pub fn asserted(
        &self,
        challenge: &[u8],
        known: Known<'_>,
        assertion: &Assertion,
    ) -> Result<Asserted, Refused> {
        self.client_data(&assertion.client_data, GET, challenge)?;
        let data = AuthenticatorData::read(&assertion.authenticator_data)?;
        self.flags(&data)?;
        let mut signed = assertion.authenticator_data.clone();
        signed.extend_from_slice(&crypto::sha256(&assertion.client_data));
        crypto::verify_es256_der(known.key, &signed, &assertion.signature)
            .map_err(|_| Refused::WrongSignature)?;
        // Both zero: an authenticator that keeps no counter, as those of synced passkeys.
        if (data.sign_count != 0 || known.sign_count != 0) && data.sign_count <= known.sign_count {
            return Err(Refused::CounterWentBack);
        }
        Ok(Asserted { sign_count: data.sign_count })
    }

    fn client_data(&self, json: &[u8], kind: &str, challenge: &[u8]) -> Result<(), Refused> {
        let data: ClientData = serde_json::from_slice(json).map_err(|_| Refused::Malformed)?;
        if data.kind != kind {
            return Err(Refused::OtherCeremony);
        }
        let answered = BASE64URL_NOPAD.decode(data.challenge.as_bytes()).map_err(|_| Refused::Malformed)?;
        if !crypto::same(&answered, challenge) {
            return Err(Refused::OtherChallenge);
        }
        if data.origin != self.origin || data.cross_origin || data.top_origin.is_some() {
            return Err(Refused::OtherOrigin);
        }
        Ok(())
    }

    fn flags(&self, data: &AuthenticatorData) -> Result<(), Refused> {
        if data.rp_id_hash != crypto::sha256(self.id.as_bytes()) {
            return Err(Refused::OtherOrigin);
        }
        if data.flags & UP == 0 || data.flags & UV == 0 {
            return Err(Refused::NotVerified);
        }
        // 7.1 step 18: what is not eligible for backup cannot be backed up.
        if data.flags & BE == 0 && data.flags & BS != 0 {
            return Err(Refused::Malformed);
        }
        Ok(())
    }
}

impl Credential {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// Its key, SEC1 uncompressed.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether it may be copied to other devices of its owner.
    #[must_use]
    pub const fn backup_eligible(&self) -> bool {
        self.backup_eligible
    }

    /// Its counter.
    #[must_use]
    pub const fn sign_count(&self) -> u32 {
        self.sign_count
    }
}

impl Asserted {
    /// The counter to remember.
    #[must_use]
    pub const fn sign_count(self) -> u32 {
        self.sign_count
    }
}

/// Why an authenticator's words do not count. For the log; the phone is told only that the
/// signature did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Bytes that no authenticator writes.
    #[error("the authenticator's answer cannot be read: pair the phone again")]
    Malformed,
    /// Made by `create` where `get` was asked for, or the reverse.
    #[error("the answer belongs to another ceremony: start again")]
    OtherCeremony,
    /// It signed something else than was shown.
    #[error("the phone signed another text than it was asked to: start again")]
    OtherChallenge,
    /// It was made for another site.
    #[error("the answer was made for another address: open the phone app at its own address")]
    OtherOrigin,
    /// Nobody unlocked the phone for it.
    #[error("the phone did not check who holds it: switch the screen lock on and try again")]
    NotVerified,
    /// A registration without a credential.
    #[error("the phone sent no credential: pair it again")]
    NoCredential,
    /// No ES256 key.
    #[error(transparent)]
    Key(#[from] cose::BadKey),
    /// The signature is not by this credential over this text.
    #[error("the signature is not this phone's: pair it again if it happens twice")]
    WrongSignature,
    /// The counter stands: the credential may have been copied (6.1.1).
    #[error("the phone's counter went back, as that of a copy would: pair the phone again")]
    CounterWentBack,
}

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// Section 6.1.
struct AuthenticatorData {
    rp_id_hash: [u8; 32],
    flags: u8,
    sign_count: u32,
    attested: Option<Attested>,
}

/// Section 6.5.1.
struct Attested {
    id: Vec<u8>,
    key: PublicKey,
}

impl AuthenticatorData {
    fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let bytes = Some(bytes).filter(|bytes| bytes.len() <= BYTES_MAX).ok_or(Refused::Malformed)?;
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(Refused::Malformed)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(Refused::Malformed)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(Refused::Malformed)?;
        let attested = if flags & AT == 0 { None } else { Some(Attested::read(&mut rest)?) };
        if flags & ED != 0 {
            next_value(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(Refused::Malformed);
        }
        Ok(Self { rp_id_hash: *rp_id_hash, flags, sign_count: u32::from_be_bytes(*count), attested })
    }
}

impl Attested {
    fn read(rest: &mut &[u8]) -> Result<Self, Refused> {
        let (_aaguid, after) = rest.split_first_chunk::<16>().ok_or(Refused::Malformed)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or(Refused::Malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        if !(1..=CREDENTIAL_ID_BYTES_MAX).contains(&length) {
            return Err(Refused::Malformed);
        }
        let (id, after) = after.split_at_checked(length).ok_or(Refused::Malformed)?;
        *rest = after;
        let key = cose::read(&next_value(rest)?)?;
        Ok(Self { id: id.to_vec(), key })
    }
}

/// `authData` of an attestation object (6.5.4). The statement beside it is not weighed.
fn authenticator_data_of(attestation: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut rest = Some(attestation).filter(|bytes| bytes.len() <= BYTES_MAX).ok_or(Refused::Malformed)?;
    let value = next_value(&mut rest)?;
    let map = value.into_map().map_err(|_| Refused::Malformed)?;
    let mut found = map.into_iter().filter(|(name, _)| name.as_text() == Some("authData"));
    match (found.next(), found.next()) {
        (Some((_, Value::Bytes(bytes))), None) if rest.is_empty() => Ok(bytes),
        _ => Err(Refused::Malformed),
    }
}

fn next_value(rest: &mut &[u8]) -> Result<Value, Refused> {
    // Depth is limited, so that nested arrays cannot exhaust the stack.
    ciborium::de::from_reader_with_recursion_limit(rest, CBOR_DEPTH_MAX).map_err(|_| Refused::Malformed)
}

const CREATE: &str = "webauthn.create";
const GET: &str = "webauthn.get";

/// User present, user verified, backup eligible, backed up, attested data, extensions (6.1).
const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;
const AT: u8 = 0x40;
const ED: u8 = 0x80;

/// Section 4, "Credential ID".
const CREDENTIAL_ID_BYTES_MAX: usize = 1023;
/// A TPM's attestation with its chain stays below 10 KiB.
const BYTES_MAX: usize = 16 * 1024;
/// An attestation object is four deep.
const CBOR_DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests;
