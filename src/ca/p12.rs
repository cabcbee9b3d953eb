//! The file a client imports: key, certificate and chain under an import password.
//! Knows neither who gets it nor by which way. The key is wiped on return; p12-keystore works on
//! copies of its own, which it frees without wiping them.

use p12_keystore::{
    Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain,
};
use zeroize::Zeroizing;

use super::keys::NewKey;
use super::{CaError, Issued, import_password};
use crate::crypto;
use crate::domain::Secret;
use crate::world::World;

/// A .p12 and the password that opens it.
#[derive(Debug)]
pub struct P12 {
    /// The file.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its import password, to be told by another way than the file.
    pub password: Secret,
    /// How it is encoded.
    pub encoding: Encoding,
}

/// How a .p12 is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// PBES2 with AES-256, and a SHA-256 MAC: OpenSSL 3, NSS, Chromium, current Windows, Java 17.
    Modern,
    /// 3DES and a SHA-1 MAC: iPhone, iPad, Mac and older Windows, which refuse the other.
    Compatible,
}

impl Encoding {
    /// As the command line and the audit trail write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Compatible => "compatible",
        }
    }

    /// Reads what [`Encoding::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Modern, Self::Compatible].into_iter().find(|encoding| encoding.as_str() == text)
    }
}

/// Wraps key and chain under a password drawn here.
///
/// # Errors
/// Where the file cannot be written.
pub fn wrap(key: NewKey, issued: &Issued, encoding: Encoding, world: &World) -> Result<P12, CaError> {
    wrap_under(key, issued, encoding, import_password::draw(world))
}

/// Wraps key and chain under a password that was told before.
///
/// # Errors
/// A password that is not ASCII, and where the file cannot be written.
pub fn wrap_under(
    key: NewKey,
    issued: &Issued,
    encoding: Encoding,
    password: Secret,
) -> Result<P12, CaError> {
    import_password::check(&password)?;
    let chain = issued.chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>()?;
    let id = crypto::sha256(&issued.certificate.der);
    let entry = PrivateKeyChain::new(&id[..KEY_ID_BYTES], PrivateKey::from_der(key.pkcs8())?, chain);
    let mut store = KeyStore::new();
    store.add_entry(&friendly(&issued.common_name), KeyStoreEntry::PrivateKeyChain(entry));
    let (encryption, mac) = match encoding {
        Encoding::Modern => (EncryptionAlgorithm::PbeWithHmacSha256AndAes256, MacAlgorithm::HmacSha256),
        Encoding::Compatible => (EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc, MacAlgorithm::HmacSha1),
    };
    let bytes = store
        .writer(password.expose())
        .encryption_algorithm(encryption)
        .encryption_iterations(ITERATIONS)
        .mac_algorithm(mac)
        .mac_iterations(ITERATIONS)
        .write()?;
    Ok(P12 { bytes: Zeroizing::new(bytes), password, encoding })
}

/// A friendly name is a BMPString, which ends at U+FFFF.
fn friendly(name: &str) -> String {
    name.chars().map(|c| if u32::from(c) > 0xFFFF { '?' } else { c }).collect()
}

/// What JDK and p12-keystore write; the password's 99 bits do not lean on it.
const ITERATIONS: u32 = 10_000;

/// As long as the SHA-1 that OpenSSL puts there.
const KEY_ID_BYTES: usize = 20;

#[cfg(test)]
mod tests {
    use p12_keystore::Pkcs12ImportPolicy;

    use super::*;
    use crate::ca::tests::House;

    #[test]
    fn both_encodings_hold_key_leaf_and_chain() {
        let house = House::new();
        for encoding in [Encoding::Modern, Encoding::Compatible] {
            let key = NewKey::make().unwrap();
            let pkcs8 = key.pkcs8().clone();
            let issued = house.issue_to(key.prove().unwrap());
            let p12 = wrap(key, &issued, encoding, &house.world).unwrap();
            assert_eq!(Encoding::parse(p12.encoding.as_str()), Some(encoding));
            let read =
                KeyStore::from_pkcs12(&p12.bytes, p12.password.expose(), Pkcs12ImportPolicy::Strict).unwrap();
            let (alias, chain) = read.private_key_chain().unwrap();
            assert_eq!(alias, "Anna Muster, laptop, until 2028-11");
            assert_eq!(chain.key().as_der(), pkcs8.as_slice());
            let ders: Vec<&[u8]> = chain.certs().iter().map(Certificate::as_der).collect();
            assert_eq!(ders, issued.chain.iter().map(Vec::as_slice).collect::<Vec<_>>());
            assert!(KeyStore::from_pkcs12(&p12.bytes, "wrong", Pkcs12ImportPolicy::Strict).is_err());
            assert!(!p12.bytes.windows(32).any(|window| window == &pkcs8[36..68]));
        }
    }

    #[test]
    fn a_told_password_must_be_ascii() {
        let house = House::new();
        let key = NewKey::make().unwrap();
        let issued = house.issue_to(key.prove().unwrap());
        let refused = wrap_under(key, &issued, Encoding::Modern, Secret::new("Zürich"));
        assert!(matches!(refused, Err(CaError::BadImportPassword)));
    }

    #[test]
    fn names_beyond_the_bmp_do_not_spoil_the_file() {
        assert_eq!(friendly("𠮷田 花子"), "?田 花子");
    }
}
