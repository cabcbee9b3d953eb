//! Certificate requests (PKCS #10): a public key with the proof that whoever asks holds the private
//! one. Knows nothing of what the request wishes for: names and usages come from our own records
//! and profiles, never from it.

use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384};
use x509_parser::prelude::FromDer as _;

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
    /// Another kind of key, or another curve.
    #[error(
        "the request holds {0}, and only P-256 and P-384 keys are certified: make one with \
         `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256`"
    )]
    WeakKey(&'static str),
    /// The signature does not verify.
    #[error(
        "the request is not signed by its own key (or with SHA-1), so possession is not proved: \
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
    if spki.algorithm.algorithm != OID_KEY_TYPE_EC_PUBLIC_KEY {
        return Err(BadRequest::WeakKey("a key that is not of an elliptic curve in ECDSA"));
    }
    let named = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
    let (curve, length) = match named {
        Some(oid) if oid == OID_EC_P256 => (Curve::P256, 65),
        Some(oid) if oid == OID_NIST_EC_P384 => (Curve::P384, 97),
        _ => return Err(BadRequest::WeakKey("a key on another curve")),
    };
    let point = &spki.subject_public_key;
    if point.unused_bits != 0 || point.data.len() != length || point.data.first() != Some(&UNCOMPRESSED) {
        return Err(BadRequest::WeakKey("a key that is not an uncompressed point"));
    }
    Ok(curve)
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
