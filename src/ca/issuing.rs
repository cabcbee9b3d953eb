//! Issuing CAs: what is in their certificates, how they are numbered, and one with its key. Knows no root's
//! key and no folder but the one it opens its own key from.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CustomExtension, PublicKeyData};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::OID_X509_EXT_NAME_CONSTRAINTS;

use super::keys::CaKey;
use super::profile::{Profile, Profiles};
use super::sealed::{self, Opener};
use super::subject::Subject;
use super::{CaError, build, chain, key_name, serial};
use crate::crypto;
use crate::domain::certificate::{Certificate, CertificateState, Issuer, IssuerKind};
use crate::domain::{IssuerId, Time};
use crate::world::World;

/// An issuer with its key.
#[derive(Clone)]
pub(super) struct Issuing {
    pub(super) issuer: Issuer,
    pub(super) signer: Arc<rcgen::Issuer<'static, CaKey>>,
    pub(super) key_id: Vec<u8>,
    pub(super) not_before: Time,
}

impl Issuing {
    /// With its key from a sealed file.
    pub(super) fn open(dir: &Path, opener: &mut Opener<'_>, issuer: &Issuer) -> Result<Self, CaError> {
        let fault = |source| CaError::Chain { issuer: issuer.id.clone(), source };
        chain::check_form(issuer).map_err(fault)?;
        let name = key_name(&issuer.id);
        let key = CaKey::from_pkcs8(&opener.open(dir, &name)?)?;
        Self::with(issuer, key, &sealed::path(dir, &name))
    }

    /// With a key that came from `path`.
    pub(super) fn with(issuer: &Issuer, key: CaKey, path: &Path) -> Result<Self, CaError> {
        let fault = |source| CaError::Chain { issuer: issuer.id.clone(), source };
        let certificate = chain::read(&issuer.der).map_err(fault)?;
        if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
            return Err(CaError::OtherKey { path: path.to_owned(), issuer: issuer.id.clone() });
        }
        let key_id = chain::subject_key_id(&certificate).ok_or_else(|| fault(chain::ChainFault::NotACa))?;
        let not_before = chain::validity(&certificate).0;
        let signer = Arc::new(rcgen::Issuer::from_ca_cert_der(&issuer.der.as_slice().into(), key)?);
        Ok(Self { issuer: issuer.clone(), signer, key_id, not_before })
    }

    /// The same after another took its place.
    pub(super) fn resting(&self) -> Self {
        Self { issuer: Issuer { issues: false, ..self.issuer.clone() }, ..self.clone() }
    }

    /// Whether it may sign at `now`.
    pub(super) fn is_in_force(&self, now: Time) -> bool {
        self.not_before <= now && now < self.issuer.not_after
    }

    /// Bounds that do not outlive the CA's own.
    pub(super) fn within(&self, (not_before, not_after): (Time, Time)) -> (Time, Time) {
        (not_before.max(self.not_before), not_after.min(self.issuer.not_after))
    }

    pub(super) fn read<'a>(&self, der: &'a [u8]) -> Result<X509Certificate<'a>, CaError> {
        chain::read(der).map_err(|source| CaError::Chain { issuer: self.issuer.id.clone(), source })
    }

    /// The record of a certificate just signed, with serial and dates as they stand in it.
    pub(super) fn record(
        &self,
        der: Vec<u8>,
        profile: &Profile,
        subject: &Subject,
        by: &str,
    ) -> Result<Certificate, CaError> {
        let (serial, (not_before, not_after)) = {
            let read = self.read(&der)?;
            (serial::text(read.raw_serial()), chain::validity(&read))
        };
        Ok(Certificate {
            serial,
            tenant: subject.tenant.clone(),
            person: subject.person.clone(),
            device: subject.device.clone(),
            issuer: self.issuer.id.clone(),
            profile: profile.name().to_owned(),
            fingerprint: crypto::sha256(&der),
            der,
            not_before,
            not_after,
            state: CertificateState::Active,
            issued_by: by.to_owned(),
        })
    }
}

/// The certificate of the `number`th issuing CA of a kind, signed by a root. Each has a name of its own: by it
/// programs tell them apart, and servers ask for them.
pub(super) fn signed(
    profiles: &Profiles,
    (kind, number): (IssuerKind, u32),
    public: &impl PublicKeyData,
    (root_der, root_key): (&[u8], &rcgen::Issuer<'_, CaKey>),
    world: &World,
) -> Result<Vec<u8>, CaError> {
    let root = chain::read(root_der).map_err(CaError::Root)?;
    let (now, (begins, ends)) = (world.now(), chain::validity(&root));
    if now < begins || ends <= now {
        return Err(CaError::Root(chain::ChainFault::NotInForce { not_before: begins, not_after: ends }));
    }
    let (not_before, not_after) = profiles.issuing.validity(now)?;
    let mut params = build::params(&profiles.issuing, (not_before.max(begins), not_after.min(ends)), world)?;
    let organization = organization(&root);
    params.distinguished_name = build::name(common_name(kind, number, &organization), organization);
    match kind {
        IssuerKind::Devices | IssuerKind::Staff => {
            params.name_constraints = build::without(profiles.issuing.clients_exclude());
        }
        // As the root is held to, so is what stands below it.
        IssuerKind::Server => params.custom_extensions.extend(constraints_of(&root)),
    }
    Ok(params.signed_by(public, root_key)?.der().to_vec())
}

/// The house's name, as its root has it.
pub(super) fn organization(root: &X509Certificate<'_>) -> String {
    let name = root.subject().iter_organization().next();
    name.and_then(|name| name.as_str().ok()).unwrap_or_default().to_owned()
}

fn constraints_of(certificate: &X509Certificate<'_>) -> Option<CustomExtension> {
    let found = certificate.iter_extensions().find(|found| found.oid == OID_X509_EXT_NAME_CONSTRAINTS)?;
    let mut copy = CustomExtension::from_oid_content(NAME_CONSTRAINTS, found.value.to_vec());
    copy.set_criticality(true);
    Some(copy)
}

/// How the `number`th issuing CA of a kind is called.
pub(super) fn common_name(kind: IssuerKind, number: u32, organization: &str) -> String {
    match number {
        1 => format!("{organization} {} CA", kind.as_str()),
        _ => format!("{organization} {} CA {number}", kind.as_str()),
    }
}

/// The first issuer of a kind is named by it; those that follow in a rotation get a number.
pub(super) fn id(kind: IssuerKind, number: u32) -> Result<IssuerId, CaError> {
    let name = match number {
        1 => kind.as_str().to_owned(),
        _ => format!("{}-{number}", kind.as_str()),
    };
    IssuerId::parse(&name).map_err(|_| CaError::NoIssuer(kind))
}

/// The number that the next issuing CA of a kind gets: none is ever used again.
pub(super) fn next_number<'a>(kind: IssuerKind, issuers: impl IntoIterator<Item = &'a Issuer>) -> u32 {
    let numbers =
        issuers.into_iter().filter(|issuer| issuer.kind == kind).map(|issuer| number_of(&issuer.id));
    numbers.max().unwrap_or(0).saturating_add(1)
}

/// What [`id`] was made from.
fn number_of(id: &IssuerId) -> u32 {
    id.as_str().rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

/// RFC 5280 4.2.1.10.
const NAME_CONSTRAINTS: &[u64] = &[2, 5, 29, 30];
