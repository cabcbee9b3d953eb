//! The list of a person's certificates, and taking off it what no longer counts. Switching off is in `lost`,
//! making in `renewal`.

use http::StatusCode;

use super::{Answer, Here, LIST, Portal, refused};
use crate::audit::{Entry, Event};
use crate::domain::certificate::{Certificate, CertificateState, Forgotten, LastUse};
use crate::domain::device::Device;
use crate::domain::{Reason, Time};
use crate::store::table::{self, Stored};
use crate::web::page::{Head, see_other};
use crate::web::pages::settings::{Certificates, Ends, Forget, Row, TookPlace};
use crate::web::pages::{Moment, Page as _};

/// A certificate of the person, with the device it is on.
pub(super) struct Owned {
    pub(super) certificate: Stored<Certificate>,
    pub(super) device: Stored<Device>,
}

impl Portal {
    /// The list.
    pub(super) async fn certificates(&self, here: &Here<'_>) -> Answer {
        let now = here.visit.now;
        let store = &**self.parts.ledger.store();
        let own = here.certificate.certificate();
        let mut all = Vec::new();
        for device in self.devices(here).await? {
            for one in self.parts.view.certificates_of(&device.record.tenant, &device.record.id) {
                let forgotten = table::get::<Forgotten>(store, &table::forgotten(&one.serial)).await;
                if one.serial == own.serial || forgotten.map_err(|_| Reason::Internal)?.is_none() {
                    let used = table::get::<LastUse>(store, &table::last_use(&one.serial)).await;
                    let used = used.map_err(|_| Reason::Internal)?.map(|read| read.record.at);
                    all.push((one, device.record.name.clone(), used));
                }
            }
        }
        // This browser's first, then what counts, the newest first.
        all.sort_by_key(|(one, _, _)| {
            (one.serial != own.serial, !counts(one, now), std::cmp::Reverse(one.not_before))
        });
        let took_place = all.iter().find(|(one, _, _)| takes_place(own, one)).map(|(one, name, _)| {
            let until = match one.state {
                CertificateState::Superseded { at } if now < at => Some(at.minute()),
                _ => None,
            };
            TookPlace { device: name.clone(), until }
        });
        let rows = all
            .into_iter()
            .map(|(one, device, used)| {
                let (state, tone) = state(&one, now);
                let (of, opens) = (format!("{LIST}of/{}", one.serial), opens(here, &one));
                let link = |shown: bool, end: &str| if shown { format!("{of}/{end}") } else { String::new() };
                Row {
                    device,
                    serial: grouped(&one.serial),
                    from: one.not_before.day(),
                    until: one.not_after.day(),
                    used: used.map(|at| Moment::new(at, now)),
                    state,
                    tone,
                    here: one.serial == own.serial,
                    forget: link(!opens, "forget"),
                    lost: link(opens, "lost"),
                }
            })
            .collect();
        let days = days_left(own, now);
        let ends = (days <= ENDS_SOON_DAYS).then(|| Ends { day: own.not_after.day(), days });
        let renew = format!("{LIST}new/");
        Ok(Certificates {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            rows,
            renew,
            ends,
            took_place,
        }
        .response(StatusCode::OK))
    }

    /// The page before a certificate is taken off the list.
    pub(super) async fn ask_forget(&self, here: &Here<'_>, serial: &str) -> Answer {
        let owned = self.owned(here, serial).await?;
        let one = &owned.certificate.record;
        if opens(here, one) {
            return Err(STILL_COUNTS);
        }
        Ok(Forget {
            page: Head::of(here.visit),
            csrf: here.csrf.clone(),
            device: owned.device.record.name.clone(),
            until: one.not_after.day(),
            state: state(one, here.visit.now).0,
            action: format!("{LIST}of/{serial}/forget"),
            back: LIST.to_owned(),
        }
        .response(StatusCode::OK))
    }

