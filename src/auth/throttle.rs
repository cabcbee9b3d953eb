//! Failures in a row, counted before each try is heard: of a thousand tries at once, five are.
//!
//! One counter per subject, shared by every path that guards the same thing. It outlives
//! what it guards and is set back only by success or by the desk.

use std::sync::Arc;
use std::time::Duration;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::domain::throttle::{Guarded, Throttle};
use crate::domain::{DeviceId, PersonId, PhoneId, Reason, TenantId, Time, network};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};
use crate::world::World;

/// Counts tries.
pub struct Throttles {
    ledger: Arc<Ledger>,
    world: World,
}

/// Who is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A person who came with a known certificate.
    Person(PersonId),
    /// A person of whom somebody says that it is they, and shows no certificate: counted apart, so that a
    /// stranger cannot lock the owner out.
    Stranger(PersonId),
    /// What was typed as an e-mail address, known or not, as a hash.
    Mailbox(String),
    /// A device.
    Device(DeviceId),
    /// A phone on which digits are typed.
    Phone(PhoneId),
    /// A network address: many people may share it, so it is never blocked for good.
    Address(std::net::IpAddr),
    /// A member of staff who types codes.
    Agent(String),
    /// A machine that renews its certificate: the good ones count too.
    Machine(DeviceId),
}

/// A failure that is not yet counted.
#[derive(Clone, Debug)]
pub struct Failing {
    /// Counts it.
    pub write: Write,
    /// Whether with it the subject is blocked until the desk, or a success elsewhere, opens it.
    pub blocks: bool,
}

/// Leave to hear one try. It is already counted as a failure; [`Try::succeeded`] sets that right.
#[derive(Debug)]
#[must_use = "a try that succeeded must be set right"]
pub struct Try {
    tenant: TenantId,
    purpose: Guarded,
    subjects: Vec<Subject>,
}

