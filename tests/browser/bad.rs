//! Certificates that must not count, signed by a CA that the gate trusts and this test has the key of.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::audit::{Entry, Event, Ledger};
use portcullis::crypto::sha256;
use portcullis::domain::certificate::{Certificate, CertificateState, Issuer, IssuerKind};
use portcullis::domain::device::Device;
use portcullis::domain::{IssuerId, PersonId, TenantId, Time};
use portcullis::store::redb::Redb;
use portcullis::store::view::View;
use portcullis::store::{Store, table};
use portcullis::world::World;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};

/// A CA for devices whose key the test has.
pub(crate) struct TestCa {
    issuer: rcgen::Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

/// A certificate to be made for a device of Anna's, once its id is known.
pub(crate) struct Spanned {
    device: &'static str,
    file: PathBuf,
    from: Time,
    until: Time,
}

impl TestCa {
    /// A new one.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "A CA of the tests");
        let der = params.self_signed(&key).expect("a certificate").der().to_vec();
        Self { issuer: rcgen::Issuer::new(params, key), der }
    }

    /// A certificate of Anna's tablet, good from and until.
    pub(crate) fn spanned(&self, file: &Path, from: Time, until: Time) -> Spanned {
        Spanned { device: "tablet", file: file.to_owned(), from, until }
    }

    /// The same of her laptop.
    pub(crate) fn of_laptop(&self, file: &Path, from: Time, until: Time) -> Spanned {
        Spanned { device: "laptop", ..self.spanned(file, from, until) }
    }

    /// Lets the gate trust this CA and know the certificates, in the store of a demo that does not run.
    pub(crate) async fn trusted_in(&self, store: &Path, certificates: &[Spanned]) {
        let world = World::real();
        let store: Arc<dyn Store> = Arc::new(Redb::create_or_open(store, world.clone()).expect("the store"));
        let view = View::follow(Arc::clone(&store), world.clone()).await.expect("the view");
        let ledger = Ledger::open(Arc::clone(&store), view, world, "one").await.expect("the ledger");
        let issuer = Issuer {
            id: IssuerId::parse("of-the-tests").expect("an id"),
            kind: IssuerKind::Devices,
            der: self.der.clone(),
            root_der: self.der.clone(),
            not_after: Time(i64::MAX),
            issues: false,
        };
        let mut writes = vec![table::create(&issuer)];
        let tenant = TenantId::parse("bank").expect("an id");
        let person = PersonId::parse("anna-muster").expect("an id");
        let devices =
            table::list::<Device>(&*store, &table::devices(&tenant, &person)).await.expect("devices");
        for one in certificates {
            let device = devices.iter().map(|read| &read.record).find(|device| device.name == one.device);
            let device = device.expect("the device");
            let uri = format!("portcullis://bank/device/{}", device.id);
            let (serial, der) = self.sign(&one.file, |leaf| {
                (leaf.not_before, leaf.not_after) = (moment(one.from), moment(one.until));
                leaf.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
            });
            writes.push(table::create(&Certificate {
                serial,
                tenant: tenant.clone(),
                person: person.clone(),
                device: device.id.clone(),
                issuer: issuer.id.clone(),
                profile: "device".to_owned(),
                fingerprint: sha256(&der),
                der,
                not_before: one.from,
                not_after: one.until,
                state: CertificateState::Active,
                issued_by: "test".to_owned(),
            }));
        }
        ledger.record(Entry::new("test", Event::CaCreated), writes).await.expect("written");
    }

    /// A device certificate with something changed, as PEM with its key.
    pub(crate) fn leaf(&self, file: PathBuf, change: impl FnOnce(&mut CertificateParams)) -> PathBuf {
        self.sign(&file, change);
        file
    }

    fn sign(&self, file: &Path, change: impl FnOnce(&mut CertificateParams)) -> (String, Vec<u8>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let now = World::real().now();
        params.not_before = moment(now.minus(Duration::from_secs(3600)));
        params.not_after = moment(now.plus(Duration::from_secs(86400)));
        params.distinguished_name.push(DnType::CommonName, "Anna Muster, laptop");
        let uri = "portcullis://bank/device/nobody-knows-this";
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("a URI"))];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(file, format!("{}{}", certificate.pem(), key.serialize_pem())).expect("a file");
        let der = certificate.der().to_vec();
        let (_, read) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
        (portcullis::ca::serial::text(read.raw_serial()), der.clone())
    }
}

fn moment<T: From<SystemTime>>(time: Time) -> T {
    let secs = u64::try_from(time.secs()).expect("after 1970");
    T::from(UNIX_EPOCH + Duration::from_secs(secs))
}
