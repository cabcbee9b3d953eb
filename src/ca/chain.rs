//! Whether an issuing CA and its root are what they should be. Knows no key and no file, and judges
//! no client's certificate: that is `auth::certificate`.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS;
use x509_parser::prelude::FromDer as _;

use super::offline::OfflineError;
use super::profile::Profiles;
use super::{CaError, build};
use crate::domain::Time;
use crate::domain::certificate::{Issuer, IssuerKind};

/// Checks form, signatures and links of an issuer and its root, and that both are in force at `now`.
///
/// # Errors
/// The first fault found.
pub fn check(issuer: &Issuer, now: Time) -> Result<(), ChainFault> {
    check_form(issuer)?;
    for der in [&issuer.der, &issuer.root_der] {
        let (not_before, not_after) = validity(&read(der)?);
        if now < not_before || not_after < now {
            return Err(ChainFault::NotInForce { not_before, not_after });
        }
    }
    Ok(())
}

/// Checks all of it but the dates: an issuer that has ended must not keep the house from starting.
pub(super) fn check_form(issuer: &Issuer) -> Result<(), ChainFault> {
    let root = read(&issuer.root_der)?;
    let ca = read(&issuer.der)?;
    is_ca(&root)?;
    is_ca(&ca)?;
    if root.subject().as_raw() != root.issuer().as_raw() || root.verify_signature(None).is_err() {
        return Err(ChainFault::RootNotItsOwn);
    }
    let linked = ca.issuer().as_raw() == root.subject().as_raw()
        && authority_key_id(&ca) == subject_key_id(&root)
        && ca.verify_signature(Some(root.public_key())).is_ok();
    if !linked {
        return Err(ChainFault::NotOfRoot);
    }
    if validity(&ca).1 != issuer.not_after {
        return Err(ChainFault::OtherDate);
    }
    Ok(())
}

/// The point of a certificate's public key; `None` where it cannot be read.
#[must_use]
pub fn point(der: &[u8]) -> Option<Vec<u8>> {
    Some(read(der).ok()?.public_key().subject_public_key.data.to_vec())
}

/// Whether a public key's point stands in a certificate: 65 bytes and more come together nowhere else.
#[must_use]
pub fn holds(der: &[u8], point: &[u8]) -> bool {
    der.windows(point.len()).any(|window| window.first() == point.first() && window == point)
}

/// Why an issuer is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainFault {
    /// Not a certificate, or bytes after it.
    #[error("it is no certificate: restore the store from a backup")]
    Unreadable,
    /// Must not sign certificates.
    #[error("it is no CA that may sign certificates and lists: restore the store from a backup")]
    NotACa,
    /// The root did not sign itself.
    #[error("its root is not self-signed: restore the store from a backup")]
    RootNotItsOwn,
    /// The root did not sign it.
    #[error("its root did not sign it: restore the store from a backup")]
    NotOfRoot,
    /// The record says another date than the certificate.
    #[error("its record tells another end than the certificate: restore the store from a backup")]
    OtherDate,
    /// Too early or too late.
    #[error(
        "it is in force from {not_before} to {not_after} only: check the machine's clock, or make a new CA"
    )]
    NotInForce {
        /// First moment.
        not_before: Time,
        /// Last moment.
        not_after: Time,
    },
}

/// Reads a certificate, whole.
pub(super) fn read(der: &[u8]) -> Result<X509Certificate<'_>, ChainFault> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(ChainFault::Unreadable),
    }
}

/// First and last moment of validity, exactly as they stand in the certificate.
pub(super) fn validity(certificate: &X509Certificate<'_>) -> (Time, Time) {
    let validity = certificate.validity();
    (Time::from_secs(validity.not_before.timestamp()), Time::from_secs(validity.not_after.timestamp()))
}

/// The key identifier of its subject.
pub(super) fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
}

/// The key identifier of its issuer.
pub(super) fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
        _ => None,
    })
}

/// Checks what a CA of the house has and no other: that its root signed it, what it may sign, and which names not.
pub(super) fn check_issuing(
    certificate: &X509Certificate<'_>,
    root: &X509Certificate<'_>,
    kind: IssuerKind,
) -> Result<(), CaError> {
    let of_root = certificate.issuer().as_raw() == root.subject().as_raw()
        && certificate.verify_signature(Some(root.public_key())).is_ok();
    if !of_root {
        return Err(OfflineError::OtherShape("another root signed it").into());
    }
    is_ca(certificate).map_err(|_| OfflineError::OtherShape("it may not sign certificates and lists"))?;
    let length =
        certificate.basic_constraints().ok().flatten().and_then(|found| found.value.path_len_constraint);
    if length != Some(0) {
        return Err(OfflineError::OtherShape("its path length is not 0").into());
    }
    let usage = certificate.key_usage().ok().flatten().map(|found| found.value.flags);
    if usage != Some(CA_USAGE) || !matches!(certificate.extended_key_usage(), Ok(None)) {
        return Err(OfflineError::OtherShape("it may do more than sign certificates and lists").into());
    }
    let good = match kind {
        IssuerKind::Server => names_of(certificate) == names_of(root),
        IssuerKind::Devices | IssuerKind::Staff => {
            let profiles = Profiles::shipped()?;
            let found = certificate.name_constraints().ok().flatten().filter(|found| found.critical);
            build::is_without(profiles.issuing.clients_exclude(), found.map(|found| found.value))
        }
    };
    if !good {
        return Err(OfflineError::OtherShape("its name constraints are others").into());
    }
    if validity(root).1 < validity(certificate).1 {
        return Err(OfflineError::OtherShape("it outlives its root").into());
    }
    Ok(())
}

/// `keyCertSign` and `cRLSign` as x509-parser counts bits.
const CA_USAGE: u16 = 1 << 5 | 1 << 6;

fn names_of<'a>(certificate: &'a X509Certificate<'_>) -> Option<(bool, &'a [u8])> {
    let found = certificate.iter_extensions().find(|found| found.oid == OID_X509_EXT_NAME_CONSTRAINTS)?;
    Some((found.critical, found.value))
}

fn is_ca(certificate: &X509Certificate<'_>) -> Result<(), ChainFault> {
    let constraints = certificate.basic_constraints().ok().flatten().filter(|found| found.critical);
    let usage = certificate.key_usage().ok().flatten().filter(|found| found.critical);
    let good = constraints.is_some_and(|found| found.value.ca)
        && usage.is_some_and(|found| found.value.key_cert_sign() && found.value.crl_sign());
    if good { Ok(()) } else { Err(ChainFault::NotACa) }
}
