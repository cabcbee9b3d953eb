//! The header by which the phone app signs its calls.

use std::sync::LazyLock;

use data_encoding::BASE64URL_NOPAD;
use portcullis::auth::phone::proof::{Call, Claim, Proof, Proofs, call_text};
use portcullis::crypto::Signer;
use portcullis::domain::Time;

use super::Heard;

/// A header that is read says each thing once; it proves a call where the key signed exactly that call and
/// its time, and only once.
pub(crate) fn holds(data: &[u8]) -> Heard {
    let text = String::from_utf8_lossy(data).into_owned();
    let Ok(proof) = Proof::parse(&text) else { return Heard::Refused };
    let fields: Vec<&str> = text.split(';').collect();
    let value = |place: usize, name: &str| fields[place].strip_prefix(name).expect("in this order");
    assert_eq!(fields.len(), 4);
    match &proof.claim {
        Claim::New => assert_eq!(value(0, "phone="), "new"),
        Claim::Phone(handle) => assert_eq!(value(0, "phone="), handle.to_string()),
    }
    let time = Time(value(1, "time=").parse().expect("a number"));
    let nonce = BASE64URL_NOPAD.decode(value(2, "nonce=").as_bytes()).expect("base64url");
    let nonce: [u8; 16] = nonce.try_into().expect("128 bits");
    assert_eq!(BASE64URL_NOPAD.decode(value(3, "sig=").as_bytes()).expect("base64url").len(), 64);

    let key = SIGNER.public().try_into().expect("a point");
    let call = Call { method: "POST", path: "/api/pair/begin", body: b"{}" };
    let proofs = Proofs::default();
    assert!(proofs.prove_new(&proof, key, call, time).is_err(), "nobody signed it");

    let signature = SIGNER.sign(call_text(call, time, &nonce).as_bytes()).expect("a signature");
    let signed =
        format!("{};{};{};sig={}", fields[0], fields[1], fields[2], BASE64URL_NOPAD.encode(&signature));
    let signed = Proof::parse(&signed).expect("it reads as the other did");
    let others = [
        Call { method: "GET", ..call },
        Call { path: "/api/pair/finish", ..call },
        Call { body: b"{ }", ..call },
    ];
    for other in others {
        assert!(proofs.prove_new(&signed, key, other, time).is_err(), "{other:?} was not signed");
    }
    for away in [Time(time.0.saturating_add(120_000)), Time(time.0.saturating_sub(120_000))] {
        if away != time && away.0.abs_diff(time.0) == 120_000 {
            assert!(proofs.prove_new(&signed, key, call, away).is_err(), "two minutes off");
        }
    }
    assert!(proofs.prove_new(&signed, key, call, time).is_ok());
    assert!(proofs.prove_new(&signed, key, call, time).is_err(), "played again");
    Heard::Accepted
}

static SIGNER: LazyLock<Signer> =
    LazyLock::new(|| Signer::from_pkcs8(&Signer::generate().expect("random bits")).expect("a key"));
