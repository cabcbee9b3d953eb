//! Revocation lists: which certificates of an issuer no longer count, signed by it, kept in memory
//! and made anew before they are half old. Knows no HTTP: the plain listener serves what lies on
//! the shelf at `/crl/ISSUER.crl`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::profile::Profile;
use super::{Authority, CaError, Issuing, build, serial};
use crate::domain::certificate::{Certificate, CertificateState, RevocationReason, Serial};
use crate::domain::{IssuerId, Time};

/// A signed revocation list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crl {
    /// The list, as it is served.
    pub der: Vec<u8>,
    /// When it was signed.
    pub this_update: Time,
    /// Until when it counts.
    pub next_update: Time,
    /// Grows with each list of an issuer, over restarts too: the milliseconds since 1970.
    pub number: u64,
    /// How many certificates it revokes.
    pub entries: usize,
}

/// The lists that are served now.
#[derive(Default)]
pub struct CrlShelf {
    lists: ArcSwap<BTreeMap<IssuerId, Kept>>,
    turn: Mutex<()>,
}

impl CrlShelf {
    /// Empty: call [`CrlShelf::refresh`] before anything is served.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The list of an issuer. The name in a URL is its id, with `.crl` behind it.
    #[must_use]
    pub fn current(&self, issuer: &str) -> Option<Arc<Crl>> {
        let lists = self.lists.load();
        lists.iter().find(|(id, _)| id.as_str() == issuer).map(|(_, kept)| Arc::clone(&kept.crl))
    }

    /// Signs anew what is missing, half old, or tells other revocations than `certificates` (all
    /// that the store holds). Returns how many lists were signed. Call it at the start, after each
    /// revocation, and once an hour.
    ///
    /// # Errors
    /// Where a list cannot be signed; then all lists stay as they were.
    pub fn refresh<'a>(
        &self,
        authority: &Authority,
        certificates: impl IntoIterator<Item = &'a Certificate>,
        now: Time,
    ) -> Result<usize, CaError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut revoked: BTreeMap<&IssuerId, Revoked> = BTreeMap::new();
        for certificate in certificates {
            let Some(entry) = authority.revocation(certificate, now)? else { continue };
            revoked.entry(&certificate.issuer).or_default().insert(certificate.serial.clone(), entry);
        }
        let before = self.lists.load();
        let mut after = BTreeMap::new();
        let mut signed = 0;
        for issuing in authority.issuing() {
            let id = &issuing.issuer.id;
            let revoked = revoked.remove(id).unwrap_or_default();
            let kept = match before.get(id) {
                Some(kept) if kept.revoked == revoked && !kept.crl.is_half_old(now) => kept.clone(),
                last => {
                    let number = next_number(last.map(|kept| kept.crl.number), now);
                    let crl = sign(&issuing, authority.crl_profile(), &revoked, number, now)?;
                    signed += 1;
                    Kept { crl: Arc::new(crl), revoked }
                }
            };
            after.insert(id.clone(), kept);
        }
        self.lists.store(Arc::new(after));
        Ok(signed)
    }
}

impl Crl {
    fn is_half_old(&self, now: Time) -> bool {
        now.since(self.this_update) >= self.next_update.since(self.this_update) / 2 || now < self.this_update
    }
}

impl Authority {
    /// What the list of its issuer says of a certificate; `None` where it says nothing: it was not
    /// revoked, or it ended so long ago that a list told of it after its end (RFC 5280 3.3).
    fn revocation(&self, certificate: &Certificate, now: Time) -> Result<Option<Entry>, CaError> {
        let CertificateState::Revoked { reason, at } = certificate.state else { return Ok(None) };
        let told_until = self.crl_profile().crl_next_update(certificate.not_after)?;
        Ok((now <= told_until).then_some(Entry { reason, at }))
    }
}

/// Signs a list. `revokedCertificates` is absent where nothing is revoked (RFC 5280 5.1.2.6), and so
/// is the reason where it is unspecified (5.3.1).
fn sign(
    issuing: &Issuing,
    profile: &Profile,
    revoked: &Revoked,
    number: u64,
    now: Time,
) -> Result<Crl, CaError> {
    let this_update = Time::from_secs(now.secs());
    let next_update = profile.crl_next_update(now)?;
    let revoked_certs =
        revoked.iter().map(|(serial, entry)| entry.params(serial)).collect::<Result<_, _>>()?;
    let params = CertificateRevocationListParams {
        this_update: build::moment(this_update)?.to_datetime(),
        next_update: build::moment(next_update)?.to_datetime(),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::PreSpecified(issuing.key_id.clone()),
    };
    let der = params.signed_by(&*issuing.signer)?.der().to_vec();
    Ok(Crl { der, this_update, next_update, number, entries: revoked.len() })
}

type Revoked = BTreeMap<Serial, Entry>;

#[derive(Clone)]
struct Kept {
    crl: Arc<Crl>,
    revoked: Revoked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    reason: RevocationReason,
    at: Time,
}

impl Entry {
    fn params(self, serial: &str) -> Result<RevokedCertParams, CaError> {
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from(serial::bytes(serial)?),
            revocation_time: build::moment(self.at)?.to_datetime(),
            reason_code: Some(reason_code(self.reason)),
            invalidity_date: None,
        })
    }
}

fn next_number(last: Option<u64>, now: Time) -> u64 {
    let now = u64::try_from(now.millis()).unwrap_or(1);
    last.map_or(now, |last| now.max(last.saturating_add(1)))
}

const fn reason_code(reason: RevocationReason) -> rcgen::RevocationReason {
    match reason {
        RevocationReason::Unspecified => rcgen::RevocationReason::Unspecified,
        RevocationReason::KeyCompromise => rcgen::RevocationReason::KeyCompromise,
        RevocationReason::AffiliationChanged => rcgen::RevocationReason::AffiliationChanged,
        RevocationReason::Superseded => rcgen::RevocationReason::Superseded,
        RevocationReason::CessationOfOperation => rcgen::RevocationReason::CessationOfOperation,
        RevocationReason::PrivilegeWithdrawn => rcgen::RevocationReason::PrivilegeWithdrawn,
    }
}

#[cfg(test)]
mod tests {
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
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    id.key_identifier.as_ref().map(|id| id.0.to_vec())
                }
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
        assert_eq!(refresh(&[]), 1);
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
        assert_eq!(entries(gone.not_after.plus(7 * DAY)), 1);
        assert_eq!(entries(gone.not_after.plus(8 * DAY)), 0);
    }
}
