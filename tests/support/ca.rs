//! Certificates past the house's own hand: a CA whose key the test holds, and what lies in a .p12.

use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
use portcullis::ca;
use portcullis::crypto::sha256;
use portcullis::domain::certificate::{Certificate, CertificateState, Issuer, IssuerKind};
use portcullis::domain::{IssuerId, Time};
use portcullis::world::World;
use x509_parser::extensions::ParsedExtension;

use super::gate::Handed;
use super::wire::Identity;

/// An issuing CA whose key is the test's.
pub(crate) struct OldCa {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    der: Vec<u8>,
}

impl OldCa {
    /// With another key, and the very name and key identifier of a CA of the house.
    pub(crate) fn like(issuer: &Issuer) -> Self {
        Self::shaped(issuer, |_| {})
    }

    /// The same, right in all but what `change` changes.
    pub(crate) fn shaped(issuer: &Issuer, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let (_, real) = x509_parser::parse_x509_certificate(&issuer.der).unwrap();
        let name = real.subject().iter_common_name().next().unwrap().as_str().unwrap();
        let organization = real.subject().iter_organization().next().unwrap().as_str().unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.distinguished_name.push(rcgen::DnType::OrganizationName, organization);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let key_id = real.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        });
        params.key_identifier_method = rcgen::KeyIdMethod::PreSpecified(key_id.expect("a key identifier"));
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: rcgen::Issuer::new(params, key), der }
    }

    /// The house's own, as it is for whoever has stolen its key (PKCS #8).
    pub(crate) fn stolen(issuer: &Issuer, key: &[u8]) -> Self {
        let key = rcgen::KeyPair::try_from(key.to_vec()).unwrap();
        let der = issuer.der.clone();
        Self { issuer: rcgen::Issuer::from_ca_cert_der(&der.as_slice().into(), key).unwrap(), der }
    }

    /// A CA below this one.
    pub(crate) fn below(&self, change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Another CA");
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        Self { issuer: rcgen::Issuer::new(params, key), der }
    }

    /// Its key, PKCS #8.
    pub(crate) fn key(&self) -> Vec<u8> {
        self.issuer.key().serialize_der()
    }

    /// Its certificate, DER.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// As the house records a CA that no longer issues.
    pub(crate) fn record(&self, id: &str) -> Issuer {
        Issuer {
            id: IssuerId::parse(id).unwrap(),
            kind: IssuerKind::Devices,
            der: self.der.clone(),
            root_der: self.der.clone(),
            not_after: Time(i64::MAX),
            issues: false,
        }
    }

    /// A certificate for somebody's device, and its record: right in all but what `change` changes.
    pub(crate) fn leaf(
        &self,
        of: &Handed,
        change: impl FnOnce(&mut rcgen::CertificateParams),
    ) -> (Identity, Certificate) {
        let mut params = rcgen::CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2090, 1, 1);
        params.is_ca = rcgen::IsCa::ExplicitNoCa;
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let uri = format!("portcullis://{}/device/{}", of.tenant, of.device);
        params.subject_alt_names = vec![rcgen::SanType::URI(uri.try_into().unwrap())];
        params.use_authority_key_identifier_extension = true;
        params.serial_number =
            Some(rcgen::SerialNumber::from(World::real().bytes::<8>().map(|b| b | 1).to_vec()));
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().to_vec();
        let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
        let record = Certificate {
            serial: ca::serial::text(read.raw_serial()),
            tenant: of.tenant.clone(),
            person: of.person.clone(),
            device: of.device.clone(),
            issuer: IssuerId::parse("devices-0").unwrap(),
            profile: "device".to_owned(),
            fingerprint: sha256(&der),
            not_before: Time::from_secs(read.validity().not_before.timestamp()),
            not_after: Time::from_secs(read.validity().not_after.timestamp()),
            state: CertificateState::Active,
            issued_by: "local:1000".to_owned(),
            der: der.clone(),
        };
        (Identity { chain: vec![der], key: key.serialize_der() }, record)
    }
}

/// Opens a .p12 as a browser does.
pub(crate) fn opened(p12: &[u8], password: &str) -> Identity {
    let store = KeyStore::from_pkcs12(p12, password, Pkcs12ImportPolicy::Strict).unwrap();
    let (_, chain) = store.private_key_chain().unwrap();
    Identity {
        // Browsers send no root.
        chain: chain.certs().iter().take(2).map(|one| one.as_der().to_vec()).collect(),
        key: chain.key().as_der().to_vec(),
    }
}
