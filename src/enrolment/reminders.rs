//! Who is reminded that a certificate ends, and when: 60, 30, 14, 7 days and one day before, and at the end.
//! Days are those of the calendar in UTC. Sends nothing: a message is queued, once over all nodes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::domain::certificate::{Certificate, CertificateState};
use crate::domain::device::{Device, DeviceState};
use crate::domain::person::{Person, Standing};
use crate::domain::reminder::Reminder;
use crate::domain::tenant::Tenant;
use crate::domain::{DeviceId, PersonId, TenantId, Time};
use crate::notify::{self, About};
use crate::store::view::View;
use crate::store::{StoreError, table};
use crate::world::World;

/// Days before its end on which a reminder is due; 0 is the end itself.
pub const STAGES: [u32; 6] = [60, 30, 14, 7, 1, 0];

/// From how many days before the end people are told of it.
pub const TOLD_BEFORE_DAYS: u32 = STAGES[0];

/// For how many days after the end they still are. After that nobody is helped by it.
pub const TOLD_AFTER_DAYS: u32 = 30;

/// A certificate that ends soon, or ended lately, and that nothing has replaced.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Which.
    pub certificate: Arc<Certificate>,
    /// Whose client.
    pub tenant: Arc<Tenant>,
    /// Whose.
    pub person: Arc<Person>,
    /// On which device.
    pub device: Arc<Device>,
    /// How far it has come.
    pub left: Left,
}

/// How much of a certificate is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// So many days, by the calendar: 0 is today, 1 is tomorrow.
    Days(u32),
    /// Nothing.
    Ended,
}

impl Left {
    /// What is left at `now` of a certificate that ends with `not_after`.
    #[must_use]
    pub fn of(not_after: Time, now: Time) -> Self {
        if not_after < now {
            return Self::Ended;
        }
        Self::Days(u32::try_from(day(not_after) - day(now)).unwrap_or(u32::MAX))
    }

    /// "ends in 14 days", "ends tomorrow", "ends today", "has ended".
    #[must_use]
    pub fn said(self) -> String {
        match self {
            Self::Ended => "has ended".to_owned(),
            Self::Days(0) => "ends today".to_owned(),
            Self::Days(1) => "ends tomorrow".to_owned(),
            Self::Days(days) => format!("ends in {days} days"),
        }
    }

    /// Days left; 0 on the last day and after it.
    #[must_use]
    pub const fn days(self) -> u32 {
        match self {
            Self::Days(days) => days,
            Self::Ended => 0,
        }
    }
}

/// The latest stage that a certificate has come to; those before it are over, whether anybody was told or not.
/// A certificate that was made with less left than a stage's days never comes to that stage.
#[must_use]
pub fn stage(not_before: Time, not_after: Time, now: Time) -> Option<u32> {
    let left = match Left::of(not_after, now) {
        Left::Ended => return (now <= not_after.plus(days(TOLD_AFTER_DAYS))).then_some(0),
        Left::Days(left) => left,
    };
    let stage = STAGES.into_iter().rev().find(|stage| *stage > 0 && left <= *stage)?;
    (day(not_after) - i64::from(stage) > day(not_before)).then_some(stage)
}

/// Those that end within so many days, or ended within [`TOLD_AFTER_DAYS`], the first to end first. Left out is
/// what nobody misses: revoked, superseded, of a device that is retired or has a newer certificate, of a person
/// who is gone.
#[must_use]
pub fn ending(view: &View, within_days: u32, now: Time) -> Vec<Ending> {
    let certificates = view.certificates();
    let (from, to) = (now.minus(days(TOLD_AFTER_DAYS)), day(now) + i64::from(within_days));
    let mut ending: Vec<Ending> = last_of_each(&certificates)
        .into_iter()
        .filter(|one| from <= one.not_after && day(one.not_after) <= to)
        .filter_map(|one| Ending::of(view, one, now))
        .collect();
    ending.sort_by(|a, b| order(&a.certificate).cmp(&order(&b.certificate)));
    ending
}

/// What one person is told of: in the phone app, in the settings.
#[must_use]
pub fn ending_of(view: &View, tenant: &TenantId, person: &PersonId, now: Time) -> Vec<Ending> {
    let mut ending = ending(view, TOLD_BEFORE_DAYS, now);
    ending.retain(|one| one.certificate.tenant == *tenant && one.certificate.person == *person);
    ending
}

impl Ending {
    fn of(view: &View, one: &Arc<Certificate>, now: Time) -> Option<Self> {
        let device = view.device(&one.tenant, &one.person, &one.device)?;
        let person = view.person(&one.tenant, &one.person)?;
        let gone = person.standing == Standing::Closed;
        if gone || device.state == DeviceState::Retired {
            return None;
        }
        let left = Left::of(one.not_after, now);
        Some(Self { certificate: Arc::clone(one), tenant: view.tenant(&one.tenant)?, person, device, left })
    }

