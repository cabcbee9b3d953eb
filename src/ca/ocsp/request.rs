//! Reads a question of OCSP (RFC 6960 4.1), strictly as DER, from whoever asks. Knows no certificate.

use der::asn1::{AnyRef, IntRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _, Sequence};

use crate::crypto;
use crate::domain::certificate::Serial;

/// What somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// About which certificates: one at least.
    pub asked: Vec<Asked>,
    /// What the answer must repeat, as it came: an OCTET STRING in DER.
    pub nonce: Option<Vec<u8>>,
}

/// One certificate that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The `CertID` as it came, which the answer repeats.
    pub id: Vec<u8>,
    /// By which hash the issuer is named; `None` for one that is not known here.
    pub hash: Option<Hash>,
    /// Hash of the issuer's name.
    pub name_hash: Vec<u8>,
    /// Hash of the issuer's key.
    pub key_hash: Vec<u8>,
    /// Which of its certificates; `None` for a negative number, which none has.
    pub serial: Option<Serial>,
}

/// A hash that names issuers. It finds them and protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// What most ask by.
    Sha1,
    /// RFC 6960 4.3.
    Sha256,
}

impl Hash {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => crypto::sha1_as_a_name(bytes).to_vec(),
            Self::Sha256 => crypto::sha256(bytes).to_vec(),
        }
    }

    pub(super) const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => ObjectIdentifier::new_unwrap("1.3.14.3.2.26"),
            Self::Sha256 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"),
        }
    }
}

/// The bytes are no question: `malformedRequest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no OCSP request in DER")]
pub struct Malformed;

impl Question {
    /// Reads one, whole. A signature is not asked for and, where there is one, not looked at
    /// (RFC 6960 4.1.2): everybody may ask.
    ///
    /// # Errors
    /// Anything else, too many certificates at once, a nonce of no length or too long (RFC 9654 2.1), and
    /// an extension that must be understood and is not.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        if der.len() > BYTES_MAX {
            return Err(Malformed);
        }
        let written = Written::from_der(der).map_err(|_| Malformed)?.tbs;
        if written.version != 0 || !(1..=ASKED_MAX).contains(&written.list.len()) {
            return Err(Malformed);
        }
        let nonce = nonce(&written.extensions.unwrap_or_default())?;
        let asked = written.list.iter().map(Asked::of).collect::<Result<_, _>>()?;
        Ok(Self { asked, nonce })
    }
}

impl Asked {
    fn of(written: &One<'_>) -> Result<Self, Malformed> {
        // Of those for a single certificate none is known here.
        if written.extensions.iter().flatten().any(|extension| extension.critical) {
            return Err(Malformed);
        }
        let id = &written.id;
        let serial = id.serial.as_bytes();
        let negative = serial.first().is_none_or(|first| *first >= 0x80);
        Ok(Self {
            id: id.to_der().map_err(|_| Malformed)?,
            hash: Hash::ALL.into_iter().find(|hash| hash.oid() == id.algorithm.oid),
            name_hash: id.name_hash.as_bytes().to_vec(),
            key_hash: id.key_hash.as_bytes().to_vec(),
            serial: (!negative).then(|| crate::ca::serial::text(serial)),
        })
    }
}

fn nonce(extensions: &[Extension<'_>]) -> Result<Option<Vec<u8>>, Malformed> {
    let mut found = None;
    for extension in extensions {
        if extension.id == NONCE {
            let value = extension.value.as_bytes();
            let inner = <&OctetStringRef>::from_der(value).map_err(|_| Malformed)?;
            let length = inner.as_bytes().len();
            if found.is_some() || !(1..=NONCE_BYTES_MAX).contains(&length) {
                return Err(Malformed);
            }
            found = Some(value.to_vec());
        } else if extension.critical {
            return Err(Malformed);
        }
    }
    Ok(found)
}

/// `OCSPRequest`.
#[derive(Sequence)]
pub(super) struct Written<'a> {
    pub(super) tbs: Tbs<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) signature: Option<AnyRef<'a>>,
}

/// `TBSRequest`.
#[derive(Sequence)]
pub(super) struct Tbs<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    pub(super) version: u8,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) requestor: Option<AnyRef<'a>>,
    pub(super) list: Vec<One<'a>>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Vec<Extension<'a>>>,
}

/// `Request`.
#[derive(Sequence)]
pub(super) struct One<'a> {
    pub(super) id: CertId<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Vec<Extension<'a>>>,
}

#[derive(Sequence)]
pub(super) struct CertId<'a> {
    pub(super) algorithm: Algorithm<'a>,
    pub(super) name_hash: &'a OctetStringRef,
    pub(super) key_hash: &'a OctetStringRef,
    pub(super) serial: IntRef<'a>,
}

#[derive(Sequence)]
pub(super) struct Algorithm<'a> {
    pub(super) oid: ObjectIdentifier,
    pub(super) parameters: Option<AnyRef<'a>>,
}

/// `Extension` of RFC 5280 4.1.
#[derive(Sequence)]
pub(super) struct Extension<'a> {
    pub(super) id: ObjectIdentifier,
    #[asn1(default = "Default::default")]
    pub(super) critical: bool,
    pub(super) value: &'a OctetStringRef,
}

/// id-pkix-ocsp-nonce (RFC 9654 2.1).
pub(super) const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// RFC 9654 2.1.
const NONCE_BYTES_MAX: usize = 128;

/// More than a question about as many certificates as are answered for needs; the plain listener reads no more.
pub const BYTES_MAX: usize = 16 * 1024;

/// A server that staples asks about one, a client about its chain.
const ASKED_MAX: usize = 32;
