//! The authority as a whole, with every field of what it issues read back from the DER.

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

fn nobody() -> Vec<GeneralSubtree<'static>> {
    let names = [GeneralName::DNSName("nobody.invalid"), GeneralName::RFC822Name("nobody.invalid")];
    names.map(|base| GeneralSubtree { base }).to_vec()
}

#[test]
fn cas_are_what_their_profiles_say() {
    let house = House::new();
    for issuer in &house.issuers {
        chain::check(issuer, house.world.now()).unwrap();
        for (der, path_length) in [(&issuer.der, 0), (&issuer.root_der, 1)] {
            let ca = chain::read(der).unwrap();
            let constraints = ca.basic_constraints().unwrap().unwrap();
            assert!(constraints.critical && constraints.value.ca);
            assert_eq!(constraints.value.path_len_constraint, Some(path_length));
            let usage = ca.key_usage().unwrap().unwrap().value;
            assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
            assert!(ca.extended_key_usage().unwrap().is_none());
            let limited = ca.name_constraints().unwrap().unwrap();
            assert!(limited.critical, "{}", issuer.id);
            if issuer.kind != IssuerKind::Server {
                assert_eq!(*limited.value.permitted_subtrees.as_ref().unwrap(), nobody());
                let shut = limited.value.excluded_subtrees.as_ref().unwrap();
                let shut: Vec<_> = shut.iter().map(|tree| tree.base.clone()).collect();
                let (v4, v6) = ([0; 8], [0; 32]);
                let all =
                    [GeneralName::DNSName(""), GeneralName::IPAddress(&v4), GeneralName::IPAddress(&v6)];
                assert_eq!(shut, all);
            }
        }
    }
    let server = chain::read(&house.issuers[2].root_der).unwrap();
    let permitted = server.name_constraints().unwrap().unwrap().value.permitted_subtrees.clone().unwrap();
    assert_eq!(permitted.len(), 1);
    assert_eq!(permitted[0].base, GeneralName::DNSName("localhost"));
}

#[test]
fn a_ca_that_is_not_in_force_issues_nothing_and_none_outlives_it() {
    let house = House::new();
    let until = house.issuers[0].not_after;
    house.clock.set(until.minus(Duration::from_secs(24 * 3600)));
    let issued = house.issue_to(NewKey::make().unwrap().prove().unwrap());
    assert_eq!(issued.certificate.not_after, until);
    assert!(issued.common_name.ends_with(&until.format("until %Y-%m")));
    house.clock.set(until);
    let error = house.refused(&house.grant("device"));
    assert!(matches!(error, IssueError::Ca(CaError::IssuerNotInForce { .. })), "{error}");
    house.clock.set(Time::from_secs(0));
    assert!(matches!(
        house.refused(&house.grant("device")),
        IssueError::Ca(CaError::IssuerNotInForce { .. })
    ));
}

#[test]
fn the_authority_opens_with_its_own_passphrase_keys_and_certificates_alone() {
    let house = House::new();
    let other = House::new();
    let wrong = open(&house.dir, &Secret::new("another"), &house.issuers, &house.world);
    assert!(matches!(wrong, Err(CaError::WrongPassphrase(_))));
    let empty = open(&house.dir, &Secret::new(""), &house.issuers, &house.world);
    assert!(matches!(empty, Err(CaError::NoPassphrase)));
    let foreign = open(&house.dir, &passphrase(), &other.issuers, &house.world);
    assert!(matches!(foreign, Err(CaError::OtherKey { .. })));

    let mut mixed = house.issuers.clone();
    mixed[0].root_der = other.issuers[0].root_der.clone();
    let mixed = open(&house.dir, &passphrase(), &mixed, &house.world);
    assert!(matches!(mixed, Err(CaError::Chain { source: chain::ChainFault::NotOfRoot, .. })));

    let mut leaf = house.issuers.clone();
    leaf[0].der = house.issue_to(NewKey::make().unwrap().prove().unwrap()).certificate.der;
    let leaf = open(&house.dir, &passphrase(), &leaf, &house.world);
    assert!(matches!(leaf, Err(CaError::Chain { source: chain::ChainFault::NotACa, .. })));

    std::fs::remove_file(house.dir.path().join("devices.key")).unwrap();
    assert!(matches!(
        open(&house.dir, &passphrase(), &house.issuers, &house.world),
        Err(CaError::File { .. })
    ));
    let mut retired = house.issuers.clone();
    retired[0].issues = false;
    let retired = open(&house.dir, &passphrase(), &retired, &house.world).unwrap();
    assert_eq!(retired.issuers().count(), 2);
}

#[test]
fn doors_get_their_own_names_and_only_servers_usage() {
    let house = House::new();
    let names = ["bank.localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = house.authority.issue_server(&names, house.world.now()).unwrap();
    let ders = pem::parse_many(&server.chain_pem).unwrap();
    assert_eq!(ders.len(), 2);
    let leaf = chain::read(ders[0].contents()).unwrap();
    let expected = [GeneralName::DNSName("bank.localhost"), GeneralName::IPAddress(&[127, 0, 0, 1])];
    assert_eq!(alternative_names(&leaf), expected);
    let usage = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.server_auth && !usage.client_auth);
    assert!(!leaf.is_ca());
    assert_eq!(server.not_after, chain::validity(&leaf).1);
    assert!(server.key_pem.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    for bad in [
        "",
        "*.localhost",
        "Bank.localhost",
        "a b",
        "bank..localhost",
        "bank.localhost.",
        "-a",
        "ä.ch",
        "a\0b",
    ] {
        let refused = house.authority.issue_server(&[bad.to_owned()], house.world.now());
        assert!(matches!(refused, Err(CaError::BadName(_))), "{bad:?}");
    }
    assert!(house.authority.issue_server(&[], house.world.now()).is_err());
}

#[test]
fn revocation_lists_are_fetched_without_tls_and_without_a_path() {
    assert_eq!(url_base("http://start.localhost:8080/").unwrap(), "http://start.localhost:8080");
    for bad in
        ["", "https://a", "start.localhost", "http://", "http://a/b", "http://a?b", "ftp://a", "http://a b"]
    {
        assert!(url_base(bad).is_err(), "{bad}");
    }
}
