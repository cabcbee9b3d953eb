//! Answers whether a certificate still counts (OCSP, RFC 6960), for each issuing CA by a key of its own that
//! is made here, lives in memory and is soon another. Knows no HTTP and no store: the view tells how
//! certificates stand.

mod request;
mod response;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rcgen::{DnType, PublicKeyData as _, SigningKey as _};

use super::keys::{CaKey, NewKey};
use super::{Authority, CaError, Issuing, build, chain};
use crate::domain::certificate::{Certificate, CertificateState, RevocationReason};
use crate::domain::{IssuerId, Time};

pub use request::{Asked, BYTES_MAX, Hash, Malformed, Question};

use response::{Said, Status};

/// Answers for all issuing CAs that are here.
#[derive(Default)]
pub struct Ocsp {
    desks: ArcSwap<BTreeMap<IssuerId, Arc<Desk>>>,
    turn: Mutex<()>,
}

/// An answer, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub der: Vec<u8>,
    /// From when to when it counts, where others who ask may be given the same: it answers no nonce.
    pub kept: Option<(Time, Time)>,
}

impl Answer {
    /// Nothing is known at this moment.
    #[must_use]
    pub fn try_later() -> Self {
        Self::refusal(Status::TryLater)
    }

    fn refusal(status: Status) -> Self {
        Self { der: response::refusal(status), kept: None }
    }
}

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    Revoked {
        at: Time,
        reason: RevocationReason,
    },
    /// Never issued by this CA, or another's.
    Unknown,
}

impl Ocsp {
    /// Nobody answers yet; the first who asks has keys made.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers what `request` asks; `find` knows every certificate by its serial. A question about several
    /// issuers is answered for the first that is here, the others are unknown to it.
    pub fn answer(
        &self,
        authority: &Authority,
        find: impl Fn(&str) -> Option<Arc<Certificate>>,
        request: &[u8],
        now: Time,
    ) -> Answer {
        let Ok(question) = Question::read(request) else { return Answer::refusal(Status::MalformedRequest) };
        let desks = self.desks(authority, now);
        let named = question.asked.iter().find_map(|asked| desks.values().find(|desk| desk.is_named(asked)));
        let Some(desk) = named.or_else(|| desks.values().next()) else {
            return Answer::refusal(Status::InternalError);
        };
        match desk.answer(authority, find, &question, now) {
            Ok((der, until)) => {
                let kept = question.nonce.is_none().then_some((Time::from_secs(now.secs()), until));
                Answer { der, kept }
            }
            Err(error) => {
                tracing::error!(%error, issuer = %desk.issuer, "alarm: an OCSP question could not be answered");
                Answer::refusal(Status::InternalError)
            }
        }
    }

    /// Those who answer, each with a key that has half its life before it. Who asks about a CA that has ended asks
    /// about certificates that have.
    fn desks(&self, authority: &Authority, now: Time) -> Arc<BTreeMap<IssuerId, Arc<Desk>>> {
        let mut in_force = authority.issuing();
        in_force.retain(|issuing| issuing.is_in_force(now));
        let serve = |desks: &BTreeMap<IssuerId, Arc<Desk>>| {
            in_force.iter().all(|one| desks.get(&one.issuer.id).is_some_and(|desk| desk.serves(now)))
        };
        let before = self.desks.load_full();
        if serve(&before) {
            return before;
        }
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.desks.load_full();
        if serve(&before) {
            return before;
        }
        let mut after = BTreeMap::new();
        for issuing in &in_force {
            let id = &issuing.issuer.id;
            let old = before.get(id);
            let desk = match old.filter(|desk| desk.serves(now)) {
                Some(desk) => Ok(Arc::clone(desk)),
                None => Desk::open(authority, issuing, now).map(Arc::new),
            };
            match desk {
                Ok(desk) => drop(after.insert(id.clone(), desk)),
                Err(error) => {
                    tracing::error!(%error, issuer = %id, "alarm: the key that answers OCSP could not be made anew");
                    after.extend(old.map(|desk| (id.clone(), Arc::clone(desk))));
                }
            }
        }
        let after = Arc::new(after);
        self.desks.store(Arc::clone(&after));
        after
    }
}

