//! What EST carries (RFC 7030, RFC 8951): requests and certificates in base64. Knows no HTTP and no grant.

use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos};
use data_encoding::{BASE64, BASE64_MIME};
use der::asn1::{ObjectIdentifier, SetOfVec};
use der::{Any, Decode as _, Encode as _};
use x509_cert::Certificate;

use super::CaError;
use super::keys::ProvenKey;
use super::request::BadRequest;

/// Reads the body of `simpleenroll` and `simplereenroll`: a PKCS #10 request in base64, with line breaks or
/// without (RFC 8951 3.1), and nothing else.
///
/// # Errors
/// [`BadRequest`].
pub fn request(body: &[u8]) -> Result<ProvenKey, BadRequest> {
    if body.len() > BODY_BYTES_MAX {
        return Err(BadRequest::TooLong);
    }
    let digits: Vec<u8> = body.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let der = BASE64.decode(&digits).map_err(|_| BadRequest::NotBase64)?;
    if der.first() != Some(&DER_SEQUENCE) {
        return Err(BadRequest::Unreadable);
    }
    ProvenKey::from_request(&der)
}

/// Certificates and nothing else, as a CMS message that nobody signed (RFC 7030 4.1.3, RFC 5652 5.1), in
/// base64 with lines as MIME has them.
///
/// # Errors
/// What is no certificate.
pub fn certs_only(certificates: &[impl AsRef<[u8]>]) -> Result<String, CaError> {
    Ok(in_lines(&message(certificates).map_err(CaError::Message)?))
}

fn message(certificates: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, der::Error> {
    let mut set = SetOfVec::new();
    for certificate in certificates {
        set.insert(CertificateChoices::Certificate(Certificate::from_der(certificate.as_ref())?))?;
    }
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo { econtent_type: ID_DATA, econtent: None },
        certificates: Some(CertificateSet(set)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::new()),
    };
    ContentInfo { content_type: ID_SIGNED_DATA, content: Any::encode_from(&signed)? }.to_der()
}

/// What a request should hold (RFC 7030 4.5.2): an elliptic-curve key on P-256, signed with ECDSA and SHA-256.
#[must_use]
pub fn wished_attributes() -> String {
    in_lines(WISHED)
}

fn in_lines(der: &[u8]) -> String {
    BASE64_MIME.encode(der)
}

/// The longest body: a request of 16 KiB in base64 has 22.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// `SEQUENCE { SEQUENCE { ecPublicKey, SET { prime256v1 } }, ecdsa-with-SHA256 }`.
const WISHED: &[u8] = &[
    0x30, 0x21, 0x30, 0x15, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x31, 0x0a, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,
    0x02,
];

/// RFC 5652 4 and 5.1.
const ID_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ID_SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");

const DER_SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn der() -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn base64_is_read_with_line_breaks_and_without_and_in_no_other_spelling() {
        let der = der();
        let (plain, lines) = (BASE64.encode(&der), BASE64_MIME.encode(&der));
        for good in [plain.clone(), lines.clone(), lines.replace('\r', ""), format!("\n{plain}\r\n")] {
            assert!(request(good.as_bytes()).is_ok(), "{good}");
        }
        let urlsafe = plain.replace('+', "-").replace('/', "_");
        assert_ne!(urlsafe, plain);
        for bad in [
            urlsafe,
            format!("{plain} "),
            format!("{plain}="),
            format!("{plain}AAAA"),
            plain[1..].to_owned(),
            plain.trim_end_matches('=').to_owned() + "!",
            String::new(),
            BASE64.encode(pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der.clone())).as_bytes()),
            pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der)),
        ] {
            assert!(request(bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(request(&[b'A'; BODY_BYTES_MAX + 1]).unwrap_err(), BadRequest::TooLong);
    }

    #[test]
    fn a_message_holds_the_certificates_as_they_are() {
        let certificates: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                let key = KeyPair::generate().unwrap();
                CertificateParams::default().self_signed(&key).unwrap().der().to_vec()
            })
            .collect();
        let message = message(&certificates).unwrap();
        for certificate in &certificates {
            assert!(message.windows(certificate.len()).any(|window| window == certificate.as_slice()));
        }
        assert!(certs_only(&[b"no certificate"]).is_err());
    }
}
