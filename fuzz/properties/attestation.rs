//! What a phone's authenticator says when it is paired: client data, whose length two bytes say, and the
//! attestation object with the new key.

use ciborium::Value;

use super::assertion::{challenge, flags_of, must_be_ours, party};
use super::{Heard, two};

/// A credential that is taken was made at our origin, over our challenge, by a person who was there, and is
/// just what the authenticator wrote.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let (client_data, attestation) = two(data);
    let challenge = challenge();
    let Ok(made) = party().registered(&challenge, client_data, attestation) else { return Heard::Refused };

    must_be_ours(client_data, "webauthn.create", &challenge);
    let object: Value = ciborium::from_reader(attestation).expect("it is CBOR");
    let object = object.as_map().expect("a map");
    let mut found = object.iter().filter(|(name, _)| name.as_text() == Some("authData"));
    let said = found.next().and_then(|(_, value)| value.as_bytes()).expect("authenticator data");
    assert!(found.next().is_none(), "said twice");

    let flags = flags_of(said);
    assert!(flags & 0x40 != 0, "no credential");
    assert_eq!(made.backup_eligible(), flags & 0x08 != 0);
    assert_eq!(made.sign_count().to_be_bytes(), said[33..37]);
    let length = usize::from(u16::from_be_bytes([said[53], said[54]]));
    assert!((1..=1023).contains(&length));
    assert_eq!(made.id(), &said[55..55 + length]);
    let key: Value = ciborium::from_reader(&said[55 + length..]).expect("a COSE key");
    let coordinate = |label: i64| {
        let label = Value::from(label);
        let mut found = key.as_map().expect("a map").iter().filter(|(name, _)| *name == label);
        let one = found.next().and_then(|(_, value)| value.as_bytes()).expect("a coordinate").clone();
        assert!(found.next().is_none(), "a label that stands twice");
        one
    };
    assert_eq!(made.key().to_vec(), [vec![4], coordinate(-2), coordinate(-3)].concat());

    assert!(party().registered(&[0; 32], client_data, attestation).is_err(), "another challenge");
    let more = [attestation, &[0]].concat();
    assert!(party().registered(&challenge, client_data, &more).is_err(), "a byte behind it");
    Heard::Accepted
}
