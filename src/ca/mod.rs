//! The certificate authority: makes CAs, issues certificates by profile, signs revocation lists and
//! answers of OCSP.
//!
//! Knows no HTTP and writes nothing to the store: what it issues it returns with the writes that
//! record it, so that certificate, spent grant and audit entry are one commit. It certifies a key
//! only where its possession was proved ([`ProvenKey`]) and a [`Grant`] allows exactly that.

pub mod chain;
pub mod crl;
pub mod est;
pub mod import_password;
pub mod mobileconfig;
pub mod ocsp;
pub mod p12;
pub mod profile;
pub mod serial;

mod backup;
mod build;
mod cms;
mod der;
mod error;
mod folder;
mod init;
mod issuing;
mod keys;
mod offline;
mod request;
mod reseal;
mod rotate;
mod sealed;
mod subject;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rcgen::{CrlDistributionPoint, SanType};
use tokio::sync::watch;

use crate::domain::certificate::{Certificate, Identity, Issuer, IssuerKind};
use crate::domain::grant::{Allows, Grant};
use crate::domain::{IssuerId, Secret, Time};
use crate::store::Write;
use crate::store::table::{self, Stored};
use crate::world::World;

pub use backup::Backup;
pub use crl::kept::{KeptLists, Told};
pub use crl::{Crl, CrlShelf};
pub use error::CaError;
pub use folder::KeyFolder;
pub use init::{CaNames, init};
pub use keys::{NewKey, ProvenKey};
pub use mobileconfig::ProfileWords;
pub use ocsp::Ocsp;
pub use offline::{OfflineError, Request, RootBundle};
pub use p12::{Encoding, P12};
pub use request::BadRequest;
pub use rotate::Rotated;
pub use subject::{BadSubject, Subject};

use issuing::Issuing;
use profile::{Profile, Profiles};
use sealed::Opener;

/// The CAs of this node with their keys; on desk nodes alone. New ones are taken up while it works.
pub struct Authority {
    profiles: Profiles,
    issuing: ArcSwap<BTreeMap<IssuerId, Arc<Issuing>>>,
    turn: Mutex<()>,
    changes: watch::Sender<u64>,
    crl_url_base: String,
    world: World,
}

/// What the operator wrote about the CA.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where revocation lists and OCSP are found, without a path: `http://start.localhost:8080`.
    pub crl_url_base: String,
}

/// A certificate and what the caller does with it.
#[derive(Debug)]
pub struct Issued {
    /// The record.
    pub certificate: Certificate,
    /// The certificate, its issuing CA and the root, in this order, as DER.
    pub chain: Vec<Vec<u8>>,
    /// What it is called in a picker.
    pub common_name: String,
    /// Creates the record and spends the grant: to be committed together, or neither. Until then
    /// the certificate must not leave the house.
    pub writes: Vec<Write>,
}

/// Certificate and key of a door.
#[derive(Debug)]
pub struct ServerCertificate {
    /// Leaf and issuing CA.
    pub chain_pem: String,
    /// The key, PKCS #8.
    pub key_pem: Secret,
    /// Last moment of validity.
    pub not_after: Time,
}

impl Authority {
    /// Opens the sealed keys of `issuers` below `dir`, and checks that keys, certificates and
    /// roots belong together. An issuer that no longer issues may have lost its key.
    ///
    /// # Errors
    /// A wrong or empty passphrase, missing or foreign keys, and certificates that are no CA's.
    pub fn open(
        dir: &Path,
        passphrase: &Secret,
        issuers: &[Issuer],
        world: World,
        settings: Settings,
    ) -> Result<Self, CaError> {
        let mut opener = Opener::new(passphrase)?;
        let mut issuing = BTreeMap::new();
        for issuer in issuers {
            if !issuer.issues && !sealed::path(dir, &key_name(&issuer.id)).exists() {
                continue;
            }
            issuing.insert(issuer.id.clone(), Arc::new(Issuing::open(dir, &mut opener, issuer)?));
        }
        let crl_url_base = url_base(&settings.crl_url_base)?;
        let (issuing, turn) = (ArcSwap::from_pointee(issuing), Mutex::new(()));
        let changes = watch::Sender::new(0);
        Ok(Self { profiles: Profiles::shipped()?, issuing, turn, changes, crl_url_base, world })
    }

