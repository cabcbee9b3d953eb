//! Who calls the phone's API: each call is signed by the app's key over method, path, time, a nonce
//! and the body (as DPoP does, RFC 9449), so that nobody else can list, answer or refuse.
//! Knows nothing of what is called.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;

use crate::crypto;
use crate::domain::phone::Phone;
use crate::domain::{PersonId, PhoneId, TenantId, Time};

use super::cose::PublicKey;

/// What was signed: one call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path and query, as sent.
    pub path: &'a str,
    /// The whole body.
    pub body: &'a [u8],
}

/// The header `Portcullis-Proof`, read but not yet verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Who says to call.
    pub claim: Claim,
    time: Time,
    nonce: Nonce,
    signature: [u8; 64],
}

/// Who says to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A phone that is being paired; its key is in the body.
    New,
    /// A paired phone.
    Phone(Handle),
}

/// How the app names itself: `TENANT.PERSON.PHONE`, which leads to its record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// Whose tenant.
    pub tenant: TenantId,
    /// Whose phone.
    pub person: PersonId,
    /// Which.
    pub phone: PhoneId,
}

/// A call that a paired phone signed. Only [`Proofs::prove`] makes one.
#[derive(Clone, Debug)]
pub struct ProvedCall {
    phone: Arc<Phone>,
    signature: Vec<u8>,
}

/// A call by the key of a phone that is being paired. Only [`Proofs::prove_new`] makes one.
#[derive(Clone, Debug)]
pub struct ProvedKey {
    key: PublicKey,
}

/// Judges calls and remembers their nonces for as long as they could be played again.
#[derive(Debug, Default)]
pub struct Proofs {
    seen: Mutex<Seen>,
}

impl Proof {
    /// Header of every call.
    pub const HEADER: &str = "portcullis-proof";

    /// Reads `phone=...;time=...;nonce=...;sig=...`, in that order.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn parse(header: &str) -> Result<Self, Refused> {
        let mut fields = header.split(';');
        let mut field =
            |name: &str| fields.next().and_then(|field| field.strip_prefix(name)).ok_or(Refused::Malformed);
        let (phone, time) = (field("phone=")?, field("time=")?);
        let (nonce, signature) = (field("nonce=")?, field("sig=")?);
        if fields.next().is_some() || time.len() > 15 {
            return Err(Refused::Malformed);
        }
        let claim = match phone {
            "new" => Claim::New,
            handle => Claim::Phone(handle.parse()?),
        };
        let time = Time(time.parse().map_err(|_| Refused::Malformed)?);
        Ok(Self { claim, time, nonce: bytes(nonce)?, signature: bytes(signature)? })
    }

    fn verify(&self, key: &[u8], call: Call<'_>, now: Time) -> Result<(), Refused> {
        let text = call_text(call, self.time, &self.nonce);
        crypto::verify_es256_fixed(key, text.as_bytes(), &self.signature)
            .map_err(|_| Refused::WrongSignature)?;
        if now.since(self.time).max(self.time.since(now)) > SKEW_MAX {
            return Err(Refused::Clock);
        }
        Ok(())
    }
}

/// What the app signs for a call.
#[must_use]
pub fn call_text(call: Call<'_>, time: Time, nonce: &[u8; 16]) -> String {
    format!(
        "portcullis call 1\n{}\n{}\n{}\n{}\n{}\n",
        call.method,
        call.path,
        time.millis(),
        BASE64URL_NOPAD.encode(nonce),
        BASE64URL_NOPAD.encode(&crypto::sha256(call.body)),
    )
}

impl Proofs {
    /// Judges a call that says to be `phone`'s: the signature, then the time, then whether it is
    /// the first of its kind.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn prove(
        &self,
        proof: &Proof,
        phone: Arc<Phone>,
        call: Call<'_>,
        now: Time,
    ) -> Result<ProvedCall, Refused> {
        proof.verify(&phone.api_key, call, now)?;
        self.seen().first(&phone.api_key, &proof.nonce, now)?;
        Ok(ProvedCall { phone, signature: proof.signature.to_vec() })
    }

    /// Judges a call by a key that is not yet any phone's.
    ///
    /// # Errors
    /// As [`Proofs::prove`].
    pub fn prove_new(
        &self,
        proof: &Proof,
        key: PublicKey,
        call: Call<'_>,
        now: Time,
    ) -> Result<ProvedKey, Refused> {
        proof.verify(&key, call, now)?;
        self.seen().first_new(&key, &proof.nonce, now)?;
        Ok(ProvedKey { key })
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        // What a panicking thread left is still a list of nonces.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvedCall {
    /// Whose call it was.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// The app's signature over it.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl ProvedKey {
    /// The key, SEC1 uncompressed.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
}

