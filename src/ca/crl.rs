//! Revocation lists: which certificates of an issuer no longer count, signed by it, kept in memory
//! and made anew before they are half old. Knows no HTTP: the plain listener serves what lies on
//! the shelf at `/crl/ISSUER.crl`.

pub mod kept;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};

use super::profile::Profile;
use super::{Authority, CaError, Issuing, build, serial};
use crate::domain::certificate::{Certificate, CertificateState, Issuer, RevocationReason, Serial};
use crate::domain::tenant::CertificateTerms;
use crate::domain::{IssuerId, Time};
use kept::Told;

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

/// A list that is past its end: what could not be signed in time is not served as if it were fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the revocation list ended at {0} and no new one could be signed")]
pub struct Overdue(pub Time);

/// The lists that are served now.
#[derive(Default)]
pub struct CrlShelf {
    lists: ArcSwap<BTreeMap<IssuerId, Shown>>,
    /// What must stand on them. Who holds it may sign.
    known: Mutex<BTreeMap<IssuerId, Known>>,
    /// Lists signed since somebody asked.
    signed: AtomicUsize,
    /// When signing last failed, in milliseconds.
    failed: AtomicI64,
}

impl CrlShelf {
    /// Empty: call [`CrlShelf::refresh`] before anything is served.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The list of an issuer, however old. The name in a URL is its id, with `.crl` behind it.
    #[must_use]
    pub fn current(&self, issuer: &str) -> Option<Arc<Crl>> {
        let lists = self.lists.load();
        lists.iter().find(|(id, _)| id.as_str() == issuer).map(|(_, shown)| Arc::clone(&shown.crl))
    }

    /// The same, for those outside: never one that has ended (RFC 5280 5.1.2.5).
    #[must_use]
    pub fn served(&self, issuer: &str, now: Time) -> Option<Result<Arc<Crl>, Overdue>> {
        let crl = self.current(issuer)?;
        Some(if now < crl.next_update { Ok(crl) } else { Err(Overdue(crl.next_update)) })
    }

    /// All lists, by issuer.
    #[must_use]
    pub fn all(&self) -> Vec<(IssuerId, Arc<Crl>)> {
        self.lists.load().iter().map(|(id, shown)| (id.clone(), Arc::clone(&shown.crl))).collect()
    }

    /// When the next list must be signed if nothing changes until then.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        self.lists.load().values().map(|shown| shown.due).min()
    }

    /// Whether a list must be signed at `now`: it is half old, a certificate's grace has passed, or the
    /// clock went back. Costs next to nothing. After a failure the answer is no for a second, so that
    /// those who fetch lists cannot have it tried without end.
    #[must_use]
    pub fn is_due(&self, now: Time) -> bool {
        let tried = now.millis().abs_diff(self.failed.load(Ordering::Relaxed)) < TRIED_AGAIN_AFTER_MS;
        !tried && self.lists.load().values().any(|shown| shown.is_due(now))
    }

    /// Takes in `certificates`, all that are known, and signs anew what is missing, half old, or tells
    /// other revocations. What stands on a list stays on it even where its record is gone: it leaves
    /// only once it has ended and a list has told of it since. Returns how many lists were signed.
    ///
    /// # Errors
    /// Where a list cannot be signed; then that list stays as it was.
    pub fn refresh<'a>(
        &self,
        authority: &Authority,
        certificates: impl IntoIterator<Item = &'a Certificate>,
        now: Time,
    ) -> Result<usize, CaError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for certificate in certificates {
            known.entry(certificate.issuer.clone()).or_default().hear(
                certificate,
                authority.crl_profile(),
                now,
            );
        }
        let signed = self.sign(authority, &mut known, now);
        if signed.is_err() {
            self.failed.store(now.millis(), Ordering::Relaxed);
        }
        signed
    }

    /// Takes in what an earlier list told of certificates that nothing else is known of. They stand on the list as
    /// long as their issuer, which they do not outlive.
    pub fn remember(&self, issuer: &Issuer, told: impl IntoIterator<Item = Told>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let of_issuer = known.entry(issuer.id.clone()).or_default();
        for Told { serial, reason, at } in told {
            let entry = Entry { reason, at, waits: false, over: over(issuer.not_after), told: false };
            of_issuer.entries.entry(serial).or_insert(entry);
            of_issuer.changed = true;
        }
    }

    /// How many lists were signed since this was last asked.
    #[must_use]
    pub fn take_signed(&self) -> usize {
        self.signed.swap(0, Ordering::AcqRel)
    }

    /// Signs what is due. One issuer's failure is not another's.
    fn sign(
        &self,
        authority: &Authority,
        known: &mut BTreeMap<IssuerId, Known>,
        now: Time,
    ) -> Result<usize, CaError> {
        let before = self.lists.load();
        let mut after = BTreeMap::new();
        let mut signed = 0;
        let mut failed = None;
        for issuing in authority.issuing() {
            let id = &issuing.issuer.id;
            let last = before.get(id);
            let known = known.entry(id.clone()).or_default();
            if let Some(last) = last.filter(|last| !known.changed && !last.is_due(now)) {
                after.insert(id.clone(), last.clone());
                continue;
            }
            match known.list(&issuing, authority.crl_profile(), last.map(|last| last.crl.number), now) {
                Ok(shown) => {
                    after.insert(id.clone(), shown);
                    signed += 1;
                }
                Err(error) => {
                    after.extend(last.map(|last| (id.clone(), last.clone())));
                    failed.get_or_insert(error);
                }
            }
        }
        self.lists.store(Arc::new(after));
        self.signed.fetch_add(signed, Ordering::AcqRel);
        failed.map_or(Ok(signed), Err)
    }
}

