//! The desk's side of a first visit: the code typed, the word said, the release or the rejection.

use std::time::Duration;

use super::{FirstVisits, actor};
use crate::audit::{Entry, Event, Outcome, RecordError};
use crate::auth::throttle::Subject;
use crate::domain::device::{Device, DeviceState};
use crate::domain::enrolment::{EndedWhy, Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::throttle::Guarded;
use crate::domain::{PersonId, Reason, TenantId, words};
use crate::notify::{self, About};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};

/// What the agent sees once the code was right.
#[derive(Clone, Debug)]
pub struct Found {
    /// The enrolment.
    pub enrolment: Enrolment,
    /// Its device.
    pub device: Device,
    /// Whether this agent issued or delivered the device, and so may not release it.
    pub own: bool,
}

/// Why the desk's action did not go through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskRefusal {
    /// The digits fit none of this person's devices; this many tries are left before the code dies.
    WrongCode,
    /// Nobody of that name is waiting.
    NobodyWaits,
    /// It moved on meanwhile: another agent, the client, or time.
    MovedOn,
    /// The client has not found the agent's word yet.
    WordFirst,
    /// The agent issued or delivered the device.
    FourEyes,
    /// The checklist is not complete.
    Checklist,
    /// Throttled, or the gate can't.
    Refused(Reason),
}

/// Who acts at the desk.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Actor as in the audit trail.
    pub actor: String,
    /// Where from.
    pub address: String,
    /// Whether what this agent issued is for a colleague to release: so at the desk, and not on the
    /// machine itself, where the first owner is alone.
    pub four_eyes: bool,
}

impl FirstVisits {
    /// The agent types the code that a named person reads out. Counted before it is heard, against
    /// every device of the person that waits and against the agent; a right one is used up.
    ///
    /// # Errors
    /// [`DeskRefusal`].
    pub async fn check_code(
        &self,
        agent: &Agent,
        tenant: &TenantId,
        person: &PersonId,
        typed: &str,
    ) -> Result<Found, DeskRefusal> {
        let now = self.world.now();
        let waiting: Vec<_> = self
            .of_person(tenant, person)
            .await?
            .into_iter()
            .filter(|read| matches!(read.record.state, EnrolmentState::Waiting))
            .filter(|read| read.record.code_mac.is_some() && read.record.in_time(now))
            .collect();
        if waiting.is_empty() {
            return Err(DeskRefusal::NobodyWaits);
        }
        let mut subjects: Vec<Subject> = Vec::with_capacity(waiting.len() + 1);
        for read in &waiting {
            // Several browsers may ask for one device's renewal: it is counted once.
            let device = Subject::Device(read.record.device.clone());
            if !subjects.contains(&device) {
                subjects.push(device);
            }
        }
        subjects.push(Subject::Agent(agent.actor.clone()));
        let counted = self.throttles.attempt(tenant, Guarded::Code, subjects).await;
        let counted = counted.map_err(DeskRefusal::Refused)?;
        let typed: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        let mut fitting = waiting.iter().filter(|read| self.is_code_of(&read.record, &typed));
        // Two at once cannot be told apart, so neither is right; `new_code` keeps them from it.
        let (Some(read), None) = (fitting.next(), fitting.next()) else {
            let entry = Entry::new(&agent.actor, Event::CodeWrong)
                .tenant(tenant)
                .whom(person.as_str())
                .whence(&agent.address)
                .outcome(Outcome::Refused("wrong code".to_owned()));
            self.ledger.record(entry, vec![]).await.map_err(desk_refused)?;
            return Err(DeskRefusal::WrongCode);
        };
        if agent.four_eyes && self.found(agent, read.record.clone())?.own {
            // The code stays right: a colleague can type it.
            return Err(self.four_eyes(agent, &read.record, vec![]).await);
        }
        let words = words::three(|bound| self.world.below(bound));
        let word = words[self.world.below(3) as usize].clone();
        let state = EnrolmentState::CodeRight { agent: agent.actor.clone(), word, words };
        let code_expires = now.plus(DECISION_TAKES);
        let enrolment = Enrolment { code_mac: None, code_expires, state, ..read.record.clone() };
        // Only what was right is set back: another device of the person keeps its count.
        let right = Subject::Device(read.record.device.clone());
        let mut writes =
            counted.succeeded_for(|subject| *subject == right || matches!(subject, Subject::Agent(_)));
        writes.push(table::replace(read, &enrolment));
        let entry = self.entry(&agent.actor, Event::CodeRight, &enrolment, &agent.address);
        self.ledger.record(entry, writes).await.map_err(desk_refused)?;
        self.found(agent, enrolment)
    }