    /// The stage of it that is to be told now, where one is.
    fn due(&self, told: &HashSet<(&str, u32)>, now: Time) -> Option<u32> {
        let (serial, one) = (self.certificate.serial.as_str(), &self.certificate);
        let stage = stage(one.not_before, one.not_after, now)?;
        // A clock that was put back brings no earlier stage again.
        let over = STAGES.into_iter().any(|other| other <= stage && told.contains(&(serial, other)));
        (!over && !self.person.shut_out(now)).then_some(stage)
    }
}

/// The certificate of each device that ends last, of those that are neither revoked nor superseded.
fn last_of_each(certificates: &[Arc<Certificate>]) -> Vec<&Arc<Certificate>> {
    let mut last: HashMap<(&TenantId, &DeviceId), &Arc<Certificate>> = HashMap::new();
    for one in certificates.iter().filter(|one| one.state == CertificateState::Active) {
        let known = last.entry((&one.tenant, &one.device)).or_insert(one);
        if order(known) < order(one) {
            *known = one;
        }
    }
    last.into_values().collect()
}

fn order(one: &Certificate) -> (Time, Time, &str) {
    (one.not_after, one.not_before, &one.serial)
}

/// Queues the reminders that are due.
pub struct Reminders {
    ledger: Arc<Ledger>,
    view: Arc<View>,
    world: World,
}

impl Reminders {
    /// Over the ledger.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, view: Arc<View>, world: World) -> Self {
        Self { ledger, view, world }
    }

    /// Looks who is to be told, and queues it. How many messages were queued here.
    ///
    /// # Errors
    /// The store's; what was not queued is looked at again the next time.
    pub async fn look(&self) -> Result<u32, StoreError> {
        let now = self.world.now();
        let store = &**self.ledger.store();
        let told = table::list::<Reminder>(store, &table::all::<Reminder>()).await?;
        let told = told.iter().map(|read| (read.record.serial.as_str(), read.record.stage)).collect();
        let ending = ending(&self.view, TOLD_BEFORE_DAYS, now);
        let due = ending.iter().filter_map(|one| Some((one, one.due(&told, now)?)));
        let queued = &AtomicU32::new(0);
        // Several at once, so that a day on which a thousand end costs few commits.
        futures_util::stream::iter(due)
            .for_each_concurrent(AT_ONCE, |(one, stage)| async move {
                match self.queue(one, stage, now).await {
                    Ok(true) => drop(queued.fetch_add(1, Ordering::Relaxed)),
                    Ok(false) | Err(RecordError::Conflict) => {}
                    Err(RecordError::Store(error)) => {
                        tracing::warn!(%error, serial = one.certificate.serial, "a reminder was not queued; it is tried again");
                    }
                }
            })
            .await;
        Ok(queued.load(Ordering::Relaxed))
    }

    /// Queues one message and writes down that it was, in one commit that only the first of many gets through,
    /// and only while the certificate is as it was seen. `false` where there is nobody to write to.
    async fn queue(&self, one: &Ending, stage: u32, now: Time) -> Result<bool, RecordError> {
        let certificate = &one.certificate;
        let key = table::certificate(&certificate.serial);
        let read = table::get::<Certificate>(&**self.ledger.store(), &key).await?;
        let Some(read) = read.filter(|read| read.record.state == CertificateState::Active) else {
            return Ok(false);
        };
        let (until, days_left) = (certificate.not_after, one.left.days());
        let about = About::CertificateEnds { device: one.device.name.clone(), until, days: days_left };
        let Some(notice) = notify::queue(&self.world, &one.tenant, &one.person, about) else {
            return Ok(false);
        };
        let reminder = Reminder {
            serial: certificate.serial.clone(),
            stage,
            queued: now,
            until: until.plus(days(TOLD_AFTER_DAYS * 2)),
        };
        let entry = Entry::new("gate", Event::ReminderQueued)
            .tenant(&certificate.tenant)
            .whom(format!("device:{}", certificate.device))
            .detail("person", certificate.person.as_str())
            .detail("serial", &certificate.serial)
            .detail("stage", stage.to_string());
        let writes = vec![table::create(&reminder), notice, table::unchanged(&read)];
        self.ledger.record(entry, writes).await?;
        Ok(true)
    }
}

/// Which day it is, counted from 1970 in UTC.
const fn day(time: Time) -> i64 {
    time.secs().div_euclid(DAY_SECS as i64)
}

const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * DAY_SECS)
}

const DAY_SECS: u64 = 86_400;

/// Commits that may share an fsync.
const AT_ONCE: usize = 64;

#[cfg(test)]
mod tests;
