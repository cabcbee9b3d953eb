//! The chosen cryptography under one name: aws-lc-rs by default, or ring. No other file
//! names either. What it does not do: keys of CAs (`ca::keys`), passwords (`auth::password`).

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs as chosen;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use ring as chosen;

#[cfg(feature = "aws-lc-rs")]
pub use rustls::crypto::aws_lc_rs as tls_provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub use rustls::crypto::ring as tls_provider;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("choose a cryptography: feature `aws-lc-rs` (the default) or `ring`");

#[cfg(feature = "aws-lc-rs")]
use webpki::aws_lc_rs as chain;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use webpki::ring as chain;

/// What may sign a client certificate: our issuing CAs have P-256 keys.
pub const CERTIFICATE_SIGNATURES: &[&dyn rustls_pki_types::SignatureVerificationAlgorithm] =
    &[chain::ECDSA_P256_SHA256];

use chosen::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use chosen::signature::{self, EcdsaKeyPair, KeyPair, UnparsedPublicKey};
use chosen::{agreement, digest, hkdf, hmac};
use zeroize::Zeroizing;

/// A cryptographic step that did not succeed; says no more, so that nothing leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic operation did not succeed")]
pub struct Failed;

/// Fills `bytes` from the system's generator. For `world` only.
///
/// # Errors
/// Where the system gives none.
pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Failed> {
    use chosen::rand::SecureRandom;
    chosen::rand::SystemRandom::new().fill(bytes).map_err(|_| Failed)
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    fixed(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// SHA-1, by which OCSP names issuers and keys (RFC 6960 4.1.1, 4.2.1): it finds them and protects nothing.
#[must_use]
pub fn sha1_as_a_name(bytes: &[u8]) -> [u8; 20] {
    let mut out = [0; 20];
    out.copy_from_slice(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref());
    out
}

/// SHA-256 over what comes in pieces.
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Over nothing yet.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "a hash of nothing is no sensible default")]
    pub fn new() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all pieces.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        fixed(self.0.finish().as_ref())
    }
}

/// Whether two byte strings are equal, in a time that depends on their lengths alone.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    use subtle::ConstantTimeEq;
    a.ct_eq(b).into()
}

/// The key under which short secrets are stored; kept in a file apart from the store
/// (ASVS 5 appendix C). A plain hash of six digits is no hash.
pub struct Pepper {
    key: hmac::Key,
    bytes: Zeroizing<[u8; 32]>,
}

impl Pepper {
    /// From 256 random bits.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &bytes), bytes: Zeroizing::new(bytes) }
    }

    /// The bits, for Argon2's secret input alone.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// HMAC-SHA-256 over a purpose and parts, each preceded by its length, so that no two
    /// lists of parts give the same text.
    #[must_use]
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        fixed(context.sign().as_ref())
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pepper(..)")
    }
}

/// Seals `plain` with AES-256-GCM; `label` is bound to it. Returns nonce, ciphertext and tag.
///
/// # Errors
/// Plain texts beyond the cipher's limit.
pub fn seal(key: &[u8; 32], nonce: [u8; 12], label: &[u8], plain: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?);
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(label), &mut sealed)
        .map_err(|_| Failed)?;
    let mut out = nonce.to_vec();
    out.append(&mut sealed);
    Ok(out)
}

/// Opens what [`seal`] made under the same key and label.
///
/// # Errors
/// Another key or label, or a changed byte.
pub fn open(key: &[u8; 32], label: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let (nonce, rest) = sealed.split_first_chunk::<12>().ok_or(Failed)?;
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).map_err(|_| Failed)?);
    let mut buffer = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(label), &mut buffer)
        .map_err(|_| Failed)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

/// Seals `plain` with AES-128-GCM under a key that is used once, as Web Push wants it (RFC 8188): ciphertext and tag.
///
/// # Errors
/// Plain texts beyond the cipher's limit.
pub fn seal_once_aes128(key: &[u8; 16], nonce: [u8; 12], plain: &[u8]) -> Result<Vec<u8>, Failed> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).map_err(|_| Failed)?);
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
        .map_err(|_| Failed)?;
    Ok(sealed)
}

/// HMAC with SHA-256.
#[must_use]
pub fn hmac_sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    fixed(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref())
}

/// HKDF with SHA-256 (RFC 5869): `N` bytes out of a secret.
///
/// # Errors
/// More bytes than HKDF gives.
pub fn hkdf_sha256<const N: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[u8],
) -> Result<Zeroizing<[u8; N]>, Failed> {
    struct Length(usize);
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut out = Zeroizing::new([0; N]);
    let (key, info) = (hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret), [info]);
    let made = key.expand(&info, Length(N)).map_err(|_| Failed)?;
    made.fill(out.as_mut()).map_err(|_| Failed)?;
    Ok(out)
}

/// Our half of one key agreement on P-256 (ECDH): good for one other, and gone.
pub struct OneAgreement {
    private: agreement::EphemeralPrivateKey,
    public: agreement::PublicKey,
}