impl Handle {
    /// Of a phone's record.
    #[must_use]
    pub fn of(phone: &Phone) -> Self {
        Self { tenant: phone.tenant.clone(), person: phone.person.clone(), phone: phone.id.clone() }
    }
}

impl std::fmt::Display for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.tenant, self.person, self.phone)
    }
}

impl std::str::FromStr for Handle {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(Refused::Malformed);
        let handle = Self {
            tenant: TenantId::parse(part()?).map_err(|_| Refused::Malformed)?,
            person: PersonId::parse(part()?).map_err(|_| Refused::Malformed)?,
            phone: PhoneId::parse(part()?).map_err(|_| Refused::Malformed)?,
        };
        if parts.next().is_some() { Err(Refused::Malformed) } else { Ok(handle) }
    }
}

/// Why a call is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No header, or none that we write.
    #[error("the call is not signed: open the phone app and try again")]
    Malformed,
    /// Signed by another key, or over another call.
    #[error("the call's signature does not fit: pair the phone again if it happens twice")]
    WrongSignature,
    /// The phone's clock and ours are too far apart.
    #[error("the phone's clock differs from ours by more than a minute: set it to automatic")]
    Clock,
    /// The same call came before.
    #[error("this call has been heard before: try again")]
    Replayed,
    /// More calls than a person makes.
    #[error("this phone calls too often: wait two minutes")]
    TooMany,
}

/// Nonces seen, by key. Bounded: a paired phone cannot push out another's, and keys that belong
/// to nobody share a list of their own.
#[derive(Debug, Default)]
struct Seen {
    paired: HashMap<Vec<u8>, VecDeque<(Time, Nonce)>>,
    new: VecDeque<(Time, [u8; 32])>,
}

impl Seen {
    fn first(&mut self, key: &[u8], nonce: &Nonce, now: Time) -> Result<(), Refused> {
        if self.paired.len() >= PHONES_SWEPT_ABOVE && !self.paired.contains_key(key) {
            self.paired.retain(|_, calls| calls.back().is_some_and(|(at, _)| now.since(*at) <= KEPT));
        }
        let calls = self.paired.entry(key.to_vec()).or_default();
        while calls.front().is_some_and(|(at, _)| now.since(*at) > KEPT) {
            calls.pop_front();
        }
        if calls.iter().any(|(_, seen)| seen == nonce) {
            return Err(Refused::Replayed);
        }
        if calls.len() >= CALLS_PER_PHONE_MAX {
            return Err(Refused::TooMany);
        }
        calls.push_back((now, *nonce));
        Ok(())
    }

    fn first_new(&mut self, key: &PublicKey, nonce: &Nonce, now: Time) -> Result<(), Refused> {
        let mark = crypto::sha256(&[key.as_slice(), nonce.as_slice()].concat());
        while self.new.len() >= NEW_CALLS_MAX || self.new.front().is_some_and(|(at, _)| now.since(*at) > KEPT)
        {
            self.new.pop_front();
        }
        if self.new.iter().any(|(_, seen)| *seen == mark) {
            return Err(Refused::Replayed);
        }
        self.new.push_back((now, mark));
        Ok(())
    }
}

type Nonce = [u8; 16];

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], Refused> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Refused::Malformed)?;
    bytes.try_into().map_err(|_| Refused::Malformed)
}

/// A phone's clock may be this far off; the app follows ours beyond it.
const SKEW_MAX: Duration = Duration::from_secs(60);
/// A call is fresh for twice the skew, counted from its earliest to its latest moment.
const KEPT: Duration = Duration::from_secs(2 * 60);
/// A person's app calls a few times a minute; a page left open polls none.
const CALLS_PER_PHONE_MAX: usize = 240;
/// Beyond this many phones those silent for [`KEPT`] are forgotten.
const PHONES_SWEPT_ABOVE: usize = 4096;
/// Pairing is safe against replay by its own state; this list only says so earlier.
const NEW_CALLS_MAX: usize = 1024;

#[cfg(test)]
mod tests;