    /// Takes up a new issuing CA: what is issued from now on comes from it. Those of its kind that issued
    /// before it sign their revocation lists on. Call it once the change is in the store.
    pub fn take_up(&self, rotated: Rotated) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut issuing: BTreeMap<IssuerId, Arc<Issuing>> = (**self.issuing.load()).clone();
        for before in issuing.values_mut().filter(|one| one.issuer.kind == rotated.issuing.issuer.kind) {
            *before = Arc::new(before.resting());
        }
        issuing.insert(rotated.issuing.issuer.id.clone(), Arc::new(rotated.issuing));
        self.issuing.store(Arc::new(issuing));
        self.changes.send_modify(|times| *times += 1);
    }

    /// Tells when other CAs are here than before.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Issues a certificate for a device: what the grant allows, to whom it allows it, and no more.
    /// `by` is the actor as in the audit trail.
    ///
    /// # Errors
    /// A grant that ended or allows something else, a key the profile does not take, and a CA that
    /// is not here or not in force.
    pub fn issue(
        &self,
        key: ProvenKey,
        grant: &Stored<Grant>,
        subject: &Subject,
        by: &str,
        now: Time,
    ) -> Result<Issued, IssueError> {
        let profile = self.granted(&grant.record, subject, now)?;
        if !profile.keys().contains(&key.curve) {
            return Err(IssueError::Curve(key.curve.as_str()));
        }
        let issuing = self.issuing_for(profile, now)?;
        let common_name;
        let leaf = {
            let (not_before, not_after) = issuing.within(profile.validity(now).map_err(CaError::from)?);
            let mut params = build::params(profile, (not_before, not_after), &self.world)?;
            common_name = subject.common_name(not_after);
            params.distinguished_name = build::name(&common_name, subject.organization());
            let identity = Identity { tenant: subject.tenant.clone(), device: subject.device.clone() };
            params.subject_alt_names = vec![SanType::URI(identity.uri().try_into().map_err(CaError::from)?)];
            if profile.has_crl_url() {
                let uris = vec![self.crl_url(&issuing.issuer.id)];
                params.crl_distribution_points = vec![CrlDistributionPoint { uris }];
            }
            if profile.has_ocsp_url() {
                params.custom_extensions.push(build::ocsp_address(&self.ocsp_url())?);
            }
            params.signed_by(&key.public, &*issuing.signer).map_err(CaError::from)?.der().to_vec()
        };
        let certificate = issuing.record(leaf, profile, subject, by)?;
        let writes = vec![table::create(&certificate), table::consume(grant)];
        let chain =
            vec![certificate.der.clone(), issuing.issuer.der.clone(), issuing.issuer.root_der.clone()];
        Ok(Issued { certificate, chain, common_name, writes })
    }

    /// Issues certificate and key for a door, for its names and no other.
    ///
    /// # Errors
    /// No name or a bad one, and a server CA that is not here or not in force.
    pub fn issue_server(&self, names: &[String], now: Time) -> Result<ServerCertificate, CaError> {
        let profile = &self.profiles.server;
        let issuing = self.issuing_for(profile, now)?;
        let first = names.first().ok_or_else(|| CaError::BadName(String::new()))?;
        let mut params = build::params(profile, issuing.within(profile.validity(now)?), &self.world)?;
        params.subject_alt_names = names.iter().map(|name| build::host(name)).collect::<Result<_, _>>()?;
        // The names that count are above; this one is for people, and has 64 characters at most.
        params.distinguished_name.push(rcgen::DnType::CommonName, first.chars().take(64).collect::<String>());
        let key = NewKey::make()?;
        let leaf = params.signed_by(&key.prove()?.public, &*issuing.signer)?.der().to_vec();
        let not_after = chain::validity(&issuing.read(&leaf)?).1;
        let chain_pem = format!("{}{}", pem_of(&leaf), pem_of(&issuing.issuer.der));
        let key_pem = Secret::new(pem::encode(&pem::Pem::new("PRIVATE KEY", key.pkcs8().to_vec())));
        Ok(ServerCertificate { chain_pem, key_pem, not_after })
    }

    /// Until when a certificate issued now on this grant would be good.
    ///
    /// # Errors
    /// A grant for a profile that is none, and a CA that is not here or not in force.
    pub fn until(&self, grant: &Grant, now: Time) -> Result<Time, IssueError> {
        let Allows::Issue { profile, .. } = &grant.allows;
        let profile = self.profiles.client(profile).ok_or(IssueError::Profile)?;
        let issuing = self.issuing_for(profile, now)?;
        Ok(issuing.within(profile.validity(now).map_err(CaError::from)?).1)
    }

    /// Where the list of an issuer is found.
    #[must_use]
    pub fn crl_url(&self, issuer: &IssuerId) -> String {
        format!("{}/crl/{issuer}.crl", self.crl_url_base)
    }

    /// Where OCSP is asked.
    #[must_use]
    pub fn ocsp_url(&self) -> String {
        format!("{}/ocsp", self.crl_url_base)
    }

    /// The profiles by which this authority issues.
    #[must_use]
    pub const fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The issuers whose keys are here.
    pub fn issuers(&self) -> impl Iterator<Item = Issuer> {
        self.issuing().into_iter().map(|issuing| issuing.issuer.clone())
    }

    fn issuing(&self) -> Vec<Arc<Issuing>> {
        self.issuing.load().values().cloned().collect()
    }

    const fn crl_profile(&self) -> &Profile {
        &self.profiles.issuing
    }

    /// The profile that the grant allows for this subject.
    fn granted(&self, grant: &Grant, subject: &Subject, now: Time) -> Result<&Profile, IssueError> {
        if grant.expires <= now {
            return Err(IssueError::GrantEnded(grant.expires));
        }
        let Allows::Issue { tenant, person, device, profile } = &grant.allows;
        let same = (tenant, person, device) == (&subject.tenant, &subject.person, &subject.device);
        if !same {
            return Err(IssueError::OtherSubject);
        }
        let found = self.profiles.client(profile).ok_or(IssueError::Profile)?;
        // Staff certificates open the console; only the staff tenant's devices have them, and no other.
        if (found.signed_by() == Some(IssuerKind::Staff)) != tenant.is_staff() {
            return Err(IssueError::Profile);
        }
        Ok(found)
    }

    fn issuing_for(&self, profile: &Profile, now: Time) -> Result<Arc<Issuing>, CaError> {
        let kind = profile.signed_by().unwrap_or(IssuerKind::Server);
        let issuing = self
            .issuing()
            .into_iter()
            .filter(|issuing| issuing.issuer.kind == kind && issuing.issuer.issues)
            .max_by_key(|issuing| issuing.issuer.not_after)
            .ok_or(CaError::NoIssuer(kind))?;
        if !issuing.is_in_force(now) {
            let (issuer, until) = (issuing.issuer.id.clone(), issuing.issuer.not_after);
            return Err(CaError::IssuerNotInForce { issuer, until });
        }
        Ok(issuing)
    }
}

