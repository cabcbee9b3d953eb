//! The first lock: whether a presented certificate is ours, in force, and at the right door.
//!
//! Possession of the key is the handshake's to prove. Trust is judged here, in two steps: what
//! can't change while the connection lives (signature, purpose, identity) once, what can (dates,
//! standing in our own registry) at every request. Knows no HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::evidence::{CertificateEvidence, EndedCertificate, ProvedCertificate};
use crate::crypto;
use crate::domain::certificate::{CertificateState, Fingerprint, Identity, Issuer, IssuerKind, Serial};
use crate::domain::device::DeviceState;
use crate::domain::{PersonId, Reason, TenantId, Time};
use crate::store::view::View;

/// What a connection presented, read once.
#[derive(Clone, Debug)]
pub enum Presented {
    /// No certificate.
    Nothing,
    /// A certificate that cannot count at any door, whatever the time.
    Worthless {
        /// Why.
        reason: Reason,
        /// SHA-256 over it.
        fingerprint: Fingerprint,
    },
    /// Signed by one of our issuing CAs as a client certificate with an identity.
    Ours(Arc<Leaf>),
}

/// A certificate that one of our CAs signed.
#[derive(Debug)]
pub struct Leaf {
    serial: String,
    fingerprint: Fingerprint,
    identity: Identity,
    not_before: Time,
    not_after: Time,
}

/// Judges certificates by the issuers and the registry in the view.
pub struct Judge {
    view: Arc<View>,
    known: Mutex<Known>,
}

/// Certificates of ours that were read before: whoever comes back is spared what costs as much as a handshake's own
/// signature. What is kept can't change while the issuers are the same; dates and standing are judged at every request.
#[derive(Default)]
struct Known {
    /// By whom they were signed.
    issuers: Option<Arc<Vec<Arc<Issuer>>>>,
    leaves: HashMap<Fingerprint, Arc<Leaf>>,
}

impl Presented {
    /// Fingerprint of a certificate of ours.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::Ours(leaf) => Some(&leaf.fingerprint),
            Self::Nothing | Self::Worthless { .. } => None,
        }
    }
}

impl Judge {
    /// Over a view.
    #[must_use]
    pub fn new(view: Arc<View>) -> Self {
        Self { view, known: Mutex::default() }
    }

