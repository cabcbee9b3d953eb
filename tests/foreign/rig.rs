//! A CA in a folder, what it issues, and the openssl command. Shared by every stranger's tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use portcullis::ca::{
    Authority, Encoding, IssueError, Issued, NewKey, ProvenKey, Settings, Subject, p12, pem_of,
};
use portcullis::domain::certificate::Issuer;
use portcullis::domain::device::{Device, DeviceState};
use portcullis::domain::grant::{Allows, Grant};
use portcullis::domain::person::{Person, Standing};
use portcullis::domain::tenant::{Brand, CertificateTerms, SessionProfile, SyncedPasskeys, Tenant};
use portcullis::domain::{DeviceId, GrantId, PersonId, Secret, TenantId};
use portcullis::store::Stored;
use portcullis::world::World;

use crate::support::laid_out::{PASSPHRASE, lay_out};

/// Where the CA's own keys lie below the folder.
pub(crate) const KEYS: &str = "data/ca";

/// The CA is opened once for all tests; unsealing its keys takes a while each time.
static OPENED: LazyLock<Arc<Authority>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let issuers = lay_out(dir.path());
    let settings = Settings { crl_url_base: "http://start.localhost:8080".to_owned() };
    let (keys, passphrase) = (dir.path().join(KEYS), Secret::new(PASSPHRASE));
    Arc::new(Authority::open(&keys, &passphrase, &issuers, World::real(), settings).unwrap())
});

/// A CA in a folder, with its certificates beside it as openssl wants them.
pub(crate) struct Ca {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) world: World,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) authority: Arc<Authority>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = World::real();
        let issuers = lay_out(dir.path());
        let authority = Arc::clone(&OPENED);
        let ca = Self { dir, world, issuers, authority };
        for issuer in &ca.issuers {
            ca.write(&format!("{}.pem", issuer.id), pem_of(&issuer.der).as_bytes());
            ca.write(&format!("{}-root.pem", issuer.id), pem_of(&issuer.root_der).as_bytes());
        }
        ca
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn issue(&self, key: ProvenKey) -> Result<Issued, IssueError> {
        let (tenant, person, device) = records(&self.world);
        let subject = Subject::of(&tenant, &person, &device).unwrap();
        let record = Grant {
            id: GrantId::parse("grant").unwrap(),
            allows: Allows::Issue {
                tenant: tenant.id,
                person: person.id,
                device: device.id,
                profile: "device".to_owned(),
            },
            evidence: "local:0".to_owned(),
            by: "local:1000".to_owned(),
            secret: None,
            expires: self.world.now().plus(Duration::from_secs(60)),
        };
        self.authority.issue(key, &Stored { record, revision: 1 }, &subject, "local:0", self.world.now())
    }

    /// `openssl verify` of a leaf below an issuer of ours.
    pub(crate) fn verify(&self, issuer: &str, leaf: &str, more: &[&str]) -> Output {
        let (root, ca, leaf) =
            (self.path(&format!("{issuer}-root.pem")), self.path(&format!("{issuer}.pem")), self.path(leaf));
        openssl(
            &[
                &["verify", "-x509_strict", "-CAfile", text(&root), "-untrusted", text(&ca)],
                more,
                &[text(&leaf)],
            ]
            .concat(),
        )
    }

    pub(crate) fn wrapped(&self, encoding: Encoding) -> (PathBuf, Secret, Issued) {
        let key = NewKey::make().unwrap();
        let issued = self.issue(key.prove().unwrap()).unwrap();
        let file = p12::wrap(key, &issued, encoding, &self.world).unwrap();
        let path = self.write(&format!("{}.p12", encoding.as_str()), &file.bytes);
        (path, file.password, issued)
    }
}

fn records(world: &World) -> (Tenant, Person, Device) {
    let created = world.now();
    let tenant = Tenant {
        id: TenantId::parse("bank").unwrap(),
        name: "Bank Muster & Cie".to_owned(),
        hosts: vec!["bank.localhost".to_owned()],
        telephone: "+41 44 000 00 00".to_owned(),
        language: "en".to_owned(),
        brand: Brand::default(),
        profile: SessionProfile::Strict,
        identified_on_incoming_call: false,
        certificates: CertificateTerms::default(),
        synced_passkeys: SyncedPasskeys::Accept,
        created,
    };
    let person = Person {
        tenant: tenant.id.clone(),
        id: PersonId::parse("anna").unwrap(),
        name: "Änna Muster".to_owned(),
        emails: Vec::new(),
        telephone: None,
        standing: Standing::Invited,
        groups: BTreeSet::new(),
        roles: BTreeSet::new(),
        created,
    };
    let device = Device {
        tenant: tenant.id.clone(),
        person: person.id.clone(),
        id: DeviceId::parse("laptop-1").unwrap(),
        name: "laptop".to_owned(),
        state: DeviceState::Issued,
        issued_by: "local:0".to_owned(),
        delivered_by: None,
        released_by: None,
        created,
    };
    (tenant, person, device)
}

pub(crate) fn openssl(arguments: &[&str]) -> Output {
    openssl_with("", arguments)
}

pub(crate) fn openssl_with(password: &str, arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).env("P", password).output().expect("openssl is installed")
}

pub(crate) fn open_p12(path: &Path, password: &str) -> Output {
    let arguments = ["pkcs12", "-in", text(path), "-passin", "env:P", "-info", "-nodes"];
    openssl_with(password, &arguments)
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
