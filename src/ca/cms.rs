//! A file signed by an issuing CA, as CMS SignedData (RFC 5652) around it, with the CA's chain inside. Knows
//! not what the file says.

use rcgen::SigningKey as _;

use super::der::{
    CONTEXT_0, GENERALIZED_TIME, INTEGER, OCTETS, OID, SEQUENCE, SET, UTC_TIME, around, sorted, tagged,
};
use super::{CaError, Issuing};
use crate::crypto;
use crate::domain::Time;

impl Issuing {
    /// `content` signed by this CA's key at `now`, ECDSA with SHA-256.
    pub(super) fn sign_file(&self, content: &[u8], now: Time) -> Result<Vec<u8>, CaError> {
        let (name, serial) = {
            let own = self.read(&self.issuer.der)?;
            (own.tbs_certificate.issuer.as_raw().to_vec(), own.raw_serial().to_vec())
        };
        let attributes = sorted(vec![
            attribute(CONTENT_TYPE, &tagged(OID, DATA)),
            attribute(MESSAGE_DIGEST, &tagged(OCTETS, &crypto::sha256(content))),
            attribute(SIGNING_TIME, &moment(now)),
        ]);
        // What is signed is the attributes as a SET OF, not as they stand in the message (RFC 5652 5.4).
        let key = self.signer.key();
        let signature = key.sign(&tagged(SET, &attributes))?;
        let sha256 = around(SEQUENCE, &[&tagged(OID, SHA_256)]);
        let signer = around(
            SEQUENCE,
            &[
                &tagged(INTEGER, &[1]),
                &around(SEQUENCE, &[&name, &tagged(INTEGER, &serial)]),
                &sha256,
                &tagged(CONTEXT_0, &attributes),
                &around(SEQUENCE, &[&tagged(OID, ECDSA_WITH_SHA_256)]),
                &tagged(OCTETS, &signature),
            ],
        );
        let mut chain = vec![self.issuer.der.clone()];
        if self.issuer.root_der != self.issuer.der {
            chain.push(self.issuer.root_der.clone());
        }
        let inside = around(SEQUENCE, &[&tagged(OID, DATA), &tagged(CONTEXT_0, &tagged(OCTETS, content))]);
        let signed = around(
            SEQUENCE,
            &[
                &tagged(INTEGER, &[1]),
                &tagged(SET, &sha256),
                &inside,
                &tagged(CONTEXT_0, &sorted(chain)),
                &tagged(SET, &signer),
            ],
        );
        Ok(around(SEQUENCE, &[&tagged(OID, SIGNED_DATA), &tagged(CONTEXT_0, &signed)]))
    }
}

fn attribute(kind: &[u8], value: &[u8]) -> Vec<u8> {
    around(SEQUENCE, &[&tagged(OID, kind), &tagged(SET, value)])
}

/// UTCTime up to 2049, GeneralizedTime from then on (RFC 5652 11.3).
fn moment(now: Time) -> Vec<u8> {
    let year: i32 = now.format("%Y").parse().unwrap_or_default();
    if (1950..2050).contains(&year) {
        tagged(UTC_TIME, now.format("%y%m%d%H%M%SZ").as_bytes())
    } else {
        tagged(GENERALIZED_TIME, now.format("%Y%m%d%H%M%SZ").as_bytes())
    }
}

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.3
const CONTENT_TYPE: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x03];
/// 1.2.840.113549.1.9.4
const MESSAGE_DIGEST: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x04];
/// 1.2.840.113549.1.9.5
const SIGNING_TIME: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x09, 0x05];
/// 2.16.840.1.101.3.4.2.1
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// 1.2.840.10045.4.3.2
const ECDSA_WITH_SHA_256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
