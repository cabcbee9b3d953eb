//! Certificate requests (PKCS #10): a public key with the proof that whoever asks holds the private
//! one. Knows nothing of what the request wishes for: names and usages come from our own records
//! and profiles, never from it.

use rcgen::SubjectPublicKeyInfo;
use x509_parser::asn1_rs::Tag;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

use super::keys::ProvenKey;
use super::profile::Curve;

impl ProvenKey {
    /// Reads a request in PEM or DER and verifies that its own key signed it.
    ///
    /// # Errors
    /// What is no request, keys other than P-256 and P-384, and a signature that is not the key's.
    pub fn from_request(request: &[u8]) -> Result<Self, BadRequest> {
        if request.len() > REQUEST_BYTES_MAX {
            return Err(BadRequest::TooLong);
        }
        let der = unwrapped(request)?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| BadRequest::Unreadable)?;
        if !rest.is_empty() {
            return Err(BadRequest::Unreadable);
        }
        let spki = &request.certification_request_info.subject_pki;
        let curve = curve(spki)?;
        signed_well(&request.signature_algorithm.algorithm.to_id_string())?;
        request.verify_signature().map_err(|_| BadRequest::NotProved)?;
        let public = SubjectPublicKeyInfo::from_der(spki.raw).map_err(|_| BadRequest::Unreadable)?;
        Ok(Self { public, curve })
    }
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Beyond 16 KiB.
    #[error("the certificate request is longer than 16 KiB: send a plain PKCS #10 request")]
    TooLong,
    /// Not a request.
    #[error("this is no certificate request: send PKCS #10, as PEM (\"BEGIN CERTIFICATE REQUEST\") or DER")]
    Unreadable,
    /// The body of EST in another spelling.
    #[error(
        "the body is not plain base64 (RFC 4648 4) with line breaks at most: send the DER of the request through \
         `openssl base64`"
    )]
    NotBase64,
    /// Another kind of key, or another curve.
    #[error(
        "the request holds {0}, and only P-256 and P-384 keys are certified: make a request with \
         `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj /CN=x -out request.pem`"
    )]
    WeakKey(String),
    /// A signature that others can forge, or of a kind that no key we certify makes.
    #[error(
        "the request is signed with {0}, which proves nothing: sign it again with ECDSA and SHA-256 \
         (`openssl req -new -sha256 -key key.pem -subj /CN=x -out request.pem`)"
    )]
    WeakSignature(String),
    /// The signature does not verify.
    #[error(
        "the request is not signed by its own key, so possession is not proved: \
         make it again with the key it holds"
    )]
    NotProved,
}

fn unwrapped(request: &[u8]) -> Result<Vec<u8>, BadRequest> {
    if request.first() == Some(&DER_SEQUENCE) {
        return Ok(request.to_vec());
    }
    let pem = pem::parse(request).map_err(|_| BadRequest::Unreadable)?;
    match pem.tag() {
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Ok(pem.into_contents()),
        _ => Err(BadRequest::Unreadable),
    }
}

fn curve(spki: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> Result<Curve, BadRequest> {
    let kind = spki.algorithm.algorithm.clone();
    if kind != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return Err(BadRequest::WeakKey(other_kind(&kind.to_id_string(), spki)));
    }
    // `as_oid` alone would take any tag.
    let parameters = spki.algorithm.parameters.as_ref().filter(|one| one.tag() == Tag::Oid);
    let named = parameters.and_then(|parameters| parameters.as_oid().ok());
    let (curve, length) = match named {
        Some(oid) if oid == OID_EC_P256 => (Curve::P256, 65),
        Some(oid) if oid == OID_NIST_EC_P384 => (Curve::P384, 97),
        Some(oid) => return Err(BadRequest::WeakKey(other_curve(&oid.to_id_string()))),
        None => return Err(BadRequest::WeakKey("a key on a curve that it spells out itself".to_owned())),
    };
    let point = &spki.subject_public_key;
    if point.unused_bits != 0 || point.data.len() != length || point.data.first() != Some(&UNCOMPRESSED) {
        return Err(BadRequest::WeakKey("a key that is not an uncompressed point".to_owned()));
    }
    Ok(curve)
}

