//! What is asked and what is answered, read back.

use std::time::Duration;

use der::asn1::{AnyRef, IntRef, ObjectIdentifier, OctetStringRef};
use der::{Decode as _, Encode as _};

use super::request::{Algorithm, CertId, Extension, NONCE, One, Tbs, Written};
use super::response::{Basic, CertStatus, Data, Reason, Responder, Status, Whole};
use super::*;
use crate::ca::tests::{House, passphrase};
use crate::ca::{KeyFolder, NewKey, serial};
use crate::crypto::verify_es256_der;
use crate::domain::certificate::IssuerKind;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A question about certificates of an issuer, by their serials as DER has them.
struct Asking<'a> {
    ca: &'a [u8],
    hash: Hash,
    serials: Vec<Vec<u8>>,
    nonce: Option<Vec<u8>>,
    version: u8,
    critical: Option<&'static str>,
}

impl<'a> Asking<'a> {
    fn about(house: &'a House, serials: &[&str]) -> Self {
        let serials = serials.iter().map(|text| number(text)).collect();
        let ca = &house.issuers[0].der;
        Self { ca, hash: Hash::Sha1, serials, nonce: None, version: 0, critical: None }
    }

    fn der(&self) -> Vec<u8> {
        let ca = chain::read(self.ca).unwrap();
        let name = self.hash.of(ca.subject().as_raw());
        let key = self.hash.of(&ca.public_key().subject_public_key.data);
        let nonce = self.nonce.as_ref().map(|nonce| OctetStringRef::new(nonce).unwrap().to_der().unwrap());
        let list = self.serials.iter().map(|serial| One {
            id: CertId {
                algorithm: Algorithm { oid: self.hash.oid(), parameters: Some(AnyRef::NULL) },
                name_hash: OctetStringRef::new(&name).unwrap(),
                key_hash: OctetStringRef::new(&key).unwrap(),
                serial: IntRef::from_der(serial).unwrap(),
            },
            extensions: None,
        });
        let mut extensions = Vec::new();
        if let Some(nonce) = &nonce {
            let value = OctetStringRef::new(nonce).unwrap();
            extensions.push(Extension { id: NONCE, critical: false, value });
        }
        if let Some(id) = self.critical {
            let value = OctetStringRef::new(b"").unwrap();
            extensions.push(Extension { id: ObjectIdentifier::new_unwrap(id), critical: true, value });
        }
        let extensions = (!extensions.is_empty()).then_some(extensions);
        let tbs = Tbs { version: self.version, requestor: None, list: list.collect(), extensions };
        Written { tbs, signature: None }.to_der().unwrap()
    }
}