/// Why a certificate was not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Too late.
    #[error("the permission to issue ended at {}: ask for a new one", .0.minute())]
    GrantEnded(Time),
    /// It is for another tenant, person or device.
    #[error("the permission to issue is for another device: ask for one for this device")]
    OtherSubject,
    /// It names a profile that devices of this tenant do not get.
    #[error(
        "the permission names a profile that this device must not have: ask for `device`, or for staff `staff`"
    )]
    Profile,
    /// The profile does not take such keys.
    #[error("the profile takes no {0} keys: make a P-256 key")]
    Curve(&'static str),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
}

/// The PEM armour of a certificate.
#[must_use]
pub fn pem_of(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

fn key_name(issuer: &IssuerId) -> String {
    issuer.as_str().to_owned()
}

/// `http://HOST:PORT` without a path; revocation lists are signed, and fetched without TLS since
/// checking that TLS would need one (RFC 5280 8).
fn url_base(text: &str) -> Result<String, CaError> {
    let base = text.trim_end_matches('/');
    let bad = || CaError::BadCrlUrl(text.chars().take(80).collect());
    let uri: http::Uri = base.parse().map_err(|_| bad())?;
    let plain = uri.scheme_str() == Some("http")
        && uri.authority().is_some()
        && uri.path() == "/"
        && uri.query().is_none();
    if plain { Ok(base.to_owned()) } else { Err(bad()) }
}

#[cfg(test)]
mod tests;
