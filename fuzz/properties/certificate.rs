//! A client's certificate, from what a handshake brings to the identity in it. The first byte says whether the
//! rest is a certificate as it came, or what a certificate says, which our own CA then signs: bytes that nobody
//! signed seldom come far.

use std::sync::{Arc, LazyLock};

use portcullis::auth::certificate::{Judge, Presented};
use portcullis::auth::evidence::CertificateEvidence;
use portcullis::crypto::{Signer, sha256, verify_es256_der};
use portcullis::domain::certificate::{Identity, Issuer, IssuerKind};
use portcullis::domain::{IssuerId, Reason, TenantId, Time};
use portcullis::store::redb::Redb;
use portcullis::store::view::View;
use portcullis::store::{Store, table};
use portcullis::world::World;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::Heard;

/// Only what our CA signed for a client alone, with one identity in its one spelling, is ours; and what is
/// ours proves nobody while it stands in no register.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Some((kind, rest)) = data.split_first() else { return Heard::Refused };
    let der = if kind & 1 == 0 { rest.to_vec() } else { HOUSE.signed(rest) };
    let presented = HOUSE.judge.read(&[&der]);
    // What else a client sends makes no difference.
    let with_more = HOUSE.judge.read(&[der.as_slice(), rest, &HOUSE.ca]);
    assert_eq!(format!("{with_more:?}"), format!("{presented:?}"));
    let bank = TenantId::parse("bank").expect("an id");
    let standing = HOUSE.judge.stand(&presented, &bank, Time(1_795_292_244_000));
    assert!(matches!(standing, CertificateEvidence::Rejected { .. }), "{standing:?}");
    match &presented {
        Presented::Nothing => panic!("something was shown"),
        Presented::Worthless { reason, .. } => {
            assert!(matches!(reason, Reason::ForeignIssuer | Reason::WrongPurpose), "{reason:?}");
            if *reason == Reason::WrongPurpose {
                assert!(HOUSE.signed_it(&der), "only who holds what we signed is told more");
            }
            Heard::Refused
        }
        Presented::Ours(_) => {
            assert!(HOUSE.signed_it(&der));
            assert_eq!(presented.fingerprint(), Some(&sha256(&der)));
            must_be_a_clients(&der);
            assert!(
                matches!(standing, CertificateEvidence::Rejected { reason: Reason::UnknownDevice, .. }),
                "{standing:?}"
            );
            Heard::Accepted
        }
    }
}

/// Read again, for what a client's certificate must and may say.
fn must_be_a_clients(der: &[u8]) {
    let (rest, read) = X509Certificate::from_der(der).expect("it is a certificate");
    assert!(rest.is_empty(), "bytes behind it");
    let usage = read.extended_key_usage().expect("once").expect("it names its purpose").value;
    let mut bare = usage.clone();
    bare.client_auth = false;
    let others = bare.any
        || bare.server_auth
        || bare.code_signing
        || bare.email_protection
        || bare.time_stamping
        || bare.ocsp_signing
        || !bare.other.is_empty();
    assert!(usage.client_auth && !others, "{usage:?}");
    let basic = read.basic_constraints().expect("once").expect("it says whether it is a CA").value;
    assert!(!basic.ca, "a CA");
    let names = read.subject_alternative_name().expect("once").expect("it has a name").value;
    let [GeneralName::URI(uri)] = names.general_names.as_slice() else { panic!("{names:?}") };
    assert_eq!(Identity::parse(uri).expect("our URI").uri(), *uri);
}

/// A house with one CA and nobody in its register.
struct House {
    judge: Judge,
    signer: Signer,
    ca: Vec<u8>,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Fuzz CA");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let ca = params.self_signed(&key).expect("a CA").der().to_vec();
    let issuer = Issuer {
        id: IssuerId::parse("devices").expect("an id"),
        kind: IssuerKind::Devices,
        der: ca.clone(),
        root_der: ca.clone(),
        not_after: Time(i64::MAX),
        issues: false,
    };
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::real();
    let store = Redb::create_or_open(&folder.path().join("store"), world.clone()).expect("a store");
    let store: Arc<dyn Store> = Arc::new(store);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let view = runtime.block_on(async {
        store.commit(vec![table::create(&issuer)]).await.expect("a commit");
        View::follow(Arc::clone(&store), world).await.expect("a view")
    });
    let signer = Signer::from_pkcs8(&key.serialize_der()).expect("a P-256 key");
    House { judge: Judge::new(view), signer, ca }
});

impl House {
    /// A certificate of ours that says `tbs`.
    fn signed(&self, tbs: &[u8]) -> Vec<u8> {
        let signature = der_signature(&self.signer.sign(tbs).expect("a signature"));
        let bits = [&[0][..], &signature].concat();
        tlv(0x30, &[tbs, ECDSA_WITH_SHA256, &tlv(0x03, &bits)].concat())
    }

    fn signed_it(&self, der: &[u8]) -> bool {
        X509Certificate::from_der(der).is_ok_and(|(_, read)| {
            let (tbs, signature) = (read.tbs_certificate.as_ref(), read.signature_value.as_ref());
            verify_es256_der(self.signer.public(), tbs, signature).is_ok()
        })
    }
}

/// The DER of a signature of 64 bytes (RFC 3279 2.2.3).
pub(crate) fn der_signature(fixed: &[u8]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let start = half.iter().position(|byte| *byte != 0).unwrap_or(half.len() - 1);
        let positive = if half[start] & 0x80 == 0 { &[][..] } else { &[0][..] };
        tlv(0x02, &[positive, &half[start..]].concat())
    };
    tlv(0x30, &[integer(&fixed[..32]), integer(&fixed[32..])].concat())
}

pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = length.to_be_bytes();
            let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len() - 1);
            out.push(0x80 | u8::try_from(bytes.len() - start).unwrap_or(0));
            out.extend_from_slice(&bytes[start..]);
        }
    }
    out.extend_from_slice(content);
    out
}

/// AlgorithmIdentifier of ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