impl OneAgreement {
    /// A new key.
    ///
    /// # Errors
    /// Where the system gives no random bits.
    pub fn begin() -> Result<Self, Failed> {
        let random = chosen::rand::SystemRandom::new();
        let private = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random);
        let private = private.map_err(|_| Failed)?;
        let public = private.compute_public_key().map_err(|_| Failed)?;
        Ok(Self { private, public })
    }

    /// Our public key, SEC1 uncompressed (65 bytes).
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.public.as_ref()
    }

    /// What only we and the holder of `theirs` (SEC1 uncompressed) can know.
    ///
    /// # Errors
    /// A public key that is no point of the curve.
    pub fn with(self, theirs: &[u8]) -> Result<Zeroizing<[u8; 32]>, Failed> {
        let theirs = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, theirs);
        let kept = |secret: &[u8]| Zeroizing::new(fixed(secret));
        #[cfg(feature = "aws-lc-rs")]
        return agreement::agree_ephemeral(self.private, theirs, Failed, |secret| Ok(kept(secret)));
        #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
        return agreement::agree_ephemeral(self.private, &theirs, kept).map_err(|_| Failed);
    }
}

/// Verifies an ECDSA signature on P-256 with SHA-256 (FIPS 186-5). `key` is SEC1
/// uncompressed, 65 bytes; `signature` is DER, as WebAuthn has it.
///
/// # Errors
/// Anything but a right signature.
pub fn verify_es256_der(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Failed> {
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, key)
        .verify(message, signature)
        .map_err(|_| Failed)
}

/// As [`verify_es256_der`], with a signature of 64 bytes (r, s), as WebCrypto and JOSE have it.
///
/// # Errors
/// Anything but a right signature.
pub fn verify_es256_fixed(key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), Failed> {
    UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key)
        .verify(message, signature)
        .map_err(|_| Failed)
}

/// A P-256 key that signs ES256 as JOSE has it (r, s; 64 bytes).
pub struct Signer {
    pair: EcdsaKeyPair,
}

impl Signer {
    /// A new key, as PKCS #8 DER.
    ///
    /// # Errors
    /// Where the system gives no random bits.
    pub fn generate() -> Result<Zeroizing<Vec<u8>>, Failed> {
        let random = chosen::rand::SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|_| Failed)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// From PKCS #8 DER.
    ///
    /// # Errors
    /// Anything but a P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, Failed> {
        let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        #[cfg(feature = "aws-lc-rs")]
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der);
        #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der, &chosen::rand::SystemRandom::new());
        pair.map(|pair| Self { pair }).map_err(|_| Failed)
    }

    /// The public key, SEC1 uncompressed (65 bytes).
    #[must_use]
    pub fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// Signs `message` (hashed with SHA-256).
    ///
    /// # Errors
    /// Where the system gives no random bits.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        let random = chosen::rand::SystemRandom::new();
        let signature = self.pair.sign(&random, message).map_err(|_| Failed)?;
        Ok(signature.as_ref().to_vec())
    }
}

fn fixed(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let pepper = Pepper::new([7; 32]);
        assert_ne!(pepper.mac("x", &[b"ab", b"c"]), pepper.mac("x", &[b"a", b"bc"]));
        assert_ne!(pepper.mac("x", &[b"a"]), pepper.mac("xa", &[]));
    }

    #[test]
    fn sealed_opens_only_whole_and_under_its_label() {
        let sealed = seal(&[1; 32], [2; 12], b"ca", b"secret").unwrap();
        assert_eq!(open(&[1; 32], b"ca", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(open(&[1; 32], b"cb", &sealed), Err(Failed));
        assert_eq!(open(&[3; 32], b"ca", &sealed), Err(Failed));
        for i in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[i] ^= 1;
            assert_eq!(open(&[1; 32], b"ca", &bad), Err(Failed), "byte {i}");
        }
    }

    #[test]
    fn two_agree_on_what_nobody_else_knows() {
        let (ours, theirs) = (OneAgreement::begin().unwrap(), OneAgreement::begin().unwrap());
        let (our_public, their_public) = (ours.public().to_vec(), theirs.public().to_vec());
        let agreed = ours.with(&their_public).unwrap();
        assert_eq!(agreed, theirs.with(&our_public).unwrap());
        let other = OneAgreement::begin().unwrap().with(&their_public).unwrap();
        assert_ne!(agreed, other);
        let mut off_the_curve = their_public;
        off_the_curve[64] ^= 1;
        assert_eq!(OneAgreement::begin().unwrap().with(&off_the_curve).err(), Some(Failed));
    }

    /// RFC 5869, test case 1.
    #[test]
    fn a_key_is_derived_as_the_standard_shows() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let salt = hex("000102030405060708090a0b0c");
        let info = hex("f0f1f2f3f4f5f6f7f8f9");
        let derived = hkdf_sha256::<42>(&salt, &[0x0b; 22], &info).unwrap();
        let wanted = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865";
        assert_eq!(derived.as_slice(), hex(wanted));
    }

    #[test]
    fn signatures_verify_and_nothing_else_does() {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let signature = signer.sign(b"text").unwrap();
        assert_eq!(verify_es256_fixed(signer.public(), b"text", &signature), Ok(()));
        assert_eq!(verify_es256_fixed(signer.public(), b"texT", &signature), Err(Failed));
    }
}