impl Throttles {
    /// Over the house's ledger.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, world: World) -> Self {
        Self { ledger, world }
    }

    /// Counts a try of all `subjects`, or refuses it before it is heard.
    ///
    /// # Errors
    /// [`Reason::TooMany`] with the moment from which the next is heard, [`Reason::Blocked`] where
    /// only the desk can open it, [`Reason::Internal`] where the store does not answer.
    pub async fn attempt(
        &self,
        tenant: &TenantId,
        purpose: Guarded,
        mut subjects: Vec<Subject>,
    ) -> Result<Try, Reason> {
        // Who is named twice tries once.
        let mut seen = std::collections::BTreeSet::new();
        subjects.retain(|subject| seen.insert(subject.key()));
        // Many at once: each round one of them gets its count in, so the loop ends.
        loop {
            let now = self.world.now();
            let mut writes = Vec::with_capacity(subjects.len());
            let mut blocks = false;
            for subject in &subjects {
                let read = self.read(tenant, purpose, subject).await.map_err(|_| Reason::Internal)?;
                let counted = count(read.as_ref().map(|read| &read.record), tenant, purpose, subject, now)
                    .inspect_err(|_| self.ledger.tally().hold_off(purpose))?;
                blocks |= counted.blocked;
                writes.push(match &read {
                    Some(read) => table::replace(read, &counted),
                    None => table::create(&counted),
                });
            }
            let event = if blocks { Event::ThrottleBlocked } else { Event::ThrottleCounted };
            let entry = Entry::new("gate", event)
                .tenant(tenant)
                .whom(subjects.first().map(Subject::key).unwrap_or_default())
                .detail("guards", purpose.as_str());
            match self.ledger.record(entry, writes).await {
                Ok(_) => return Ok(Try { tenant: tenant.clone(), purpose, subjects }),
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(_)) => return Err(Reason::Internal),
            }
        }
    }

    /// Takes a try that was no failure off a count: one that succeeded, off that of its address, since an office
    /// that signs in one by one must not shut itself out; one that was never heard, off each. Apart from the
    /// success, whose commit must not wait for all those who come through the same address. Where it cannot be
    /// written, the count stays too high.
    pub async fn ease(&self, tenant: &TenantId, purpose: Guarded, subject: &Subject) {
        loop {
            let Ok(Some(read)) = self.read(tenant, purpose, subject).await else { return };
            let write = match eased(&read.record, self.world.now()) {
                Some(eased) => table::replace(&read, &eased),
                None => table::consume(&read),
            };
            let entry = Entry::new("gate", Event::ThrottleEased)
                .tenant(tenant)
                .whom(subject.key())
                .detail("guards", purpose.as_str());
            match self.ledger.record(entry, vec![write]).await {
                Ok(_) => return,
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => {
                    tracing::warn!(%error, "a try that succeeded stays counted");
                    return;
                }
            }
        }
    }

    /// Whether a try would be heard, without counting one.
    ///
    /// # Errors
    /// As [`Throttles::attempt`].
    pub async fn check(&self, tenant: &TenantId, purpose: Guarded, subject: &Subject) -> Result<(), Reason> {
        let read = self.read(tenant, purpose, subject).await.map_err(|_| Reason::Internal)?;
        count(read.as_ref().map(|read| &read.record), tenant, purpose, subject, self.world.now()).map(drop)
    }

    /// What counts one failure, to commit with what failed: for whoever knows at once whether a try failed, and
    /// settles it in one commit. Refused where none would be heard.
    ///
    /// # Errors
    /// As [`Throttles::attempt`].
    pub async fn failing(
        &self,
        tenant: &TenantId,
        purpose: Guarded,
        subject: &Subject,
    ) -> Result<Failing, Reason> {
        let read = self.read(tenant, purpose, subject).await.map_err(|_| Reason::Internal)?;
        let counted =
            count(read.as_ref().map(|read| &read.record), tenant, purpose, subject, self.world.now())
                .inspect_err(|_| self.ledger.tally().hold_off(purpose))?;
        let write = match &read {
            Some(read) => table::replace(read, &counted),
            None => table::create(&counted),
        };
        Ok(Failing { blocks: counted.blocked, write })
    }

    /// What sets the counts of a person's phones, and of what they showed without a network, back, to commit with a
    /// right answer on one of them: a success elsewhere opens one that was blocked.
    #[must_use]
    pub fn right_on_a_phone(&self, tenant: &TenantId, person: &PersonId) -> Vec<Write> {
        let phones = self.ledger.view().phones(tenant, person);
        let subjects = phones.iter().map(|phone| Subject::Phone(phone.id.clone()));
        let subjects = subjects.chain([Subject::Person(person.clone())]).map(|subject| subject.key());
        let keys = subjects.map(|subject| table::throttle(tenant, Guarded::Digits.as_str(), &subject));
        keys.map(table::delete).collect()
    }

    /// What opens every throttle of a person, their devices and phones again, to commit with the desk's action.
    ///
    /// # Errors
    /// The store's.
    pub async fn open_again(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        devices: &[DeviceId],
    ) -> Result<Vec<Write>, StoreError> {
        let mut subjects = vec![Subject::Person(person.clone()), Subject::Stranger(person.clone())];
        subjects.extend(devices.iter().cloned().map(Subject::Device));
        let keys = subjects.iter().flat_map(|subject| {
            [Guarded::Code, Guarded::SignIn, Guarded::Recovery, Guarded::Requests]
                .map(|purpose| table::throttle(tenant, purpose.as_str(), &subject.key()))
        });
        Ok(keys.map(table::delete).chain(self.right_on_a_phone(tenant, person)).collect())
    }

    async fn read(
        &self,
        tenant: &TenantId,
        purpose: Guarded,
        subject: &Subject,
    ) -> Result<Option<Stored<Throttle>>, StoreError> {
        table::get(&**self.ledger.store(), &table::throttle(tenant, purpose.as_str(), &subject.key())).await
    }
}

impl Try {
    /// What sets the counters back, to commit with the success itself. An address keeps its count of the
    /// others, whom one good client behind it does not clear: see [`Throttles::ease`].
    #[must_use]
    pub fn succeeded(self) -> Vec<Write> {
        self.succeeded_for(|subject| !matches!(subject, Subject::Address(_)))
    }