    /// Reads what a connection presented: `chain` is DER, the leaf whose key was proved first.
    /// Whatever else the client sent is not looked at: our issuing CAs are the trust anchors, and
    /// a leaf is signed by one of them directly or not at all (T-03, T-12).
    #[must_use]
    pub fn read(&self, chain: &[impl AsRef<[u8]>]) -> Presented {
        let Some(leaf) = chain.first().map(AsRef::as_ref) else { return Presented::Nothing };
        let (fingerprint, issuers) = (crypto::sha256(leaf), self.view.issuers());
        if let Some(leaf) = self.known().find(&fingerprint, &issuers) {
            return Presented::Ours(leaf);
        }
        match read_leaf(leaf, fingerprint, &issuers) {
            Ok(leaf) => {
                let leaf = Arc::new(leaf);
                self.known().keep(Arc::clone(&leaf), &issuers);
                Presented::Ours(leaf)
            }
            Err(reason) => Presented::Worthless { reason, fingerprint },
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the certificate stands at the door of `tenant`, now.
    #[must_use]
    pub fn stand(&self, presented: &Presented, tenant: &TenantId, now: Time) -> CertificateEvidence {
        match presented {
            Presented::Nothing => CertificateEvidence::Absent,
            Presented::Worthless { reason, fingerprint } => {
                CertificateEvidence::Rejected { reason: reason.clone(), fingerprint: *fingerprint }
            }
            Presented::Ours(leaf) => match self.look_up(leaf, tenant, now) {
                Ok(proved) => CertificateEvidence::Proved(proved),
                Err(Reason::CertificateExpired { on, .. }) => match self.look_up_ended(leaf, tenant, now) {
                    Some(ended) => CertificateEvidence::Ended(ended),
                    None => CertificateEvidence::Rejected {
                        reason: Reason::CertificateExpired { on, renews: false },
                        fingerprint: leaf.fingerprint,
                    },
                },
                Err(reason) => CertificateEvidence::Rejected { reason, fingerprint: leaf.fingerprint },
            },
        }
    }

    /// Whose a certificate is that one of our CAs signed, whatever it is worth: its serial and, where it is on this
    /// tenant's record, its person. For those who write down what was refused; it proves nothing.
    #[must_use]
    pub fn whose(&self, presented: &Presented, tenant: &TenantId) -> Option<(Serial, Option<PersonId>)> {
        let Presented::Ours(leaf) = presented else { return None };
        let record = self.view.certificate(&leaf.serial);
        let same = record.filter(|one| one.fingerprint == leaf.fingerprint && one.tenant == *tenant);
        Some((leaf.serial.clone(), same.map(|record| record.person.clone())))
    }

    fn look_up(&self, leaf: &Leaf, tenant: &TenantId, now: Time) -> Result<ProvedCertificate, Reason> {
        let record = self.view.certificate(&leaf.serial).ok_or(Reason::UnknownDevice)?;
        let same = record.fingerprint == leaf.fingerprint
            && record.tenant == leaf.identity.tenant
            && record.device == leaf.identity.device;
        if !same {
            return Err(Reason::UnknownDevice);
        }
        if let CertificateState::Revoked { at, .. } = record.state {
            return Err(Reason::CertificateRevoked { on: at });
        }
        if now < leaf.not_before {
            return Err(Reason::CertificateNotYetValid { from: leaf.not_before });
        }
        if now > leaf.not_after {
            return Err(Reason::CertificateExpired { on: leaf.not_after, renews: false });
        }
        if record.tenant != *tenant {
            return Err(Reason::WrongTenant);
        }
        if !record.state.counts(now) {
            return Err(Reason::CertificateSuperseded);
        }
        let device = self.view.device(tenant, &record.person, &record.device).ok_or(Reason::UnknownDevice)?;
        let person = self.view.person(tenant, &record.person).ok_or(Reason::UnknownDevice)?;
        if device.state == DeviceState::Retired {
            return Err(Reason::UnknownDevice);
        }
        if person.frozen().is_some() {
            return Err(Reason::PersonFrozen);
        }
        if person.shut_out(now) {
            return Err(Reason::PersonLocked);
        }
        Ok(ProvedCertificate::new(record, device, person))
    }
}

impl Judge {
    /// The same for one that ended: whether it may still open its own renewal.
    fn look_up_ended(&self, leaf: &Leaf, tenant: &TenantId, now: Time) -> Option<EndedCertificate> {
        let record = self.view.certificate(&leaf.serial)?;
        let same = record.fingerprint == leaf.fingerprint
            && record.device == leaf.identity.device
            && record.tenant == leaf.identity.tenant
            && record.tenant == *tenant;
        let terms = self.view.tenant(tenant)?.certificates;
        if !same || now <= leaf.not_after || !record.ended_within(terms.expired_grace(), now) {
            return None;
        }
        let device = self.view.device(tenant, &record.person, &record.device)?;
        let person = self.view.person(tenant, &record.person)?;
        let welcome = device.state.is_released() && !person.shut_out(now);
        welcome.then(|| EndedCertificate::new(record, device, person, leaf.not_after))
    }
}

impl Known {
    fn find(&self, fingerprint: &Fingerprint, issuers: &Arc<Vec<Arc<Issuer>>>) -> Option<Arc<Leaf>> {
        self.leaves.get(fingerprint).filter(|_| self.is_by(issuers)).cloned()
    }

    /// Only what one of our CAs signed is kept, so that no stranger can fill it.
    fn keep(&mut self, leaf: Arc<Leaf>, issuers: &Arc<Vec<Arc<Issuer>>>) {
        if !self.is_by(issuers) || self.leaves.len() >= KNOWN_MAX {
            self.leaves.clear();
            self.issuers = Some(Arc::clone(issuers));
        }
        self.leaves.insert(leaf.fingerprint, leaf);
    }

    fn is_by(&self, issuers: &Arc<Vec<Arc<Issuer>>>) -> bool {
        self.issuers.as_ref().is_some_and(|known| Arc::ptr_eq(known, issuers))
    }
}

fn read_leaf(der: &[u8], fingerprint: Fingerprint, issuers: &[Arc<Issuer>]) -> Result<Leaf, Reason> {
    let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Reason::ForeignIssuer)?;
    if !rest.is_empty() {
        return Err(Reason::ForeignIssuer);
    }
    let not_before = Time::from_secs(certificate.validity().not_before.timestamp());
    // The last second counts whole (RFC 5280 4.1.2.5).
    let not_after = Time::from_secs(certificate.validity().not_after.timestamp()).plus(LAST_SECOND);
    verify_signature(der, issuers, not_before)?;
    check_purpose(&certificate)?;
    check_serial(certificate.raw_serial())?;
    Ok(Leaf {
        serial: format!("{:x}", certificate.tbs_certificate.serial),
        fingerprint,
        identity: read_identity(&certificate)?,
        not_before,
        not_after,
    })
}

/// By webpki, with our issuing CAs as anchors and no intermediates, at a moment when the leaf is in
/// force: its dates are judged later, so that "expired" is said only of certificates of ours.
fn verify_signature(der: &[u8], issuers: &[Arc<Issuer>], at: Time) -> Result<(), Reason> {
    let der = CertificateDer::from(der);
    let leaf = webpki::EndEntityCert::try_from(&der).map_err(|_| Reason::ForeignIssuer)?;
    let anchors: Vec<CertificateDer<'_>> = issuers
        .iter()
        .filter(|issuer| matches!(issuer.kind, IssuerKind::Devices | IssuerKind::Staff))
        .map(|issuer| CertificateDer::from(issuer.der.as_slice()))
        .collect();
    let anchors: Vec<_> =
        anchors.iter().filter_map(|der| webpki::anchor_from_trusted_cert(der).ok()).collect();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.secs()).unwrap_or(0)));
    let usage = webpki::KeyUsage::client_auth();
    match leaf.verify_for_usage(crypto::CERTIFICATE_SIGNATURES, &anchors, &[], at, usage, None, None) {
        Ok(_) => Ok(()),
        Err(
            webpki::Error::RequiredEkuNotFoundContext(_)
            | webpki::Error::CaUsedAsEndEntity
            | webpki::Error::EndEntityUsedAsCa,
        ) => Err(wrong_purpose_if_ours(&leaf, &der, &anchors)),
        Err(_) => Err(Reason::ForeignIssuer),
    }
}