fn other_kind(oid: &str, spki: &x509_parser::x509::SubjectPublicKeyInfo<'_>) -> String {
    match (oid, spki.parsed()) {
        ("1.2.840.113549.1.1.1", Ok(PublicKey::RSA(key))) => format!("an RSA key of {} bits", key.key_size()),
        ("1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10", _) => "an RSA key".to_owned(),
        ("1.2.840.10040.4.1", _) => "a DSA key".to_owned(),
        ("1.3.101.112", _) => "an Ed25519 key".to_owned(),
        ("1.3.101.113", _) => "an Ed448 key".to_owned(),
        _ => format!("a key of another kind ({})", shortened(oid)),
    }
}

fn other_curve(oid: &str) -> String {
    let name = match oid {
        "1.2.840.10045.3.1.1" => "P-192",
        "1.3.132.0.33" => "P-224",
        "1.3.132.0.35" => "P-521",
        "1.3.132.0.10" => "secp256k1",
        _ => return format!("a key on another curve ({})", shortened(oid)),
    };
    format!("a {name} key")
}

/// ECDSA over SHA-2 (RFC 5758 3.2): collisions of SHA-1 and MD5 can be made.
fn signed_well(oid: &str) -> Result<(), BadRequest> {
    let with = match oid {
        "1.2.840.10045.4.3.2" | "1.2.840.10045.4.3.3" => return Ok(()),
        "1.2.840.10045.4.1" => "SHA-1".to_owned(),
        "1.2.840.10045.4.3.1" => "SHA-224".to_owned(),
        "1.2.840.10045.4.3.4" => "SHA-512".to_owned(),
        _ => format!("another algorithm ({}) than its key's", shortened(oid)),
    };
    Err(BadRequest::WeakSignature(with))
}

/// An object identifier may be as long as the request.
fn shortened(oid: &str) -> String {
    oid.chars().take(40).collect()
}

/// A request with a P-384 key and a dozen extensions stays below 2 KiB.
const REQUEST_BYTES_MAX: usize = 16 * 1024;

const DER_SEQUENCE: u8 = 0x30;

/// SEC 1 2.3.3.
const UNCOMPRESSED: u8 = 4;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;

    fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["wish.example".to_owned()]).unwrap();
        params.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn good_requests_prove_their_key() {
        let der = request(&PKCS_ECDSA_P256_SHA256);
        assert_eq!(ProvenKey::from_request(&der).unwrap().curve, Curve::P256);
        let armoured = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
        assert_eq!(ProvenKey::from_request(armoured.as_bytes()).unwrap().curve, Curve::P256);
        assert_eq!(ProvenKey::from_request(&request(&PKCS_ECDSA_P384_SHA384)).unwrap().curve, Curve::P384);
    }

    #[test]
    fn weak_keys_are_refused_with_the_reason() {
        let error = ProvenKey::from_request(&request(&PKCS_ED25519)).unwrap_err();
        assert!(matches!(error, BadRequest::WeakKey(_)));
        assert!(error.to_string().contains("P-256"));
    }

    #[test]
    fn no_change_of_what_is_signed_or_of_the_signature_passes() {
        let der = request(&PKCS_ECDSA_P256_SHA256);
        let (_, parsed) = X509CertificationRequest::from_der(&der).unwrap();
        let signature = der.len() - parsed.signature_value.data.len();
        let signed = 4 + parsed.certification_request_info.raw.len();
        assert_eq!(&der[4..signed], parsed.certification_request_info.raw);
        // Between the two lies the algorithm's name, whose wrapping tells nothing.
        for at in (0..signed).chain(signature..der.len()) {
            for bit in [0x01, 0x80] {
                let mut bad = der.clone();
                bad[at] ^= bit;
                assert!(ProvenKey::from_request(&bad).is_err(), "byte {at}");
            }
        }
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(ProvenKey::from_request(&longer).unwrap_err(), BadRequest::Unreadable);
        let certificate = pem::encode(&pem::Pem::new("CERTIFICATE", der));
        assert_eq!(ProvenKey::from_request(certificate.as_bytes()).unwrap_err(), BadRequest::Unreadable);
        assert_eq!(ProvenKey::from_request(&[0; 20_000]).unwrap_err(), BadRequest::TooLong);
        assert_eq!(ProvenKey::from_request(b"").unwrap_err(), BadRequest::Unreadable);
    }
}