    /// What an agent who typed the right code sees of an enrolment, by its number.
    ///
    /// # Errors
    /// [`DeskRefusal::NobodyWaits`] where there is none that this agent verified.
    pub async fn look(
        &self,
        agent: &Agent,
        tenant: &TenantId,
        person: &PersonId,
        number: &str,
    ) -> Result<Found, DeskRefusal> {
        let read = self.by_number(tenant, person, number).await?;
        self.found(agent, read.record)
    }

    /// Lets the device in. `checked` says that every line of the identity checklist was ticked.
    ///
    /// # Errors
    /// [`DeskRefusal::FourEyes`] where the agent issued or delivered the device (audited);
    /// [`DeskRefusal::WordFirst`] before the client found the word.
    pub async fn release(
        &self,
        agent: &Agent,
        tenant: &TenantId,
        person: &PersonId,
        number: &str,
        checked: bool,
    ) -> Result<(), DeskRefusal> {
        let read = self.by_number(tenant, person, number).await?;
        match &read.record.state {
            // The word bound the call to the agent who said it.
            EnrolmentState::WordRight { agent: who, .. } if *who == agent.actor => {}
            EnrolmentState::CodeRight { agent: who, .. } if *who == agent.actor => {
                return Err(DeskRefusal::WordFirst);
            }
            _ => return Err(DeskRefusal::MovedOn),
        }
        let found = self.found(agent, read.record.clone())?;
        if found.own {
            return Err(self.four_eyes(agent, &read.record, vec![]).await);
        }
        let now = self.world.now();
        let shut_out = self.view.person(tenant, person).is_none_or(|one| one.shut_out(now));
        if !read.record.in_time(now) || shut_out {
            return Err(DeskRefusal::MovedOn);
        }
        if !checked {
            return Err(DeskRefusal::Checklist);
        }
        let device = self.device(&found.device).await.map_err(DeskRefusal::Refused)?;
        let by = agent.actor.clone();
        match read.record.kind {
            EnrolmentKind::FirstVisit => {}
            EnrolmentKind::Expired => return self.release_renewal(agent, &read, &device).await,
            EnrolmentKind::LostPhone => return self.release_lost_phone(agent, &read, &device).await,
        }
        let state = let_in(device.record.state).ok_or(DeskRefusal::MovedOn)?;
        let released = Device { state, released_by: Some(by.clone()), ..device.record.clone() };
        let state = EnrolmentState::Released { by };
        let mut writes = vec![
            table::replace(&read, &Enrolment { state, ..read.record.clone() }),
            table::replace(&device, &released),
        ];
        let about =
            About::DeviceReleased { device: found.device.name.clone(), address: read.record.address.clone() };
        writes.extend(self.told(tenant, person, about));
        let entry = self.entry(&agent.actor, Event::DeviceReleased, &read.record, &agent.address);
        self.ledger.record(entry, writes).await.map_err(desk_refused).map(drop)
    }

    /// Lets somebody whose certificate ended go on to password and phone: the device was let in long ago.
    async fn release_renewal(
        &self,
        agent: &Agent,
        read: &Stored<Enrolment>,
        device: &Stored<Device>,
    ) -> Result<(), DeskRefusal> {
        if !device.record.state.is_released() {
            return Err(DeskRefusal::MovedOn);
        }
        let (tenant, person) = (&read.record.tenant, &read.record.person);
        let state = EnrolmentState::Released { by: agent.actor.clone() };
        let mut writes =
            vec![table::replace(read, &Enrolment { state, ..read.record.clone() }), table::unchanged(device)];
        let (device, address) = (device.record.name.clone(), read.record.address.clone());
        writes.extend(self.told(tenant, person, About::ExpiredAsked { device, address }));
        let entry = self.entry(&agent.actor, Event::ExpiredReleased, &read.record, &agent.address);
        self.ledger.record(entry, writes).await.map_err(desk_refused).map(drop)
    }

    /// Writes down that an agent tried to let in what they issued themselves.
    pub(super) async fn four_eyes(
        &self,
        agent: &Agent,
        enrolment: &Enrolment,
        writes: Vec<Write>,
    ) -> DeskRefusal {
        let entry = self.entry(&agent.actor, Event::RequestRefused, enrolment, &agent.address).outcome(
            Outcome::Refused(
                "four eyes: the agent issued or delivered the device, or released it first".to_owned(),
            ),
        );
        match self.ledger.record(entry, writes).await {
            Ok(_) => DeskRefusal::FourEyes,
            Err(error) => desk_refused(error),
        }
    }

