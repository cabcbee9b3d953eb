//! Attacks on the verifier, with another implementation as the authenticator.

use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;

use super::*;
use crate::auth::phone::rig::Hand;

fn party() -> RelyingParty {
    RelyingParty::at("phone.localhost", 8443)
}

type Part = fn(&mut Assertion) -> &mut Vec<u8>;

struct Made {
    hand: Hand,
    client_data: Vec<u8>,
    attestation: Vec<u8>,
    credential: Credential,
}

async fn made() -> Made {
    let hand = Hand::new(party());
    let new = hand.make(&[9; 32]).await;
    let credential = party().registered(&[9; 32], &new.client_data, &new.attestation).unwrap();
    Made { hand, client_data: new.client_data, attestation: new.attestation, credential }
}

impl Made {
    fn register(&self, client_data: &[u8], attestation: &[u8]) -> Result<Credential, Refused> {
        party().registered(&[9; 32], client_data, attestation)
    }

    fn known(&self) -> Known<'_> {
        Known { key: self.credential.key(), sign_count: self.credential.sign_count() }
    }
}

fn edited(json: &[u8], field: &str, value: serde_json::Value) -> Vec<u8> {
    let mut data: serde_json::Value = serde_json::from_slice(json).unwrap();
    data[field] = value;
    data.to_string().into_bytes()
}

/// Where authenticator data begins inside an attestation object: at the hash of the RP id.
fn data_at(attestation: &[u8]) -> usize {
    let hash = crypto::sha256(b"phone.localhost");
    attestation.windows(32).position(|window| window == hash).unwrap()
}

#[test]
fn the_origin_is_as_browsers_write_it() {
    assert_eq!(party().origin, "https://phone.localhost:8443");
    assert_eq!(RelyingParty::at("Phone.Bank.Example", 443).origin, "https://phone.bank.example");
    assert_eq!(RelyingParty::at("Phone.Bank.Example", 443).id, "phone.bank.example");
}

#[tokio::test]
async fn a_new_credential_is_taken_only_as_it_was_made() {
    let it = made().await;
    assert_eq!(it.credential.key().len(), 65);
    assert!(!it.credential.id().is_empty());

    let client = |field, value| edited(&it.client_data, field, value);
    let challenge = BASE64URL_NOPAD.encode(&[8; 32]);
    for (client_data, refused) in [
        (client("type", "webauthn.get".into()), Refused::OtherCeremony),
        (client("challenge", challenge.into()), Refused::OtherChallenge),
        (client("challenge", "".into()), Refused::OtherChallenge),
        (client("origin", "https://phone.localhost".into()), Refused::OtherOrigin),
        (client("origin", "https://phone.localhost:8443/".into()), Refused::OtherOrigin),
        (client("origin", "https://evil.phone.localhost:8443".into()), Refused::OtherOrigin),
        (client("origin", "http://phone.localhost:8443".into()), Refused::OtherOrigin),
        (client("crossOrigin", true.into()), Refused::OtherOrigin),
        (client("topOrigin", "https://evil.example".into()), Refused::OtherOrigin),
        (b"{}".to_vec(), Refused::Malformed),
    ] {
        assert_eq!(it.register(&client_data, &it.attestation), Err(refused));
    }

    let at = data_at(&it.attestation);
    let flagged = |bits: u8| {
        let mut attestation = it.attestation.clone();
        attestation[at + 32] ^= bits;
        it.register(&it.client_data, &attestation)
    };
    assert_eq!(flagged(UP), Err(Refused::NotVerified));
    assert_eq!(flagged(UV), Err(Refused::NotVerified));
    assert!(flagged(AT).is_err());
    assert!(flagged(ED).is_err());
    let mut elsewhere = it.attestation.clone();
    elsewhere[at] ^= 1;
    assert_eq!(it.register(&it.client_data, &elsewhere), Err(Refused::OtherOrigin));
    let mut longer = it.attestation.clone();
    longer.push(0);
    assert_eq!(it.register(&it.client_data, &longer), Err(Refused::Malformed));
    for end in 0..it.attestation.len() {
        assert!(it.register(&it.client_data, &it.attestation[..end]).is_err(), "cut at {end}");
    }
}