/// webpki looks at the purpose before the signature; we tell only the holder of a certificate that
/// we signed what is wrong with it.
fn wrong_purpose_if_ours(
    _leaf: &webpki::EndEntityCert<'_>,
    der: &CertificateDer<'_>,
    anchors: &[rustls_pki_types::TrustAnchor<'_>],
) -> Reason {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Reason::ForeignIssuer };
    let tbs = certificate.tbs_certificate.as_ref();
    let signature = certificate.signature_value.as_ref();
    let ours = anchors.iter().any(|anchor| {
        anchor_key(anchor).is_some_and(|key| crypto::verify_es256_der(key, tbs, signature).is_ok())
    });
    if ours { Reason::WrongPurpose } else { Reason::ForeignIssuer }
}

/// The P-256 point at the end of an anchor's SubjectPublicKeyInfo.
fn anchor_key<'a>(anchor: &'a rustls_pki_types::TrustAnchor<'_>) -> Option<&'a [u8]> {
    let spki = anchor.subject_public_key_info.as_ref();
    spki.len().checked_sub(P256_POINT_LENGTH).map(|start| &spki[start..])
}

/// Exactly clientAuth, no CA, a key that may sign (RFC 5280 4.2.1.3, 4.2.1.9, 4.2.1.12).
fn check_purpose(certificate: &X509Certificate<'_>) -> Result<(), Reason> {
    let client_only = certificate.extended_key_usage().ok().flatten().is_some_and(|usage| {
        let usage = usage.value;
        usage.client_auth
            && !(usage.any
                || usage.server_auth
                || usage.code_signing
                || usage.email_protection
                || usage.time_stamping
                || usage.ocsp_signing)
            && usage.other.is_empty()
    });
    let no_ca = certificate.basic_constraints().ok().flatten().is_some_and(|basic| !basic.value.ca);
    let signs = certificate.key_usage().ok().flatten().is_some_and(|usage| usage.value.digital_signature());
    if client_only && no_ca && signs { Ok(()) } else { Err(Reason::WrongPurpose) }
}

/// A positive number of 20 octets at most (RFC 5280 4.1.2.2), so that no two spellings are one serial.
fn check_serial(raw: &[u8]) -> Result<(), Reason> {
    let positive = raw.first().is_some_and(|first| first & 0x80 == 0) && raw.iter().any(|byte| *byte != 0);
    let shortest = !matches!(raw, [0, second, ..] if second & 0x80 == 0);
    if positive && shortest && raw.len() <= SERIAL_OCTETS_MAX { Ok(()) } else { Err(Reason::WrongPurpose) }
}

/// Exactly one name in the subject alternative name, and it is our identity URI.
fn read_identity(certificate: &X509Certificate<'_>) -> Result<Identity, Reason> {
    let names = certificate.subject_alternative_name().ok().flatten().ok_or(Reason::WrongPurpose)?;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => Identity::parse(uri).ok_or(Reason::WrongPurpose),
        _ => Err(Reason::WrongPurpose),
    }
}

const SERIAL_OCTETS_MAX: usize = 20;
const P256_POINT_LENGTH: usize = 65;
const LAST_SECOND: Duration = Duration::from_millis(999);

/// So many are kept: 3 MB.
const KNOWN_MAX: usize = 10_000;
