//! What a phone's authenticator says when it approves: client data and authenticator data, signed here by the
//! right key, so that all that stands in the way is what they say. A counter byte comes first.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use portcullis::auth::phone::webauthn::{Assertion, Known, RelyingParty};
use portcullis::crypto::{Signer, sha256};
use serde_json::Value;

use super::certificate::der_signature;
use super::{Heard, two};

/// What counts was said at our origin, over our challenge, by a person who was there and unlocked the phone,
/// with a counter that went forward, and was signed by this key over these bytes.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let Some((last, rest)) = data.split_first() else { return Heard::Refused };
    let (client_data, authenticator_data) = two(rest);
    let party = party();
    let challenge = challenge();
    let known = Known { key: SIGNER.public(), sign_count: u32::from(*last) };
    let signed = [authenticator_data, &sha256(client_data)].concat();
    let signature = der_signature(&SIGNER.sign(&signed).expect("a signature"));
    let assertion = Assertion {
        client_data: client_data.to_vec(),
        authenticator_data: authenticator_data.to_vec(),
        signature,
    };
    let Ok(asserted) = party.asserted(&challenge, known, &assertion) else { return Heard::Refused };

    must_be_ours(client_data, "webauthn.get", &challenge);
    let flags = flags_of(authenticator_data);
    let count = u32::from_be_bytes(authenticator_data[33..37].try_into().expect("four bytes"));
    assert_eq!(asserted.sign_count(), count);
    assert!(count > known.sign_count || (count == 0 && known.sign_count == 0), "{count} after {last}");
    assert!(flags & 0xc0 != 0 || authenticator_data.len() == 37, "bytes behind it");

    let refused = |challenge: &[u8], key: &[u8], change: fn(&mut Assertion)| {
        let mut changed = assertion.clone();
        change(&mut changed);
        party.asserted(challenge, Known { key, ..known }, &changed).is_err()
    };
    assert!(refused(&sha256(b"another"), known.key, |_| {}), "another challenge");
    assert!(refused(&challenge, STRANGER.public(), |_| {}), "another key");
    assert!(refused(&challenge, known.key, |it| it.client_data.push(b' ')), "other client data");
    assert!(refused(&challenge, known.key, |it| it.authenticator_data[36] ^= 1), "another counter");
    assert!(RelyingParty::at("evil.localhost", 8443).asserted(&challenge, known, &assertion).is_err());
    assert!(RelyingParty::at("phone.localhost", 443).asserted(&challenge, known, &assertion).is_err());
    Heard::Accepted
}

/// What the phone door's client data must say, read by another parser than ours uses.
pub(crate) fn must_be_ours(client_data: &[u8], kind: &str, challenge: &[u8]) {
    let read: Value = serde_json::from_slice(client_data).expect("it is JSON");
    assert_eq!(read["type"], kind);
    assert_eq!(read["origin"], "https://phone.localhost:8443");
    assert_eq!(read["challenge"], BASE64URL_NOPAD.encode(challenge));
    assert!(matches!(read.get("crossOrigin"), None | Some(Value::Bool(false))), "{read}");
    assert!(matches!(read.get("topOrigin"), None | Some(Value::Null)), "{read}");
}

/// The flags of authenticator data that was taken (WebAuthn 6.1).
pub(crate) fn flags_of(authenticator_data: &[u8]) -> u8 {
    assert!((37..=16 * 1024).contains(&authenticator_data.len()));
    assert_eq!(authenticator_data[..32], sha256(b"phone.localhost"));
    let flags = authenticator_data[32];
    assert_eq!(flags & 0x05, 0x05, "present and verified");
    assert!(flags & 0x18 != 0x10, "backed up, yet not eligible");
    flags
}

pub(crate) fn party() -> RelyingParty {
    RelyingParty::at("phone.localhost", 8443)
}

/// The same in every run, so that the corpus can hold it.
pub(crate) fn challenge() -> [u8; 32] {
    sha256(b"a challenge")
}

static SIGNER: LazyLock<Signer> = LazyLock::new(key);
static STRANGER: LazyLock<Signer> = LazyLock::new(key);

fn key() -> Signer {
    Signer::from_pkcs8(&Signer::generate().expect("random bits")).expect("a key")
}
