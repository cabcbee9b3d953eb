//! Lists over years: what stands on them, when they are signed anew, what never leaves.

use std::time::Duration;

use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use x509_parser::revocation_list::CertificateRevocationList;

use super::*;
use crate::ca::keys::NewKey;
use crate::ca::tests::House;
use crate::ca::{chain, serial};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn revoked(house: &House, reason: RevocationReason) -> Certificate {
    let mut certificate = house.issue_to(NewKey::make().unwrap().prove().unwrap()).certificate;
    certificate.state = CertificateState::Revoked { reason, at: house.world.now() };
    certificate
}

fn read(crl: &Crl) -> CertificateRevocationList<'_> {
    let (rest, list) = CertificateRevocationList::from_der(&crl.der).unwrap();
    assert!(rest.is_empty());
    list
}

#[test]
fn a_list_always_exists_and_is_well_formed_when_empty() {
    let house = House::new();
    let shelf = CrlShelf::new();
    assert_eq!(shelf.refresh(&house.authority, [], house.world.now()).unwrap(), 3);
    for issuer in &house.issuers {
        let crl = shelf.current(issuer.id.as_str()).unwrap();
        let list = read(&crl);
        let ca = chain::read(&issuer.der).unwrap();
        list.verify_signature(ca.public_key()).unwrap();
        assert_eq!(list.issuer().as_raw(), ca.subject().as_raw());
        assert_eq!(list.last_update().timestamp(), crl.this_update.secs());
        assert_eq!(list.next_update().unwrap().timestamp(), crl.next_update.secs());
        assert_eq!(crl.next_update.since(crl.this_update), 7 * DAY);
        assert_eq!(u64::try_from(list.crl_number().unwrap()).unwrap(), crl.number);
        let key_id = list.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        });
        assert_eq!(key_id, chain::subject_key_id(&ca));
        assert!(!holds_empty_list(&list), "revokedCertificates must be absent, not empty");
    }
    assert!(shelf.current("nobody").is_none());
}

/// What stands in the list between its dates and its extensions.
fn holds_empty_list(list: &CertificateRevocationList<'_>) -> bool {
    let bytes = list.tbs_cert_list.as_ref();
    // Only an empty SEQUENCE is 30 00 directly before the extensions' tag A0.
    bytes.windows(3).any(|window| window == [0x30, 0x00, 0xA0])
        || list.iter_revoked_certificates().count() > 0
}

#[test]
fn revoked_certificates_stand_on_the_list_of_their_issuer_alone() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let now = house.world.now();
    let compromised = revoked(&house, RevocationReason::KeyCompromise);
    let plain = revoked(&house, RevocationReason::Unspecified);
    let good = house.issue_to(NewKey::make().unwrap().prove().unwrap()).certificate;
    shelf.refresh(&house.authority, [&compromised, &plain, &good], now).unwrap();
    let crl = shelf.current("devices").unwrap();
    let list = read(&crl);
    let mut found: Vec<(Serial, i64, bool)> = list
        .iter_revoked_certificates()
        .map(|entry| {
            let reason = entry.reason_code().is_some();
            (serial::text(entry.raw_serial()), entry.revocation_date.timestamp(), reason)
        })
        .collect();
    let mut expected =
        vec![(compromised.serial.clone(), now.secs(), true), (plain.serial.clone(), now.secs(), false)];
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(shelf.current("staff").unwrap().entries, 0);
}

#[test]
fn lists_are_signed_anew_at_half_time_and_at_once_after_a_change() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let refresh = |certificates: &[Certificate]| {
        shelf.refresh(&house.authority, certificates, house.world.now()).unwrap()
    };
    assert_eq!(refresh(&[]), 3);
    let first = shelf.current("devices").unwrap();
    house.clock.advance(3 * DAY);
    assert_eq!(refresh(&[]), 0);
    let gone = revoked(&house, RevocationReason::Superseded);
    assert_eq!(refresh(std::slice::from_ref(&gone)), 1);
    let second = shelf.current("devices").unwrap();
    assert!(second.number > first.number && second.entries == 1);
    assert_eq!(refresh(std::slice::from_ref(&gone)), 0);
    house.clock.advance(DAY / 2);
    assert_eq!(refresh(std::slice::from_ref(&gone)), 2);
    // The same millisecond again, and a clock set back: the number still grows.
    let another = revoked(&house, RevocationReason::KeyCompromise);
    assert_eq!(refresh(std::slice::from_ref(&another)), 1);
    let third = shelf.current("devices").unwrap();
    house.clock.set(third.this_update.minus(DAY));
    assert_eq!(refresh(&[]), 3);
    assert!(shelf.current("devices").unwrap().number > third.number);
}

#[test]
fn an_ended_certificate_leaves_only_after_a_list_told_of_it() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let gone = revoked(&house, RevocationReason::KeyCompromise);
    let entries = |at: Time| {
        shelf.refresh(&house.authority, [&gone], at).unwrap();
        shelf.current("devices").unwrap().entries
    };
    assert_eq!(entries(gone.not_after), 1);
    // For ninety days at most an ended certificate opens its renewal.
    let over = gone.not_after.plus(90 * DAY);
    assert_eq!(entries(over), 1);
    assert_eq!(entries(over.plus(7 * DAY)), 1);
    // The next regular list no longer tells of it.
    assert_eq!(entries(over.plus(8 * DAY)), 1);
    assert_eq!(entries(over.plus(11 * DAY)), 0);
}