    /// Turns the device away; `why` is for the audit trail.
    ///
    /// # Errors
    /// [`DeskRefusal::MovedOn`] where it was decided already.
    pub async fn reject(
        &self,
        agent: &Agent,
        tenant: &TenantId,
        person: &PersonId,
        number: &str,
        why: &str,
    ) -> Result<(), DeskRefusal> {
        let read = self.by_number(tenant, person, number).await?;
        if !matches!(
            read.record.state,
            EnrolmentState::CodeRight { .. }
                | EnrolmentState::WordRight { .. }
                | EnrolmentState::AwaitingSecond { .. }
        ) {
            return Err(DeskRefusal::MovedOn);
        }
        let state = EnrolmentState::Ended { why: EndedWhy::Rejected };
        let writes = vec![table::replace(&read, &Enrolment { state, ..read.record.clone() })];
        let entry =
            self.entry(&agent.actor, Event::DeviceRejected, &read.record, &agent.address).detail("why", why);
        self.ledger.record(entry, writes).await.map_err(desk_refused).map(drop)
    }

    /// Every enrolment of a person, whatever its state.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn of_person(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<Stored<Enrolment>>, DeskRefusal> {
        table::list(&**self.ledger.store(), &table::enrolments(tenant, person))
            .await
            .map_err(|_| DeskRefusal::Refused(Reason::Internal))
    }

    /// Every enrolment that waits for the desk, of all tenants, for its queue. Shows no code.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn queue(&self) -> Result<Vec<Enrolment>, DeskRefusal> {
        let now = self.world.now();
        let all = table::list::<Enrolment>(&**self.ledger.store(), &table::all::<Enrolment>()).await;
        let all = all.map_err(|_| DeskRefusal::Refused(Reason::Internal))?;
        Ok(all
            .into_iter()
            .map(|read| read.record)
            .filter(|one| match one.state {
                EnrolmentState::Waiting | EnrolmentState::AwaitingSecond { .. } => one.in_time(now),
                EnrolmentState::CodeRight { .. } | EnrolmentState::WordRight { .. } => true,
                EnrolmentState::Ended { why } => why == EndedWhy::WrongWord,
                EnrolmentState::Released { .. } => false,
            })
            .collect())
    }

    /// What makes the live codes of a person void, to commit where their wrong tries are forgotten: with
    /// fresh counts comes a fresh code.
    ///
    /// # Errors
    /// The store's.
    pub async fn void_codes(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<Write>, StoreError> {
        let now = self.world.now();
        let prefix = table::enrolments(tenant, person);
        let visits = table::list::<Enrolment>(&**self.ledger.store(), &prefix).await?;
        let live = visits.iter().filter(|read| read.record.code_mac.is_some());
        let void = live.map(|read| {
            let void = Enrolment { code_mac: None, code_expires: now, ..read.record.clone() };
            table::replace(read, &void)
        });
        Ok(void.collect())
    }

    pub(super) fn found(&self, agent: &Agent, enrolment: Enrolment) -> Result<Found, DeskRefusal> {
        let device = self
            .view
            .device(&enrolment.tenant, &enrolment.person, &enrolment.device)
            .ok_or(DeskRefusal::MovedOn)?;
        let issued = self.view.certificates_of(&enrolment.tenant, &enrolment.device);
        let own = device.issued_by == agent.actor
            || issued.iter().any(|certificate| certificate.issued_by == agent.actor)
            || device.delivered_by.as_deref() == Some(agent.actor.as_str())
            || actor(&enrolment.tenant, &enrolment.person) == agent.actor;
        Ok(Found { enrolment, device: (*device).clone(), own })
    }

    pub(super) async fn by_number(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        number: &str,
    ) -> Result<Stored<Enrolment>, DeskRefusal> {
        let all = self.of_person(tenant, person).await?;
        all.into_iter().find(|read| read.record.number == number).ok_or(DeskRefusal::NobodyWaits)
    }

    pub(super) fn told(&self, tenant: &TenantId, person: &PersonId, about: About) -> Option<Write> {
        let (tenant, person) = (self.view.tenant(tenant)?, self.view.person(tenant, person)?);
        notify::queue(&self.world, &tenant, &person, about)
    }
}

pub(super) fn desk_refused(error: RecordError) -> DeskRefusal {
    match error {
        RecordError::Conflict => DeskRefusal::MovedOn,
        RecordError::Store(_) => DeskRefusal::Refused(Reason::Internal),
    }
}

/// What a release makes of a device; `None` where it was switched off, for good.
#[must_use]
pub const fn let_in(state: DeviceState) -> Option<DeviceState> {
    match state {
        DeviceState::Issued | DeviceState::AwaitingCode | DeviceState::Released => {
            Some(DeviceState::Released)
        }
        DeviceState::Active => Some(DeviceState::Active),
        DeviceState::Retired => None,
    }
}

/// Word and release belong to the call in which the code was read out.
const DECISION_TAKES: Duration = Duration::from_secs(15 * 60);