    /// The same for some of those that were counted.
    #[must_use]
    pub fn succeeded_for(self, whom: impl Fn(&Subject) -> bool) -> Vec<Write> {
        let Self { tenant, purpose, subjects } = self;
        let cleared = subjects.iter().filter(|subject| whom(subject));
        cleared
            .map(|subject| table::delete(table::throttle(&tenant, purpose.as_str(), &subject.key())))
            .collect()
    }
}

impl Subject {
    fn key(&self) -> String {
        match self {
            Self::Person(id) => format!("person:{id}"),
            Self::Stranger(id) => format!("stranger:{id}"),
            Self::Mailbox(hash) => format!("{}{hash}", Throttle::OF_MAILBOX),
            Self::Device(id) => format!("device:{id}"),
            Self::Phone(id) => format!("phone:{id}"),
            Self::Address(ip) => format!("{}{}", Throttle::OF_ADDRESS, network(*ip)),
            Self::Machine(id) => format!("machine:{id}"),
            Self::Agent(actor) => format!("agent:{actor}"),
        }
    }

    /// How many failures in a row close it, and for how long; `None` is until the desk opens it.
    const fn limit(&self) -> (u32, Option<Duration>) {
        match self {
            Self::Person(_) | Self::Stranger(_) | Self::Device(_) | Self::Phone(_) => (FAILURES_MAX, None),
            Self::Mailbox(_) => (MAILBOX_ASKED_MAX, Some(MAILBOX_PAUSE)),
            Self::Address(_) => (ADDRESS_FAILURES_MAX, Some(ADDRESS_PAUSE)),
            Self::Machine(_) => (MACHINE_RENEWALS_MAX, Some(MACHINE_PAUSE)),
            Self::Agent(_) => (AGENT_FAILURES_MAX, Some(AGENT_PAUSE)),
        }
    }
}

fn count(
    old: Option<&Throttle>,
    tenant: &TenantId,
    purpose: Guarded,
    subject: &Subject,
    now: Time,
) -> Result<Throttle, Reason> {
    let (most, pause) = subject.limit();
    if let Some(old) = old {
        if old.blocked {
            return Err(Reason::Blocked);
        }
        if now < old.until {
            return Err(Reason::TooMany { until: old.until });
        }
    }
    // A pause that is over starts the count anew; a count without one goes on for ever.
    let before = old.filter(|old| pause.is_none() || old.failures < most).map_or(0, |old| old.failures);
    let failures = before + 1;
    let until = match pause {
        Some(pause) if failures >= most => now.plus(pause),
        Some(_) => now,
        None => now.plus(delay(failures)),
    };
    Ok(Throttle {
        tenant: tenant.clone(),
        purpose,
        subject: subject.key(),
        failures,
        until,
        blocked: pause.is_none() && failures >= most,
    })
}

/// The count without one try; `None` where none is left. A pause that this try began is over: fewer failed.
fn eased(old: &Throttle, now: Time) -> Option<Throttle> {
    let failures = old.failures.saturating_sub(1);
    let until = old.until.min(now);
    // A block that this try brought about is none: nobody is heard, and so counted, behind one.
    (failures > 0).then(|| Throttle { failures, until, blocked: false, ..old.clone() })
}

/// Growing delay before the block: none after the first slip, then 2, 4, 8 s.
fn delay(failures: u32) -> Duration {
    if failures < 2 { Duration::ZERO } else { Duration::from_secs(1 << (failures - 1).min(6)) }
}

/// Five in a row block (RTS 2018/389 art. 4(3)(b)).
const FAILURES_MAX: u32 = 5;

/// An office behind one address makes this many slips before it must pause.
const ADDRESS_FAILURES_MAX: u32 = 50;
const ADDRESS_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Somebody who asks for a new certificate this often must pause: each time may put a line into the desk's queue.
const MAILBOX_ASKED_MAX: u32 = 5;
const MAILBOX_PAUSE: Duration = Duration::from_secs(15 * 60);

/// An agent who types this many wrong codes in a row is guessing, or is being used to guess.
const AGENT_FAILURES_MAX: u32 = 20;
const AGENT_PAUSE: Duration = Duration::from_secs(15 * 60);

/// A machine renews a few times a year; one that does so again and again is at fault, or is not that machine.
const MACHINE_RENEWALS_MAX: u32 = 10;
const MACHINE_PAUSE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
