//! A new issuing CA beside the one there is. Knows no store: it makes the key file first, which nobody asks
//! for until the store names it, so that a crash in between leaves what was, and the same can be done again.

use rcgen::PublicKeyData as _;

use super::folder::{KeyFolder, root_name};
use super::issuing::{self, Issuing};
use super::keys::{CaKey, NewKey};
use super::offline::OfflineError;
use super::profile::Profiles;
use super::sealed::{self, Opener};
use super::{CaError, chain, key_name};
use crate::domain::Secret;
use crate::domain::certificate::{Issuer, IssuerKind};
use crate::world::World;

/// A new issuing CA with its key, not yet on record: see [`super::Authority::take_up`].
pub struct Rotated {
    pub(super) issuing: Issuing,
}

impl Rotated {
    /// Its record.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuing.issuer
    }
}

impl std::fmt::Debug for Rotated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rotated").field(&self.issuing.issuer.id).finish()
    }
}

impl KeyFolder {
    /// Makes an issuing CA of `kind` that takes the place of the one among `issuers` (all that the store
    /// holds), signed by the root whose key lies here.
    ///
    /// # Errors
    /// A wrong passphrase, a root that is not here or not in force, and what the file system refuses.
    pub fn rotate(
        &self,
        passphrase: &Secret,
        issuers: &[Issuer],
        kind: IssuerKind,
        world: &World,
    ) -> Result<Rotated, CaError> {
        let current = current(issuers, kind)?;
        let mut opener = Opener::new(passphrase)?;
        // The new key is sealed as the present one is: the gate opens all of them with one passphrase.
        let sealer = opener.sealer_like(&self.dir, &key_name(&current.id))?;
        let root_path = sealed::path(&self.dir, root_name(kind));
        if !root_path.exists() {
            return Err(CaError::RootNotHere { kind, path: root_path });
        }
        let root_key = CaKey::from_pkcs8(&opener.open(&self.dir, root_name(kind))?)?;
        let fault = |source| CaError::Chain { issuer: current.id.clone(), source };
        let root = chain::read(&current.root_der).map_err(fault)?;
        if root.public_key().subject_public_key.data.as_ref() != root_key.der_bytes() {
            return Err(CaError::OtherKey { path: root_path, issuer: current.id.clone() });
        }
        let number = issuing::next_number(kind, issuers);
        let waiting = self.waiting(&issuing::id(kind, number)?);
        if waiting.exists() {
            return Err(OfflineError::Waits(waiting).into());
        }
        let key = NewKey::make()?;
        let signer = rcgen::Issuer::from_ca_cert_der(&current.root_der.as_slice().into(), root_key)?;
        let root = (current.root_der.as_slice(), &signer);
        let profiles = Profiles::shipped()?;
        let der = issuing::signed(&profiles, (kind, number), &key.prove()?.public, root, world)?;
        let id = issuing::id(kind, number)?;
        let not_after = chain::validity(&chain::read(&der).map_err(fault)?).1;
        let issuer = Issuer { id, kind, der, root_der: current.root_der.clone(), not_after, issues: true };
        chain::check(&issuer, world.now())
            .map_err(|source| CaError::Chain { issuer: issuer.id.clone(), source })?;
        let path = sealed::path(&self.dir, &key_name(&issuer.id));
        self.put(&path, &sealer.text(&key_name(&issuer.id), key.pkcs8(), world)?)?;
        Ok(Rotated { issuing: Issuing::with(&issuer, CaKey::from_pkcs8(key.pkcs8())?, &path)? })
    }
}

/// The issuing CA of a kind that issues now.
pub(super) fn current(issuers: &[Issuer], kind: IssuerKind) -> Result<&Issuer, CaError> {
    issuers
        .iter()
        .filter(|issuer| issuer.kind == kind && issuer.issues)
        .max_by_key(|issuer| issuer.not_after)
        .ok_or(CaError::NoIssuer(kind))
}