/// Who answers for an issuing CA.
struct Desk {
    issuer: IssuerId,
    /// By which hashes the CA is named: of its name and of its key.
    names: [(Hash, Vec<u8>, Vec<u8>); 2],
    key: CaKey,
    key_hash: Vec<u8>,
    certificate: Vec<u8>,
    not_before: Time,
    not_after: Time,
}

impl Desk {
    /// Makes a key and has the CA certify it.
    fn open(authority: &Authority, issuing: &Issuing, now: Time) -> Result<Self, CaError> {
        let issuer = issuing.issuer.id.clone();
        let profile = &authority.profiles.ocsp;
        let made = NewKey::make()?;
        let mut params = build::params(profile, issuing.within(profile.validity(now)?), &authority.world)?;
        params.distinguished_name.push(DnType::CommonName, format!("OCSP for {issuer}"));
        let certificate = params.signed_by(&made.prove()?.public, &*issuing.signer)?.der().to_vec();
        let (not_before, not_after) = chain::validity(&issuing.read(&certificate)?);
        let ca = issuing.read(&issuing.issuer.der)?;
        let (name, ca_key) = (ca.subject().as_raw(), &ca.public_key().subject_public_key.data);
        let names = Hash::ALL.map(|hash| (hash, hash.of(name), hash.of(ca_key)));
        let key = CaKey::from_pkcs8(made.pkcs8())?;
        let key_hash = Hash::Sha1.of(key.der_bytes());
        Ok(Self { issuer, names, key, key_hash, certificate, not_before, not_after })
    }

    /// Whether half its life or more lies before it.
    fn serves(&self, now: Time) -> bool {
        let half = self.not_before.plus(self.not_after.since(self.not_before) / 2);
        self.not_before <= now && now < half
    }

    fn is_named(&self, asked: &Asked) -> bool {
        self.names.iter().any(|(hash, name, key)| {
            asked.hash == Some(*hash) && asked.name_hash == *name && asked.key_hash == *key
        })
    }

    /// The answer, and until when it counts.
    fn answer(
        &self,
        authority: &Authority,
        find: impl Fn(&str) -> Option<Arc<Certificate>>,
        question: &Question,
        now: Time,
    ) -> Result<(Vec<u8>, Time), CaError> {
        let until = authority.profiles.ocsp.answer_until(now)?.min(self.not_after);
        if now < self.not_before || until <= now {
            return Err(CaError::IssuerNotInForce { issuer: self.issuer.clone(), until: self.not_after });
        }
        let standing = |asked: &Asked| {
            let serial = asked.serial.as_deref().filter(|_| self.is_named(asked));
            let certificate = serial.and_then(&find).filter(|found| found.issuer == self.issuer);
            certificate.map_or(Standing::Unknown, |found| standing(&found.state, now))
        };
        let verdicts: Vec<_> = question.asked.iter().map(|asked| (asked, standing(asked))).collect();
        let (responder, nonce) = (self.key_hash.as_slice(), question.nonce.as_deref());
        let data = Said { responder, verdicts: &verdicts, nonce, now, until }.data()?;
        let signature = self.key.sign(&data)?;
        Ok((response::whole(&data, &signature, &self.certificate)?, until))
    }
}

/// As the list of its issuer tells it.
fn standing(state: &CertificateState, now: Time) -> Standing {
    match state {
        CertificateState::Revoked { reason, at } => Standing::Revoked { at: *at, reason: *reason },
        CertificateState::Superseded { at } if *at <= now => {
            Standing::Revoked { at: *at, reason: RevocationReason::Superseded }
        }
        CertificateState::Superseded { .. } | CertificateState::Active => Standing::Good,
    }
}