#[tokio::test]
async fn what_cannot_be_backed_up_is_not_backed_up() {
    let it = made().await;
    let at = data_at(&it.attestation);
    let with = |set: u8| {
        let mut attestation = it.attestation.clone();
        attestation[at + 32] = attestation[at + 32] & !(BE | BS) | set;
        it.register(&it.client_data, &attestation).map(|it| it.backup_eligible())
    };
    assert_eq!(with(0), Ok(false));
    assert_eq!(with(BE), Ok(true));
    assert_eq!(with(BE | BS), Ok(true));
    assert_eq!(with(BS), Err(Refused::Malformed));
}

#[tokio::test]
async fn every_byte_of_an_assertion_counts() {
    let it = made().await;
    let good = it.hand.assert(&[3; 32]).await;
    let judge = |assertion: &Assertion| party().asserted(&[3; 32], it.known(), assertion);
    assert!(judge(&good).is_ok());
    assert_eq!(party().asserted(&[4; 32], it.known(), &good), Err(Refused::OtherChallenge));
    let stranger = made().await;
    assert_eq!(party().asserted(&[3; 32], stranger.known(), &good), Err(Refused::WrongSignature));
    let elsewhere = RelyingParty::at("start.localhost", 8443);
    assert_eq!(elsewhere.asserted(&[3; 32], it.known(), &good), Err(Refused::OtherOrigin));

    let parts: [Part; 3] =
        [|it| &mut it.client_data, |it| &mut it.authenticator_data, |it| &mut it.signature];
    for part in parts {
        let length = part(&mut good.clone()).len();
        for i in 0..length {
            let mut bad = good.clone();
            part(&mut bad)[i] ^= 1;
            assert!(judge(&bad).is_err(), "byte {i}");
        }
        let mut cut = good.clone();
        part(&mut cut).pop();
        assert!(judge(&cut).is_err());
        let mut longer = good.clone();
        part(&mut longer).push(0);
        assert!(judge(&longer).is_err());
    }
}

#[tokio::test]
async fn a_registration_is_no_assertion() {
    let it = made().await;
    let good = it.hand.assert(&[3; 32]).await;
    let made = Assertion { client_data: it.client_data.clone(), ..good };
    assert_eq!(party().asserted(&[9; 32], it.known(), &made), Err(Refused::OtherCeremony));
}

#[tokio::test]
async fn a_counter_that_stands_still_is_a_copy() {
    let it = made().await;
    let one = it.hand.assert(&[3; 32]).await;
    let two = it.hand.assert(&[3; 32]).await;
    let seen = |count| Known { key: it.credential.key(), sign_count: count };
    let after_one = party().asserted(&[3; 32], seen(0), &one).unwrap().sign_count();
    assert!(after_one > 0);
    assert_eq!(party().asserted(&[3; 32], seen(after_one), &one), Err(Refused::CounterWentBack));
    let after_two = party().asserted(&[3; 32], seen(after_one), &two).unwrap().sign_count();
    assert_eq!(party().asserted(&[3; 32], seen(after_two), &one), Err(Refused::CounterWentBack));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        client_data in proptest::collection::vec(any::<u8>(), 0..300),
        data in proptest::collection::vec(any::<u8>(), 0..400),
        flags in any::<u8>(),
        length in any::<u16>(),
    ) {
        let _ = party().registered(&[0; 32], &client_data, &data);
        let _ = AuthenticatorData::read(&data);
        // Past the parts that random bytes would never match.
        let mut shaped = crypto::sha256(b"phone.localhost").to_vec();
        shaped.push(flags);
        shaped.extend_from_slice(&[0; 4 + 16]);
        shaped.extend_from_slice(&length.to_be_bytes());
        shaped.extend_from_slice(&data);
        let _ = AuthenticatorData::read(&shaped);
        let _ = authenticator_data_of(&shaped);
        let assertion = Assertion { client_data: client_data.clone(), authenticator_data: shaped, signature: data };
        let _ = party().asserted(&[0; 32], Known { key: &client_data, sign_count: 0 }, &assertion);
    }

    #[test]
    fn nested_cbor_does_not_exhaust_the_stack(depth in 0_usize..9000) {
        let mut bytes = vec![0x81; depth];
        bytes.push(0xa0);
        prop_assert!(authenticator_data_of(&bytes).is_err());
    }
}
