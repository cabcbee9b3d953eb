//! The authority as a whole, with every field of what it issues read back from the DER.

mod authority;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{DistributionPointName, GeneralName, GeneralSubtree, ParsedExtension};

use super::sealed::Cost;
use super::subject::tests::subject;
use super::*;
use crate::crypto;
use crate::domain::certificate::CertificateState;
use crate::domain::{DeviceId, GrantId, PersonId, TenantId};
use crate::store::{Action, Condition};
use crate::world::{HeldClock, SystemEntropy};

pub(super) struct House {
    pub(super) dir: tempfile::TempDir,
    pub(super) clock: Arc<HeldClock>,
    pub(super) world: World,
    pub(super) issuers: Vec<Issuer>,
    pub(super) authority: Authority,
}

impl House {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(HeldClock::at(Time::from_secs(1_795_292_244)));
        let world = World { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
        let issuers = init::init_at(dir.path(), &passphrase(), &names(), &world, Cost::LITTLE).unwrap();
        let authority = open(&dir, &passphrase(), &issuers, &world).unwrap();
        Self { dir, clock, world, issuers, authority }
    }

    pub(super) fn issue_to(&self, key: ProvenKey) -> Issued {
        let subject = anna();
        self.authority.issue(key, &self.grant("device"), &subject, "local:0", self.world.now()).unwrap()
    }

    fn grant(&self, profile: &str) -> Stored<Grant> {
        let record = Grant {
            id: GrantId::parse("grant-1").unwrap(),
            allows: Allows::Issue {
                tenant: TenantId::parse("bank").unwrap(),
                person: PersonId::parse("anna").unwrap(),
                device: DeviceId::parse("laptop-1").unwrap(),
                profile: profile.to_owned(),
            },
            evidence: "local:0".to_owned(),
            by: "local:1000".to_owned(),
            secret: None,
            expires: self.world.now().plus(Duration::from_secs(900)),
        };
        Stored { record, revision: 7 }
    }

    fn refused(&self, grant: &Stored<Grant>) -> IssueError {
        let key = NewKey::make().unwrap().prove().unwrap();
        self.authority.issue(key, grant, &anna(), "local:0", self.world.now()).unwrap_err()
    }
}

pub(super) fn passphrase() -> Secret {
    Secret::new("a passphrase for tests")
}

pub(super) fn names() -> CaNames {
    CaNames { organization: "Test House".to_owned(), server_names: vec!["localhost".to_owned()] }
}

fn anna() -> Subject {
    subject("Anna Muster", "laptop", "Bank Muster & Cie").unwrap()
}

fn open(
    dir: &tempfile::TempDir,
    passphrase: &Secret,
    issuers: &[Issuer],
    world: &World,
) -> Result<Authority, CaError> {
    let settings = Settings { crl_url_base: "http://start.localhost:8080/".to_owned() };
    Authority::open(dir.path(), passphrase, issuers, world.clone(), settings)
}

fn oids(certificate: &X509Certificate<'_>) -> Vec<(String, bool)> {
    let mut oids: Vec<_> =
        certificate.iter_extensions().map(|found| (found.oid.to_id_string(), found.critical)).collect();
    oids.sort();
    oids
}

fn alternative_names<'a>(certificate: &'a X509Certificate<'_>) -> Vec<GeneralName<'a>> {
    certificate.subject_alternative_name().unwrap().unwrap().value.general_names.clone()
}

