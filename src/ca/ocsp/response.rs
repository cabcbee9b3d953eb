//! Writes an answer of OCSP (RFC 6960 4.2) as DER. Knows no certificate and no key.

use std::time::Duration;

use der::asn1::{AnyRef, BitStringRef, GeneralizedTime, Null, ObjectIdentifier, OctetStringRef};
use der::{Choice, Decode as _, Encode as _, Enumerated, Sequence};

use super::Standing;
use super::request::{Asked, Extension, NONCE};
use crate::ca::CaError;
use crate::domain::Time;
use crate::domain::certificate::RevocationReason;

/// What an answer says, but for its signature.
pub(super) struct Said<'a> {
    /// SHA-1 of the key that signs it.
    pub(super) responder: &'a [u8],
    pub(super) verdicts: &'a [(&'a Asked, Standing)],
    pub(super) nonce: Option<&'a [u8]>,
    /// When it is given.
    pub(super) now: Time,
    /// Until when it counts.
    pub(super) until: Time,
}

impl Said<'_> {
    /// `ResponseData`: what is signed.
    pub(super) fn data(&self) -> Result<Vec<u8>, CaError> {
        self.written().and_then(|data| data.to_der()).map_err(unwritten)
    }

    fn written(&self) -> der::Result<Data<'_>> {
        let responses = self.verdicts.iter().map(|(asked, standing)| {
            Ok(Single {
                id: AnyRef::from_der(&asked.id)?,
                status: status(*standing)?,
                this_update: moment(self.now)?,
                next_update: Some(moment(self.until)?),
            })
        });
        let nonce = self.nonce.map(|nonce| {
            let value = OctetStringRef::new(nonce)?;
            Ok::<_, der::Error>(vec![Extension { id: NONCE, critical: false, value }])
        });
        Ok(Data {
            responder: Responder::ByKey(OctetStringRef::new(self.responder)?),
            produced_at: moment(self.now)?,
            responses: responses.collect::<der::Result<_>>()?,
            extensions: nonce.transpose()?,
        })
    }
}

/// A whole answer: what was signed, the signature, and the certificate of the key that signed.
pub(super) fn whole(data: &[u8], signature: &[u8], certificate: &[u8]) -> Result<Vec<u8>, CaError> {
    let write = || {
        let basic = Basic {
            data: AnyRef::from_der(data)?,
            algorithm: Algorithm { oid: ECDSA_WITH_SHA256 },
            signature: BitStringRef::from_bytes(signature)?,
            certificates: Some(vec![AnyRef::from_der(certificate)?]),
        };
        let basic = basic.to_der()?;
        let bytes = Bytes { kind: BASIC, response: OctetStringRef::new(&basic)? };
        Whole { status: Status::Successful, bytes: Some(bytes) }.to_der()
    };
    write().map_err(unwritten)
}

/// An answer that says only that there is none. Nobody signs it (RFC 6960 2.3).
pub(super) fn refusal(status: Status) -> Vec<u8> {
    // SEQUENCE { ENUMERATED }: written by hand, since it must not fail.
    vec![0x30, 0x03, 0x0a, 0x01, status as u8]
}

fn status(standing: Standing) -> der::Result<CertStatus> {
    Ok(match standing {
        Standing::Good => CertStatus::Good(Null),
        Standing::Unknown => CertStatus::Unknown(Null),
        Standing::Revoked { at, reason } => CertStatus::Revoked(Revoked {
            at: moment(at)?,
            // Not said where it is unspecified, as in lists (RFC 5280 5.3.1).
            reason: reason_code(reason),
        }),
    })
}

fn moment(time: Time) -> der::Result<GeneralizedTime> {
    GeneralizedTime::from_unix_duration(Duration::from_secs(u64::try_from(time.secs()).unwrap_or(0)))
}

fn unwritten(_: der::Error) -> CaError {
    CaError::Crypto("wrote an OCSP answer: check the machine's clock")
}

const fn reason_code(reason: RevocationReason) -> Option<Reason> {
    match reason {
        RevocationReason::Unspecified => None,
        RevocationReason::KeyCompromise => Some(Reason::KeyCompromise),
        RevocationReason::AffiliationChanged => Some(Reason::AffiliationChanged),
        RevocationReason::Superseded => Some(Reason::Superseded),
        RevocationReason::CessationOfOperation => Some(Reason::CessationOfOperation),
        RevocationReason::PrivilegeWithdrawn => Some(Reason::PrivilegeWithdrawn),
    }
}

/// `OCSPResponse`.
#[derive(Sequence)]
pub(super) struct Whole<'a> {
    pub(super) status: Status,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) bytes: Option<Bytes<'a>>,
}

/// `OCSPResponseStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum Status {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
}

/// `ResponseBytes`.
#[derive(Sequence)]
pub(super) struct Bytes<'a> {
    pub(super) kind: ObjectIdentifier,
    pub(super) response: &'a OctetStringRef,
}

/// `BasicOCSPResponse`.
#[derive(Sequence)]
pub(super) struct Basic<'a> {
    pub(super) data: AnyRef<'a>,
    pub(super) algorithm: Algorithm,
    pub(super) signature: BitStringRef<'a>,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) certificates: Option<Vec<AnyRef<'a>>>,
}

/// Of ECDSA, which has no parameters (RFC 5758 3.2).
#[derive(Sequence)]
pub(super) struct Algorithm {
    pub(super) oid: ObjectIdentifier,
}

/// `ResponseData`.
#[derive(Sequence)]
pub(super) struct Data<'a> {
    pub(super) responder: Responder<'a>,
    pub(super) produced_at: GeneralizedTime,
    pub(super) responses: Vec<Single<'a>>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Vec<Extension<'a>>>,
}

/// `ResponderID`: by key, as RFC 5019 2.2.1 has it.
#[derive(Choice)]
pub(super) enum Responder<'a> {
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(&'a OctetStringRef),
}

/// `SingleResponse`.
#[derive(Sequence)]
pub(super) struct Single<'a> {
    pub(super) id: AnyRef<'a>,
    pub(super) status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
}

#[derive(Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(Revoked),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

/// `RevokedInfo`.
#[derive(Sequence)]
pub(super) struct Revoked {
    pub(super) at: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) reason: Option<Reason>,
}

/// `CRLReason` (RFC 5280 5.3.1), those that we use.
#[derive(Clone, Copy, Enumerated)]
#[repr(u8)]
pub(super) enum Reason {
    KeyCompromise = 1,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    PrivilegeWithdrawn = 9,
}

/// id-pkix-ocsp-basic.
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
