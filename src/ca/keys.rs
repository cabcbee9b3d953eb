//! Key pairs: those that CAs sign with, those made here for somebody else, and public keys whose
//! possession was proved. Knows no certificate and no file.

use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey, SubjectPublicKeyInfo};
use zeroize::Zeroizing;

use super::CaError;
use super::der::{INTEGER, SEQUENCE, tagged};
use super::profile::Curve;
use crate::crypto::Signer;

/// A public key of which somebody has proved to hold the private one: it was made here, or it
/// signed the request it stood in. Only such a key is ever certified.
#[derive(Clone, Debug)]
pub struct ProvenKey {
    pub(super) public: SubjectPublicKeyInfo,
    pub(super) curve: Curve,
}

impl ProvenKey {
    /// The public key as it stands in the certificate: the point, uncompressed (SEC 1 2.3.3).
    #[must_use]
    pub fn point(&self) -> &[u8] {
        self.public.der_bytes()
    }
}

/// A private key made here for a device or a door: wiped when dropped, never stored, and not to
/// be copied. It leaves in a .p12 (or, for a door, as PEM) and in nothing else.
pub struct NewKey {
    pkcs8: Zeroizing<Vec<u8>>,
}

impl NewKey {
    /// Makes a P-256 key.
    ///
    /// # Errors
    /// Where the system gives no random bits.
    pub fn make() -> Result<Self, CaError> {
        let pkcs8 = Signer::generate().map_err(|_| CaError::Crypto("made a key"))?;
        Ok(Self { pkcs8 })
    }

    /// Its public key, which is ours to certify.
    ///
    /// # Errors
    /// Where the key cannot be read back.
    pub fn prove(&self) -> Result<ProvenKey, CaError> {
        let key = CaKey::from_pkcs8(&self.pkcs8)?;
        let public = SubjectPublicKeyInfo::from_der(&key.subject_public_key_info())?;
        Ok(ProvenKey { public, curve: Curve::P256 })
    }

    /// PKCS #8 DER, for the file it leaves in.
    pub(super) fn pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.pkcs8
    }
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewKey(..)")
    }
}

/// A key that signs certificates. It holds no copy of its bytes beyond the cryptography's own.
pub(super) struct CaKey(Signer);

impl CaKey {
    /// From PKCS #8 DER.
    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, CaError> {
        Signer::from_pkcs8(der).map(Self).map_err(|_| CaError::Crypto("read a P-256 key"))
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.public()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map(|fixed| der_signature(&fixed)).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// `r` and `s` side by side as the DER that X.509 has (RFC 3279 2.2.3).
fn der_signature(fixed: &[u8]) -> Vec<u8> {
    let (r, s) = fixed.split_at(fixed.len() / 2);
    let numbers = [integer(r), integer(s)].concat();
    tagged(SEQUENCE, &numbers)
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros..];
    let mut number = Vec::with_capacity(digits.len() + 1);
    // A leading one bit would make it negative; no digits at all are zero.
    if digits.first().is_none_or(|first| *first >= 0x80) {
        number.push(0);
    }
    number.extend_from_slice(digits);
    tagged(INTEGER, &number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto;

    #[test]
    fn signatures_have_the_form_of_x509() {
        let key = CaKey::from_pkcs8(NewKey::make().unwrap().pkcs8()).unwrap();
        // Often enough to meet short and high-bit numbers.
        for n in 0..600_u32 {
            let signature = key.sign(&n.to_be_bytes()).unwrap();
            assert_eq!(crypto::verify_es256_der(key.der_bytes(), &n.to_be_bytes(), &signature), Ok(()));
        }
        assert_eq!(integer(&[0, 0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0, 0x7f]), [2, 1, 0x7f]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
    }

    #[test]
    fn a_made_key_shows_nothing() {
        let key = NewKey::make().unwrap();
        assert_eq!(format!("{key:?}"), "NewKey(..)");
        assert_eq!(key.prove().unwrap().curve, Curve::P256);
    }
}
