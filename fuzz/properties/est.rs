//! The body of EST's enrolment. The first byte says whether the rest is a body as it came, or what a request
//! says, which a key then signs in whose point's place sevens stand: bytes that nobody signed seldom come far.

use std::sync::LazyLock;

use data_encoding::{BASE64, BASE64_MIME};
use portcullis::ca::est;
use portcullis::crypto::{Signer, verify_es256_der};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::Heard;
use super::certificate::{der_signature, tlv};

/// A body that is taken is base64 and line breaks alone, and holds one request that its own key signed with
/// ECDSA; the key that comes of it is that one, however the lines are broken, and no changed bit passes.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Some((kind, rest)) = data.split_first() else { return Heard::Refused };
    let body = if kind & 1 == 0 { rest.to_vec() } else { BASE64_MIME.encode(&signed(rest)).into_bytes() };
    let Ok(key) = est::request(&body) else { return Heard::Refused };
    assert!(body.len() <= est::BODY_BYTES_MAX);
    let digits: Vec<u8> = body.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let der = BASE64.decode(&digits).expect("plain base64");
    assert_eq!(BASE64.encode(&der).into_bytes(), digits, "one spelling");
    let (behind, request) = X509CertificationRequest::from_der(&der).expect("a request");
    assert!(behind.is_empty(), "bytes behind it");
    let info = &request.certification_request_info;
    assert_eq!(info.subject_pki.subject_public_key.data.as_ref(), key.point());
    assert!(matches!(key.point().len(), 65 | 97) && key.point()[0] == 4);
    let with = request.signature_algorithm.algorithm.to_id_string();
    assert!(["1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"].contains(&with.as_str()), "{with}");
    let signature = request.signature_value.data.as_ref();
    if key.point().len() == 65 && with.ends_with(".2") {
        assert!(verify_es256_der(key.point(), info.raw, signature).is_ok(), "possession is proved");
    }
    let broken: Vec<u8> = digits.iter().flat_map(|digit| [*digit, b'\r', b'\n']).collect();
    match est::request(&broken) {
        Ok(same) => assert_eq!(same.point(), key.point()),
        Err(_) => assert!(broken.len() > est::BODY_BYTES_MAX),
    }
    for blank in [b' ', b'\t', b'-', 0] {
        assert!(est::request(&[&digits[..], &[blank]].concat()).is_err(), "{blank:#x} behind it");
    }
    let mut changed = der.clone();
    *changed.last_mut().expect("a signature") ^= 1;
    assert!(est::request(BASE64.encode(&changed).as_bytes()).is_err(), "a changed signature");
    Heard::Accepted
}

/// A request that says `info`, by a key of ours where it leaves room for one.
fn signed(info: &[u8]) -> Vec<u8> {
    let mut info = info.to_vec();
    if let Some(at) = info.windows(ROOM.len()).position(|window| window == ROOM) {
        info[at..at + ROOM.len()].copy_from_slice(SIGNER.public());
    }
    let signature = der_signature(&SIGNER.sign(&info).expect("a signature"));
    tlv(0x30, &[&info, ECDSA_WITH_SHA256, &tlv(0x03, &[&[0][..], &signature].concat())].concat())
}

/// Where the key's point comes.
pub(crate) const ROOM: &[u8] = &[7; 65];

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::from_pkcs8(&Signer::generate().expect("random bits")).expect("a key"));

/// AlgorithmIdentifier of ecdsa-with-SHA256.
const ECDSA_WITH_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