    /// Takes it off the list; the record stays.
    pub(super) async fn forget(&self, here: &Here<'_>, serial: &str) -> Answer {
        let owned = self.owned(here, serial).await?;
        let now = here.visit.now;
        if opens(here, &owned.certificate.record) {
            return Err(STILL_COUNTS);
        }
        let entry = Entry::new(here.actor(), Event::CertificateForgotten)
            .tenant(here.certificate.tenant())
            .whom(format!("device:{}", owned.device.record.id))
            .whence(here.visit.address)
            .detail("serial", serial);
        let forgotten = Forgotten { serial: owned.certificate.record.serial.clone(), at: now };
        let writes = vec![table::put(&forgotten), table::unchanged(&owned.certificate)];
        self.parts.ledger.record(entry, writes).await.map_err(refused)?;
        Ok(see_other(LIST))
    }

    /// A certificate of this person, by what a form named; another's is not there.
    pub(super) async fn owned(&self, here: &Here<'_>, serial: &str) -> Result<Owned, Reason> {
        let store = &**self.parts.ledger.store();
        let read = table::get::<Certificate>(store, &table::certificate(serial)).await;
        let certificate = read.map_err(|_| Reason::Internal)?.ok_or(Reason::NotFound)?;
        let one = &certificate.record;
        if (&one.tenant, &one.person) != (here.certificate.tenant(), here.certificate.person_id()) {
            return Err(Reason::NotFound);
        }
        let key = table::device(&one.tenant, &one.person, &one.device);
        let device = table::get::<Device>(store, &key).await.map_err(|_| Reason::Internal)?;
        Ok(Owned { device: device.ok_or(Reason::NotFound)?, certificate })
    }

    async fn devices(&self, here: &Here<'_>) -> Result<Vec<Stored<Device>>, Reason> {
        let prefix = table::devices(here.certificate.tenant(), here.certificate.person_id());
        table::list(&**self.parts.ledger.store(), &prefix).await.map_err(|_| Reason::Internal)
    }
}

/// Whether it opens anything at all: one that has just ended still opens its renewal, and so may be lost.
pub(super) fn opens(here: &Here<'_>, one: &Certificate) -> bool {
    let (grace, now) = (here.visit.tenant.certificates.expired_grace(), here.visit.now);
    counts(one, now) || one.ended_within(grace, now)
}

/// Whether it lets in: its state and its dates.
pub(super) fn counts(one: &Certificate, now: Time) -> bool {
    one.state.counts(now) && now <= one.not_after
}

/// Whether `own` stands where `old` stood, a short while ago.
fn takes_place(own: &Certificate, old: &Certificate) -> bool {
    let superseded = matches!(old.state, CertificateState::Superseded { .. });
    superseded && old.device == own.device && old.not_before <= own.not_before && old.serial != own.serial
}

fn state(one: &Certificate, now: Time) -> (String, &'static str) {
    match one.state {
        CertificateState::Revoked { at, .. } => (format!("switched off on {}", at.day()), "bad"),
        CertificateState::Superseded { at } if now < at => {
            (format!("replaced, works until {} UTC", at.minute()), "waiting")
        }
        CertificateState::Superseded { at } => (format!("replaced on {}", at.day()), ""),
        CertificateState::Active if now > one.not_after => (format!("ended on {}", one.not_after.day()), ""),
        CertificateState::Active => match days_left(one, now) {
            days @ 0..=ENDS_SOON_DAYS => {
                let plural = if days == 1 { "" } else { "s" };
                (format!("ends in {days} day{plural}"), "waiting")
            }
            _ => ("active".to_owned(), "good"),
        },
    }
}

fn days_left(one: &Certificate, now: Time) -> u64 {
    one.not_after.since(now).as_secs() / 86_400
}

/// Groups of four, as certificate viewers show them.
fn grouped(serial: &str) -> String {
    let digits: Vec<char> = serial.to_ascii_uppercase().chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

const STILL_COUNTS: Reason =
    Reason::BadRequest("this certificate still counts; where its device is lost, report it lost");

/// As the first reminder.
const ENDS_SOON_DAYS: u64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_read_in_groups() {
        assert_eq!(grouped("7f3a0b"), "7F3A 0B");
        assert_eq!(grouped(""), "");
    }
}
