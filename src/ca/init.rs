//! Making the CAs of a new house: a client root with an issuing CA for devices and one for staff,
//! and a server root with its own. Knows no store: the certificates are returned, the keys sealed.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::NameConstraints;

use super::folder::{CLIENT_ROOT, SERVER_ROOT};
use super::keys::{CaKey, NewKey};
use super::profile::Profiles;
use super::sealed::{Cost, Sealer};
use super::{CaError, build, chain, issuing, key_name};
use crate::domain::certificate::{Issuer, IssuerKind};
use crate::domain::{IssuerId, Secret};
use crate::world::World;

/// What the CAs of a house are called, and how far the server root reaches.
#[derive(Clone, Debug)]
pub struct CaNames {
    /// Whose house it is: "Bank Muster & Cie", "Portcullis demo".
    pub organization: String,
    /// Names (with all below them) and addresses that the server root may sign, critical in the
    /// certificate: `localhost` in the demo. Empty: any.
    pub server_names: Vec<String>,
}

/// Makes all CAs, seals their keys in files below `dir`, and returns the issuing CAs for the store.
/// Where it fails it takes away what it had written.
///
/// # Errors
/// An empty passphrase, a folder that holds keys already, and what the file system refuses.
pub fn init(dir: &Path, passphrase: &Secret, names: &CaNames, world: &World) -> Result<Vec<Issuer>, CaError> {
    init_at(dir, passphrase, names, world, Cost::FULL)
}

pub(super) fn init_at(
    dir: &Path,
    passphrase: &Secret,
    names: &CaNames,
    world: &World,
    cost: Cost,
) -> Result<Vec<Issuer>, CaError> {
    let sealer = Sealer::new(passphrase, cost, world)?;
    let profiles = Profiles::shipped()?;
    let constraints = build::constraints(&names.server_names)?;
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(CaError::file("made", dir))?;
    let mut maker =
        Maker { dir, sealer, profiles, organization: names.organization.trim(), world, written: Vec::new() };
    let shut = build::without(maker.profiles.root.clients_exclude());
    let made = maker.tree("client", CLIENT_ROOT, &[IssuerKind::Devices, IssuerKind::Staff], shut).and_then(
        |mut issuers| {
            issuers.extend(maker.tree("server", SERVER_ROOT, &[IssuerKind::Server], constraints)?);
            Ok(issuers)
        },
    );
    if made.is_err() {
        maker.take_back();
    }
    made
}

struct Maker<'a> {
    dir: &'a Path,
    sealer: Sealer,
    profiles: Profiles,
    organization: &'a str,
    world: &'a World,
    written: Vec<PathBuf>,
}

impl Maker<'_> {
    /// A root and the issuing CAs below it, which it holds to `constraints`.
    fn tree(
        &mut self,
        what: &str,
        root_name: &str,
        kinds: &[IssuerKind],
        constraints: Option<NameConstraints>,
    ) -> Result<Vec<Issuer>, CaError> {
        let now = self.world.now();
        let mut params = build::params(&self.profiles.root, self.profiles.root.validity(now)?, self.world)?;
        params.distinguished_name =
            build::name(format!("{} {what} root", self.organization), self.organization);
        params.name_constraints = constraints;
        let root_key = self.key(root_name)?;
        let root_der = params.self_signed(&root_key)?.der().to_vec();
        let root = rcgen::Issuer::from_ca_cert_der(&root_der.as_slice().into(), root_key)?;
        let mut issuers = Vec::new();
        for kind in kinds {
            let id = issuing::id(*kind, 1)?;
            let key = self.key(&key_name(&id))?;
            let by = (root_der.as_slice(), &root);
            let der = issuing::signed(&self.profiles, (*kind, 1), &key, by, self.world)?;
            let not_after = chain::validity(&read(&der, &id)?).1;
            let issuer = Issuer { id, kind: *kind, der, root_der: root_der.clone(), not_after, issues: true };
            chain::check(&issuer, now)
                .map_err(|source| CaError::Chain { issuer: issuer.id.clone(), source })?;
            issuers.push(issuer);
        }
        Ok(issuers)
    }

    /// A new key, sealed before it signs anything.
    fn key(&mut self, name: &str) -> Result<CaKey, CaError> {
        let key = NewKey::make()?;
        self.written.push(self.sealer.seal(self.dir, name, key.pkcs8(), self.world)?);
        CaKey::from_pkcs8(key.pkcs8())
    }

    fn take_back(&self) {
        for path in &self.written {
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(%error, path = %path.display(), "a CA key of an init that failed could not be removed");
            }
        }
    }
}

fn read<'a>(der: &'a [u8], id: &IssuerId) -> Result<x509_parser::certificate::X509Certificate<'a>, CaError> {
    chain::read(der).map_err(|source| CaError::Chain { issuer: id.clone(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ca::tests::{House, names, passphrase};

    #[test]
    fn five_keys_for_the_owner_alone() {
        let house = House::new();
        let mut files: Vec<String> = fs::read_dir(house.dir.path())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                entry.file_name().into_string().unwrap()
            })
            .collect();
        files.sort();
        assert_eq!(files, ["devices.key", "root.key", "server-root.key", "server.key", "staff.key"]);
    }

    #[test]
    fn a_second_init_leaves_the_first_alone() {
        let house = House::new();
        let before = fs::read(house.dir.path().join("devices.key")).unwrap();
        let again = init_at(house.dir.path(), &passphrase(), &names(), &house.world, Cost::LITTLE);
        assert!(matches!(again, Err(CaError::AlreadyThere(_))));
        assert_eq!(fs::read(house.dir.path().join("devices.key")).unwrap(), before);
    }

    #[test]
    fn a_failed_init_takes_back_what_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("server.key"), "somebody else's").unwrap();
        let failed = init_at(dir.path(), &passphrase(), &names(), &World::real(), Cost::LITTLE);
        assert!(matches!(failed, Err(CaError::AlreadyThere(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn no_passphrase_no_ca() {
        let dir = tempfile::tempdir().unwrap();
        let refused = init(dir.path(), &Secret::new(""), &names(), &World::real());
        assert!(matches!(refused, Err(CaError::NoPassphrase)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn two_roots_that_share_nothing() {
        let house = House::new();
        let [devices, staff, server] = house.issuers.as_slice() else { panic!("three") };
        assert_eq!(devices.root_der, staff.root_der);
        assert_ne!(devices.root_der, server.root_der);
        assert_ne!(devices.der, staff.der);
    }
}