/// T-26. No tidying: the record is gone, or says something milder, and the entry stays until the end of the
/// certificate and a list beyond it.
#[test]
fn what_is_revoked_and_in_force_is_never_tidied_away() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let gone = revoked(&house, RevocationReason::KeyCompromise);
    let entries = |certificates: &[Certificate], at: Time| {
        shelf.refresh(&house.authority, certificates, at).unwrap();
        shelf.current("devices").unwrap().entries
    };
    let now = house.world.now();
    assert_eq!(entries(std::slice::from_ref(&gone), now), 1);
    let active = Certificate { state: CertificateState::Active, ..gone.clone() };
    let milder = Certificate { state: CertificateState::Superseded { at: now.plus(DAY) }, ..gone.clone() };
    for milder in [&[active][..], &[milder], &[]] {
        assert_eq!(entries(milder, now), 1);
    }
    for days in [4_u32, 100, 700] {
        assert_eq!(entries(&[], now.plus(days * DAY)), 1, "after {days} days");
    }
    // The house slept over the end: no list has told of it since, so it stays on the next one.
    assert_eq!(entries(&[], gone.not_after.plus(120 * DAY)), 1);
    assert_eq!(entries(&[], gone.not_after.plus(124 * DAY)), 0);
}

#[test]
fn a_newer_certificates_grace_ends_on_the_list_too() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let mut old = revoked(&house, RevocationReason::Unspecified);
    let at = house.world.now().plus(DAY);
    old.state = CertificateState::Superseded { at };
    shelf.refresh(&house.authority, [&old], house.world.now()).unwrap();
    assert_eq!(shelf.current("devices").unwrap().entries, 0);
    assert!(!shelf.is_due(Time(at.millis() - 1)));
    assert_eq!(shelf.due(), Some(at));
    assert!(shelf.is_due(at), "the grace is over, and the list must say so");
    assert_eq!(shelf.refresh(&house.authority, [], at).unwrap(), 1);
    let crl = shelf.current("devices").unwrap();
    let list = read(&crl);
    let [entry] = list.iter_revoked_certificates().collect::<Vec<_>>()[..] else { panic!("one") };
    assert_eq!(serial::text(entry.raw_serial()), old.serial);
    assert_eq!(entry.reason_code().unwrap().1.0, 4);
    assert_eq!(entry.revocation_date.timestamp(), at.secs());
    // Then it is revoked for worse: the list says the worse.
    old.state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at };
    assert_eq!(shelf.refresh(&house.authority, [&old], at).unwrap(), 1);
    let crl = shelf.current("devices").unwrap();
    assert_eq!(read(&crl).iter_revoked_certificates().next().unwrap().reason_code().unwrap().1.0, 1);
}

/// T-26. What cannot be signed leaves the old list in place until it ends, and is never served after that;
/// other issuers' lists go on.
#[test]
fn a_list_that_cannot_be_signed_is_served_until_it_ends_and_no_longer() {
    let house = House::new();
    let shelf = CrlShelf::new();
    let begun = house.world.now();
    shelf.refresh(&house.authority, [], begun).unwrap();
    let before = shelf.current("devices").unwrap();
    let mut broken = revoked(&house, RevocationReason::KeyCompromise);
    broken.serial = "not a number".to_owned();
    let error = shelf.refresh(&house.authority, [&broken], begun).unwrap_err().to_string();
    assert!(error.contains("not a number") && error.contains("restore"), "{error}");
    assert_eq!(shelf.current("devices").unwrap(), before);
    let later = begun.plus(4 * DAY);
    assert!(shelf.is_due(later));
    assert!(shelf.refresh(&house.authority, [], later).is_err());
    assert_eq!(shelf.take_signed(), 3 + 2, "the staff's and the doors' are signed anew");
    assert!(!shelf.is_due(later), "it is not tried without end");
    assert!(shelf.is_due(later.plus(Duration::from_secs(1))));
    let served = |id: &str, at| shelf.served(id, at).unwrap();
    assert_eq!(served("devices", Time(before.next_update.millis() - 1)).unwrap(), before);
    assert_eq!(served("devices", before.next_update), Err(Overdue(before.next_update)));
    assert!(served("staff", before.next_update).is_ok());
    assert!(shelf.served("nobody", begun).is_none());
}

/// T-26. As many as no house will ever revoke.
#[test]
fn a_list_of_a_million_is_signed_and_read_back() {
    const MANY: u32 = 1_000_000;
    let house = House::new();
    let shelf = CrlShelf::new();
    let one = revoked(&house, RevocationReason::CessationOfOperation);
    let many: Vec<Certificate> =
        (1..=MANY).map(|n| Certificate { serial: format!("{n:x}"), ..one.clone() }).collect();
    let begun = std::time::Instant::now();
    shelf.refresh(&house.authority, &many, house.world.now()).unwrap();
    eprintln!("{MANY} entries: taken in and signed in {} ms", begun.elapsed().as_millis());
    let crl = shelf.current("devices").unwrap();
    let list = read(&crl);
    let ca = chain::read(&house.issuers[0].der).unwrap();
    list.verify_signature(ca.public_key()).unwrap();
    let mut serials: Vec<String> =
        list.iter_revoked_certificates().map(|entry| serial::text(entry.raw_serial())).collect();
    serials.sort_unstable();
    let mut expected: Vec<&String> = many.iter().map(|certificate| &certificate.serial).collect();
    expected.sort_unstable();
    assert!(serials.iter().eq(expected), "every one of them, once");
    let begun = std::time::Instant::now();
    let next = Certificate { serial: "f".repeat(20), ..one };
    shelf.refresh(&house.authority, [&next], house.world.now()).unwrap();
    eprintln!("one more: signed in {} ms, {} bytes", begun.elapsed().as_millis(), crl.der.len());
    assert_eq!(shelf.current("devices").unwrap().entries as u32, MANY + 1);
}