#[test]
fn a_device_certificate_holds_what_its_profile_says_and_no_more() {
    let house = House::new();
    let issued = house.issue_to(NewKey::make().unwrap().prove().unwrap());
    let record = &issued.certificate;
    let leaf = chain::read(&record.der).unwrap();
    let ca = chain::read(&house.issuers[0].der).unwrap();

    assert_eq!(leaf.version(), x509_parser::x509::X509Version::V3);
    assert_eq!(leaf.subject().to_string(), "CN=Anna Muster, laptop, until 2028-11, O=Bank Muster & Cie");
    assert_eq!(issued.common_name, "Anna Muster, laptop, until 2028-11");
    assert_eq!(leaf.issuer().as_raw(), ca.subject().as_raw());
    leaf.verify_signature(Some(ca.public_key())).unwrap();
    assert_eq!(leaf.signature_algorithm.algorithm.to_id_string(), "1.2.840.10045.4.3.2");

    let expected = [
        ("1.3.6.1.5.5.7.1.1", false), // authority information access
        ("2.5.29.14", false),         // subject key identifier
        ("2.5.29.15", true),          // key usage
        ("2.5.29.17", false),         // subject alternative name
        ("2.5.29.19", true),          // basic constraints
        ("2.5.29.31", false),         // CRL distribution points
        ("2.5.29.35", false),         // authority key identifier
        ("2.5.29.37", false),         // extended key usage
    ];
    assert_eq!(oids(&leaf), expected.map(|(oid, critical)| (oid.to_owned(), critical)));

    let constraints = leaf.basic_constraints().unwrap().unwrap().value;
    assert!(!constraints.ca && constraints.path_len_constraint.is_none());
    assert_eq!(leaf.key_usage().unwrap().unwrap().value.flags, 1, "digitalSignature alone");
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any && !usage.code_signing);
    assert!(!usage.email_protection && !usage.time_stamping && !usage.ocsp_signing && usage.other.is_empty());
    assert_eq!(alternative_names(&leaf), [GeneralName::URI("portcullis://bank/device/laptop-1")]);
    assert_eq!(chain::authority_key_id(&leaf), chain::subject_key_id(&ca));
    assert!(chain::subject_key_id(&leaf).is_some_and(|id| id.len() == 20));
    assert_eq!(crl_urls(&leaf), ["http://start.localhost:8080/crl/devices.crl"]);
    let access = leaf.iter_extensions().find_map(|found| match found.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access.accessdescs.clone()),
        _ => None,
    });
    let [ocsp] = access.as_deref().unwrap() else { panic!("{access:?}") };
    assert_eq!(ocsp.access_method.to_id_string(), "1.3.6.1.5.5.7.48.1");
    assert_eq!(ocsp.access_location, GeneralName::URI("http://start.localhost:8080/ocsp"));

    assert_eq!(record.serial, serial::text(leaf.raw_serial()));
    assert_eq!((record.not_before, record.not_after), chain::validity(&leaf));
    assert_eq!(record.not_before.to_string(), "2026-11-21T20:12:24Z");
    assert_eq!(record.not_after.to_string(), "2028-11-21T20:12:24Z");
    assert_eq!(record.fingerprint, crypto::sha256(&record.der));
    assert_eq!((record.profile.as_str(), record.issuer.as_str()), ("device", "devices"));
    assert_eq!(record.state, CertificateState::Active);
    assert_eq!(issued.chain.len(), 3);
}

