//! Lists that come back: whole and ours, or not believed.

use rcgen::{
    CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint, CrlScope,
    KeyIdMethod, RevokedCertParams, SerialNumber,
};

use super::*;
use crate::ca::CrlShelf;
use crate::ca::keys::NewKey;
use crate::ca::tests::House;
use crate::domain::certificate::{Certificate, CertificateState};

/// A house whose list tells of one certificate.
fn told() -> (House, Certificate, Crl) {
    let house = House::new();
    let mut gone = house.issue_to(NewKey::make().unwrap().prove().unwrap()).certificate;
    let at = house.world.now();
    gone.state = CertificateState::Revoked { reason: RevocationReason::KeyCompromise, at };
    let shelf = CrlShelf::new();
    shelf.refresh(&house.authority, [&gone], at).unwrap();
    let crl = (*shelf.current("devices").unwrap()).clone();
    (house, gone, crl)
}

#[test]
fn the_last_list_is_kept_and_told_again() {
    let (house, gone, crl) = told();
    let dir = tempfile::tempdir().unwrap();
    let kept = KeptLists::at(dir.path().join("lists"));
    let devices = &house.issuers[0];
    assert_eq!(kept.of(devices).unwrap(), [], "none yet");
    kept.keep(&devices.id, &crl).unwrap();
    kept.keep(&devices.id, &crl).unwrap();
    let at = Time::from_secs(house.world.now().secs());
    let entry = Told { serial: gone.serial, reason: RevocationReason::KeyCompromise, at };
    let list = kept.of(devices).unwrap().remove(0);
    assert_eq!((list.told.as_slice(), list.signed), (&[entry][..], house.world.now()));
    let files = fs::read_dir(dir.path().join("lists")).unwrap().count();
    assert_eq!(files, 1, "nothing lies beside it");
    // One CA's list in the place of another's.
    fs::copy(kept.file(&devices.id), kept.file(&house.issuers[1].id)).unwrap();
    let refused = kept.of(&house.issuers[1]).unwrap_err();
    assert!(matches!(refused, CaError::KeptList { why: NoList::Foreign, .. }), "{refused}");
}

/// T-26.
#[test]
fn what_is_cut_or_changed_is_not_believed() {
    let (house, _, crl) = told();
    let list = read(&crl.der, &house.issuers).unwrap();
    for length in 0..crl.der.len() {
        assert_eq!(read(&crl.der[..length], &house.issuers).unwrap_err(), NoList::Broken, "{length}");
    }
    for at in 0..crl.der.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = crl.der.clone();
            changed[at] ^= bit;
            // Of the outermost tag a bit is read past; what is signed is the same.
            let says_otherwise = read(&changed, &house.issuers).is_ok_and(|says| says != list);
            assert!(!says_otherwise, "byte {at}, bit {bit:#x}");
        }
    }
    let other = House::new();
    assert_eq!(read(&crl.der, &other.issuers).unwrap_err(), NoList::Foreign, "of the same name");
}

/// T-26. A serial twice is one certificate; a list that tells of some reasons only is no whole list.
#[test]
fn whole_lists_are_read_and_no_others() {
    let (house, gone, _) = told();
    let issuing =
        house.authority.issuing().into_iter().find(|one| one.issuer.id.as_str() == "devices").unwrap();
    let entry = |reason| RevokedCertParams {
        serial_number: SerialNumber::from(serial::bytes(&gone.serial).unwrap()),
        revocation_time: rcgen::date_time_ymd(2026, 11, 1),
        reason_code: Some(reason),
        invalidity_date: None,
    };
    let signed = |point| {
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2020, 1, 1),
            next_update: rcgen::date_time_ymd(2020, 1, 2),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: point,
            revoked_certs: vec![
                entry(rcgen::RevocationReason::CertificateHold),
                entry(rcgen::RevocationReason::AffiliationChanged),
            ],
            key_identifier_method: KeyIdMethod::PreSpecified(issuing.key_id.clone()),
        };
        params.signed_by(&*issuing.signer).unwrap().der().to_vec()
    };
    let long_ended = signed(None);
    let List { issuer, told, .. } = read(&long_ended, &house.issuers).unwrap();
    assert_eq!((issuer.as_str(), told.len()), ("devices", 2));
    let reasons = [RevocationReason::Unspecified, RevocationReason::AffiliationChanged];
    assert!(told.iter().map(|one| one.reason).eq(reasons));

    let distribution_point = CrlDistributionPoint { uris: vec!["http://a.example/x.crl".to_owned()] };
    let scope = Some(CrlScope::UserCertsOnly);
    let partial = signed(Some(CrlIssuingDistributionPoint { distribution_point, scope }));
    assert_eq!(read(&partial, &house.issuers).unwrap_err(), NoList::Critical);
}

/// S-06. What no record tells of any more stays on the lists that follow.
#[test]
fn what_only_a_list_remembers_stays_listed() {
    let (house, gone, crl) = told();
    let list = read(&crl.der, &house.issuers).unwrap();
    let shelf = CrlShelf::new();
    shelf.remember(&house.issuers[0], list.told);
    let now = house.world.now();
    shelf.refresh(&house.authority, [], now).unwrap();
    for days in [0, 100, 400] {
        let later = now.plus(std::time::Duration::from_secs(days * 86_400));
        shelf.refresh(&house.authority, [], later).unwrap();
        let List { told, .. } = read(&shelf.current("devices").unwrap().der, &house.issuers).unwrap();
        assert!(told.len() == 1 && told[0].serial == gone.serial, "after {days} days");
    }
}