/// A positive INTEGER.
fn number(text: &str) -> Vec<u8> {
    let bytes = serial::bytes(text).unwrap();
    let bytes = if bytes[0] >= 0x80 { [&[0][..], &bytes].concat() } else { bytes };
    [&[2, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
}

/// A house, and one certificate of each standing.
struct Rig {
    house: House,
    ocsp: Ocsp,
    known: Vec<Arc<Certificate>>,
}

impl Rig {
    fn new() -> Self {
        let house = House::new();
        let now = house.world.now();
        let states = [
            CertificateState::Active,
            CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at: now.minus(DAY) },
            CertificateState::Revoked { reason: RevocationReason::Unspecified, at: now.minus(DAY) },
            CertificateState::Superseded { at: now },
            CertificateState::Superseded { at: now.plus(DAY) },
        ];
        let known = states.map(|state| {
            let key = NewKey::make().unwrap().prove().unwrap();
            Arc::new(Certificate { state, ..house.issue_to(key).certificate })
        });
        Self { house, ocsp: Ocsp::new(), known: known.to_vec() }
    }

    fn answer(&self, request: &[u8]) -> Answer {
        self.answer_at(request, self.house.world.now())
    }

    fn answer_at(&self, request: &[u8], now: Time) -> Answer {
        let find = |serial: &str| self.known.iter().find(|known| known.serial == serial).cloned();
        self.ocsp.answer(&self.house.authority, find, request, now)
    }

    fn serial(&self, place: usize) -> &str {
        &self.known[place].serial
    }
}

/// What stands in a signed answer, its signature verified by the certificate that came with it, and that
/// by the CA.
fn read(answer: &Answer, ca: &[u8], holds: impl FnOnce(&Data<'_>)) -> Vec<u8> {
    let whole = Whole::from_der(&answer.der).unwrap();
    assert_eq!(whole.status, Status::Successful);
    let basic = Basic::from_der(whole.bytes.unwrap().response.as_bytes()).unwrap();
    let [certificate] = basic.certificates.unwrap()[..] else { panic!("one certificate") };
    let certificate = certificate.to_der().unwrap();
    let read = chain::read(&certificate).unwrap();
    read.verify_signature(Some(chain::read(ca).unwrap().public_key())).unwrap();
    let signed = basic.data.to_der().unwrap();
    let key = &read.public_key().subject_public_key.data;
    verify_es256_der(key, &signed, basic.signature.as_bytes().unwrap()).unwrap();
    let data = Data::from_der(&signed).unwrap();
    let Responder::ByKey(named) = data.responder;
    assert_eq!(named.as_bytes(), Hash::Sha1.of(key));
    holds(&data);
    certificate
}

fn said(status: &CertStatus) -> String {
    match status {
        CertStatus::Good(_) => "good".to_owned(),
        CertStatus::Unknown(_) => "unknown".to_owned(),
        CertStatus::Revoked(revoked) => {
            let reason = revoked.reason.map_or("none", |reason| match reason {
                Reason::KeyCompromise => "key compromise",
                Reason::Superseded => "superseded",
                _ => "another",
            });
            format!("revoked at {} for {reason}", revoked.at.to_unix_duration().as_secs())
        }
    }
}

#[test]
fn each_certificate_is_answered_as_it_stands() {
    let all = Rig::new();
    let now = all.house.world.now();
    let serials: Vec<&str> = (0..5).map(|place| all.serial(place)).chain(["77aa"]).collect();
    let yesterday = now.minus(DAY).secs();
    let expected = [
        "good".to_owned(),
        format!("revoked at {yesterday} for key compromise"),
        format!("revoked at {yesterday} for none"),
        format!("revoked at {} for superseded", now.secs()),
        "good".to_owned(),
        "unknown".to_owned(),
    ];
    for hash in Hash::ALL {
        let asking = Asking { hash, ..Asking::about(&all.house, &serials) }.der();
        let answer = all.answer(&asking);
        read(&answer, &all.house.issuers[0].der, |data| {
            assert_eq!(data.responses.iter().map(|one| said(&one.status)).collect::<Vec<_>>(), expected);
            assert!(data.extensions.is_none());
            let question = Question::read(&asking).unwrap();
            for (one, asked) in data.responses.iter().zip(&question.asked) {
                assert_eq!(one.id.to_der().unwrap(), asked.id, "asked and answered alike");
                assert_eq!(one.this_update.to_unix_duration().as_secs(), now.secs().unsigned_abs());
                let until = one.next_update.unwrap().to_unix_duration().as_secs();
                assert_eq!(until, now.secs().unsigned_abs() + 3600);
            }
        });
        assert_eq!(answer.kept, Some((now, now.plus(Duration::from_secs(3600)))));
    }
}

#[test]
fn another_issuers_certificate_is_unknown_and_its_own_desk_answers() {
    let all = Rig::new();
    for (ca, signer) in [(1, 1), (2, 2)] {
        let asking = Asking { ca: &all.house.issuers[ca].der, ..Asking::about(&all.house, &[all.serial(0)]) };
        read(&all.answer(&asking.der()), &all.house.issuers[signer].der, |data| {
            assert_eq!(said(&data.responses[0].status), "unknown");
        });
    }
    let foreign = House::new();
    let asking = Asking { ca: &foreign.issuers[0].der, ..Asking::about(&all.house, &[all.serial(0)]) };
    read(&all.answer(&asking.der()), &all.house.issuers[0].der, |data| {
        assert_eq!(said(&data.responses[0].status), "unknown");
    });
    // A negative number of the same bits as one that was issued.
    let one = Certificate { serial: "80".repeat(16), ..(*all.known[0]).clone() };
    let all = Rig { known: vec![Arc::new(one)], ..all };
    let negative = vec![[&[2, 16][..], &[0x80; 16]].concat()];
    for (serials, expected) in [(negative, "unknown"), (vec![number(all.serial(0))], "good")] {
        let asking = Asking { serials, ..Asking::about(&all.house, &[]) };
        read(&all.answer(&asking.der()), &all.house.issuers[0].der, |data| {
            assert_eq!(said(&data.responses[0].status), expected);
        });
    }
}

#[test]
fn a_nonce_comes_back_and_its_answer_is_kept_by_nobody() {
    let all = Rig::new();
    for length in [1, 16, 32, 128] {
        let nonce = vec![7; length];
        let asking = Asking { nonce: Some(nonce.clone()), ..Asking::about(&all.house, &[all.serial(0)]) };
        let answer = all.answer(&asking.der());
        assert_eq!(answer.kept, None);
        read(&answer, &all.house.issuers[0].der, |data| {
            let [extension] = &data.extensions.as_ref().unwrap()[..] else { panic!("one") };
            assert_eq!(extension.id, NONCE);
            let inner = <&OctetStringRef>::from_der(extension.value.as_bytes()).unwrap();
            assert_eq!(inner.as_bytes(), nonce);
        });
    }
}

#[test]
fn what_is_no_question_is_malformed() {
    let all = Rig::new();
    let about = |serials: &[&str]| Asking::about(&all.house, serials);
    let good = Asking { nonce: Some(vec![1; 16]), ..about(&[all.serial(0), all.serial(1)]) }.der();
    assert!(Question::read(&good).is_ok());
    let malformed = Answer { der: vec![0x30, 3, 0x0a, 1, 1], kept: None };
    for length in 0..good.len() {
        assert_eq!(all.answer(&good[..length]), malformed, "{length} bytes of it");
    }
    let many = vec![all.serial(0); 33];
    for (what, bad) in [
        ("more behind it", [&good[..], &[0]].concat()),
        ("about nothing", about(&[]).der()),
        ("about too many", about(&many).der()),
        ("a nonce of nothing", Asking { nonce: Some(vec![]), ..about(&["1"]) }.der()),
        ("a long nonce", Asking { nonce: Some(vec![1; 129]), ..about(&["1"]) }.der()),
        ("another version", Asking { version: 1, ..about(&["1"]) }.der()),
        ("critical and unknown", Asking { critical: Some("1.2.3"), ..about(&["1"]) }.der()),
        ("much too long", vec![0x30; BYTES_MAX + 1]),
    ] {
        assert_eq!(all.answer(&bad), malformed, "{what}");
    }
    assert!(Question::read(&about(&many[..32]).der()).is_ok());
}

#[test]
fn the_desks_certificate_is_for_ocsp_alone_and_a_new_one_follows_at_half_time() {
    let all = Rig::new();
    let ca = &all.house.issuers[0].der;
    let asking = Asking::about(&all.house, &[all.serial(0)]).der();
    let begun = all.house.world.now();
    let at = |now: Time| read(&all.answer_at(&asking, now), ca, |_| {});
    let first = at(begun);
    let read = chain::read(&first).unwrap();
    let usage = read.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.ocsp_signing && !usage.client_auth && !usage.server_auth && !usage.any);
    assert!(!read.is_ca() && read.key_usage().unwrap().unwrap().value.flags == 1);
    let no_check = read.iter_extensions().find(|one| one.oid.to_id_string() == "1.3.6.1.5.5.7.48.1.5");
    assert_eq!(no_check.unwrap().value, [5, 0]);
    let (not_before, not_after) = chain::validity(&read);
    assert_eq!(not_after.since(not_before), 7 * DAY);

    assert_eq!(at(not_before.plus(3 * DAY)), first);
    let second = at(not_before.plus(7 * DAY / 2));
    assert_ne!(second, first);
    let key = |der: &[u8]| chain::read(der).unwrap().public_key().subject_public_key.data.to_vec();
    assert_ne!(key(&second), key(&first), "and another key");
    // The clock jumps over all of it, and back before it.
    assert_ne!(at(begun.plus(400 * DAY)), second);
    at(begun);
    // No answer outlives its desk's certificate, and a CA that has ended answers nothing.
    let until = all.house.issuers[0].not_after;
    let late = all.answer_at(&asking, until.minus(Duration::from_secs(60)));
    assert_eq!(late.kept.unwrap().1, until);
    let ended = all.answer_at(&asking, until);
    assert_eq!(ended, Answer { der: vec![0x30, 3, 0x0a, 1, 2], kept: None });
}

/// One CA's end is not another's: it neither has keys made at each question nor speaks for the one that ended.
#[test]
fn beside_a_ca_that_has_ended_its_successor_answers() {
    let all = Rig::new();
    let House { dir, clock, world, issuers, authority } = &all.house;
    let until = issuers[0].not_after;
    clock.set(until.minus(400 * DAY));
    let keys = KeyFolder::at(dir.path());
    let rotated = keys.rotate(&passphrase(), issuers, IssuerKind::Devices, world).unwrap();
    let next = rotated.issuer().clone();
    authority.take_up(rotated);
    let alone = all.ocsp.desks(authority, until);
    assert_eq!(alone.keys().collect::<Vec<_>>(), [&next.id]);
    let about_old = Asking::about(&all.house, &[all.serial(0)]).der();
    read(&all.answer_at(&about_old, until), &next.der, |data| {
        assert_eq!(said(&data.responses[0].status), "unknown");
    });
    assert!(Arc::ptr_eq(&alone, &all.ocsp.desks(authority, until)), "nothing was made anew");
}