fn crl_urls(certificate: &X509Certificate<'_>) -> Vec<String> {
    certificate
        .iter_extensions()
        .filter_map(|found| match found.parsed_extension() {
            ParsedExtension::CRLDistributionPoints(points) => Some(points.iter()),
            _ => None,
        })
        .flatten()
        .filter_map(|point| match &point.distribution_point {
            Some(DistributionPointName::FullName(names)) => Some(names.iter()),
            _ => None,
        })
        .flatten()
        .map(|name| match name {
            GeneralName::URI(uri) => (*uri).to_owned(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_record_and_the_spent_grant_are_one_commit() {
    let house = House::new();
    let grant = house.grant("device");
    let issued = house.issue_to(NewKey::make().unwrap().prove().unwrap());
    let [create, consume] = issued.writes.as_slice() else { panic!("two writes") };
    assert_eq!(
        (create.key.clone(), create.condition),
        (table::certificate(&issued.certificate.serial), Condition::Absent)
    );
    assert_eq!(*consume, table::consume(&grant));
    assert_eq!((consume.condition, &consume.action), (Condition::Revision(7), &Action::Delete));
}

#[test]
fn serials_are_never_the_same_and_hold_128_bits() {
    let house = House::new();
    let key = NewKey::make().unwrap();
    let serials: HashSet<String> =
        (0..100).map(|_| house.issue_to(key.prove().unwrap()).certificate.serial).collect();
    assert_eq!(serials.len(), 100);
    assert!(serials.iter().all(|serial| serial.len() <= 32 && !serial.starts_with('0')));
    assert!(serials.iter().any(|serial| serial.len() == 32));
}

#[test]
fn a_serial_with_its_first_bit_set_stays_positive_and_reads_back() {
    struct Ones;
    impl crate::world::Entropy for Ones {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0xff);
        }
    }
    let house = House::new();
    let world = World { clock: house.clock.clone(), entropy: Arc::new(Ones) };
    let authority = open(&house.dir, &passphrase(), &house.issuers, &world).unwrap();
    let key = NewKey::make().unwrap().prove().unwrap();
    let issued = authority.issue(key, &house.grant("device"), &anna(), "local:0", world.now()).unwrap();
    assert_eq!(issued.certificate.serial, "f".repeat(32));
    let leaf = chain::read(&issued.certificate.der).unwrap();
    assert_eq!(leaf.raw_serial().len(), 17);
    assert_eq!(leaf.raw_serial()[0], 0);
}

#[test]
fn a_grant_allows_exactly_what_it_says_until_it_ends() {
    let house = House::new();
    for change in ["tenant", "person", "device"] {
        let mut grant = house.grant("device");
        let Allows::Issue { tenant, person, device, .. } = &mut grant.record.allows;
        match change {
            "tenant" => *tenant = TenantId::parse("other").unwrap(),
            "person" => *person = PersonId::parse("bob").unwrap(),
            _ => *device = DeviceId::parse("laptop-2").unwrap(),
        }
        assert!(matches!(house.refused(&grant), IssueError::OtherSubject), "{change}");
    }
    for profile in ["staff", "server", "issuing", "root", "", "Device", "../device"] {
        assert!(matches!(house.refused(&house.grant(profile)), IssueError::Profile), "{profile}");
    }
    let grant = house.grant("device");
    house.clock.set(grant.record.expires);
    let error = house.refused(&grant);
    assert!(matches!(error, IssueError::GrantEnded(_)) && error.to_string().contains("ask for a new one"));
}

#[test]
fn staff_certificates_are_for_the_staff_tenant_from_a_ca_of_their_own() {
    let house = House::new();
    let (mut tenant, mut person, mut device) = subject::tests::records("Otto", "desk", "Test House");
    tenant.id = TenantId::staff();
    person.tenant = TenantId::staff();
    device.tenant = TenantId::staff();
    let otto = Subject::of(&tenant, &person, &device).unwrap();
    let grant = |profile| {
        let mut grant = house.grant(profile);
        let Allows::Issue { tenant, .. } = &mut grant.record.allows;
        *tenant = TenantId::staff();
        grant
    };
    let issue = |profile| {
        let key = NewKey::make().unwrap().prove().unwrap();
        house.authority.issue(key, &grant(profile), &otto, "local:0", house.world.now())
    };
    let issued = issue("staff").unwrap();
    assert_eq!(issued.certificate.issuer.as_str(), "staff");
    let leaf = chain::read(&issued.certificate.der).unwrap();
    assert_eq!(alternative_names(&leaf), [GeneralName::URI("portcullis://staff/device/laptop-1")]);
    assert!(matches!(issue("device"), Err(IssueError::Profile)));
}

#[test]
fn a_request_chooses_its_key_and_nothing_else() {
    let house = House::new();
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut wish = rcgen::CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
    wish.distinguished_name.push(rcgen::DnType::CommonName, "Somebody Else");
    wish.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    wish.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let request = wish.serialize_request(&key).unwrap();
    let issued = house.issue_to(ProvenKey::from_request(request.der()).unwrap());
    let leaf = chain::read(&issued.certificate.der).unwrap();
    assert_eq!(leaf.public_key().subject_public_key.data.as_ref(), key.public_key_raw());
    assert!(!leaf.is_ca());
    assert_eq!(alternative_names(&leaf), [GeneralName::URI("portcullis://bank/device/laptop-1")]);
    assert!(leaf.subject().to_string().starts_with("CN=Anna Muster"));
}