/// A list and when the next one must follow.
#[derive(Clone)]
struct Shown {
    crl: Arc<Crl>,
    due: Time,
}

impl Shown {
    fn is_due(&self, now: Time) -> bool {
        self.due <= now || now < self.crl.this_update
    }
}

/// What an issuer's list must tell.
#[derive(Default)]
struct Known {
    entries: BTreeMap<Serial, Entry>,
    /// Something is told that the last list did not tell.
    changed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    reason: RevocationReason,
    at: Time,
    /// Whether it stands on the list from `at` on only.
    waits: bool,
    /// When it opens nothing any more, not even its renewal.
    over: Time,
    /// A list that was signed after that told of it (RFC 5280 3.3).
    told: bool,
}

impl Known {
    /// Takes in how a certificate stands. What a list has told it does not take back.
    fn hear(&mut self, certificate: &Certificate, profile: &Profile, now: Time) {
        let (reason, at, waits) = match certificate.state {
            CertificateState::Revoked { reason, at } => (reason, at, false),
            // A newer one took its place, and its grace, where it has one, ends then.
            CertificateState::Superseded { at } => (RevocationReason::Superseded, at, true),
            CertificateState::Active => return,
        };
        let over = over(certificate.not_after);
        let entry = Entry { reason, at, waits, over, told: false };
        match self.entries.get(&certificate.serial) {
            Some(known) if *known == (Entry { told: known.told, ..entry }) => return,
            Some(known) if known.stands(now) && !entry.stands(now) => return,
            // What ended so long ago stood on a list after its end, before this process lived.
            None if told_long_ago(profile, over, now) => return,
            _ => {}
        }
        self.entries.insert(certificate.serial.clone(), entry);
        self.changed = true;
    }

    /// Signs a list. `revokedCertificates` is absent where nothing is revoked (RFC 5280 5.1.2.6), and so
    /// is the reason where it is unspecified (5.3.1).
    fn list(
        &mut self,
        issuing: &Issuing,
        profile: &Profile,
        last: Option<u64>,
        now: Time,
    ) -> Result<Shown, CaError> {
        let this_update = Time::from_secs(now.secs());
        let next_update = profile.crl_next_update(now)?;
        let number = next_number(last, now);
        let stays = |entry: &Entry| !(entry.told && told_long_ago(profile, entry.over, now));
        let listed = self.entries.iter().filter(|(_, entry)| entry.stands(now) && stays(entry));
        let revoked_certs =
            listed.map(|(serial, entry)| entry.params(serial)).collect::<Result<Vec<_>, _>>()?;
        let entries = revoked_certs.len();
        let params = CertificateRevocationListParams {
            this_update: build::moment(this_update)?.to_datetime(),
            next_update: build::moment(next_update)?.to_datetime(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::PreSpecified(issuing.key_id.clone()),
        };
        let der = params.signed_by(&*issuing.signer)?.der().to_vec();
        self.entries.retain(|_, entry| stays(entry));
        let mut due = this_update.plus(next_update.since(this_update) / 2);
        for entry in self.entries.values_mut() {
            if entry.stands(now) {
                entry.told |= entry.over < now;
            } else {
                due = due.min(entry.at);
            }
        }
        self.changed = false;
        Ok(Shown { crl: Arc::new(Crl { der, this_update, next_update, number, entries }), due })
    }
}

impl Entry {
    fn stands(&self, now: Time) -> bool {
        !self.waits || self.at <= now
    }

    fn params(&self, serial: &str) -> Result<RevokedCertParams, CaError> {
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from(serial::bytes(serial)?),
            revocation_time: build::moment(self.at)?.to_datetime(),
            reason_code: Some(reason_code(self.reason)),
            invalidity_date: None,
        })
    }
}

/// When a certificate that ends then opens nothing any more: an ended one opens its renewal for a while, and what
/// was revoked meanwhile must stay told.
fn over(not_after: Time) -> Time {
    not_after.plus(Duration::from_secs(u64::from(CertificateTerms::EXPIRED_GRACE_DAYS_MAX) * 24 * 3600))
}

/// Whether a list that was signed just after that moment has ended itself.
fn told_long_ago(profile: &Profile, over: Time, now: Time) -> bool {
    over < now && profile.crl_next_update(over).is_ok_and(|until| until < now)
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

/// A list that could not be signed is tried again no sooner by those who fetch it.
const TRIED_AGAIN_AFTER_MS: u64 = 1_000;

#[cfg(test)]
mod tests;
