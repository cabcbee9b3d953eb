//! A lost phone takes two agents: the first's release, the second's word, and the client who gives it up.

use std::time::Duration;

use super::desk::desk_refused;
use super::{Agent, Caller, DeskRefusal, FirstVisits, refused};
use crate::audit::Event;
use crate::domain::device::Device;
use crate::domain::enrolment::{Enrolment, EnrolmentKind, EnrolmentState};
use crate::domain::session::TokenHash;
use crate::domain::{PersonId, Reason, TenantId};
use crate::notify::About;
use crate::store::Write;
use crate::store::table::{self, Stored};

impl FirstVisits {
    /// The first agent agrees: a second must, before anything opens.
    pub(super) async fn release_lost_phone(
        &self,
        agent: &Agent,
        read: &Stored<Enrolment>,
        device: &Stored<Device>,
    ) -> Result<(), DeskRefusal> {
        if !device.record.state.is_released() {
            return Err(DeskRefusal::MovedOn);
        }
        let state = EnrolmentState::AwaitingSecond { first: agent.actor.clone() };
        let code_expires = self.world.now().plus(STEP_TAKES);
        let next = Enrolment { state, code_expires, ..read.record.clone() };
        let mut writes = vec![table::replace(read, &next), table::unchanged(device)];
        let (device, address) = (device.record.name.clone(), read.record.address.clone());
        let about = About::LostPhoneAsked { device, address };
        writes.extend(self.told(&read.record.tenant, &read.record.person, about));
        let entry = self.entry(&agent.actor, Event::RecoveryReleased, &read.record, &agent.address);
        self.ledger.record(entry, writes).await.map_err(desk_refused).map(drop)
    }

    /// A second agent confirms what a first released; only then the square is shown, in that browser alone.
    /// `checked` says that every line of the second's checklist was ticked. `past` is why the machine's owner does
    /// it past the desk, and what tells of that.
    ///
    /// # Errors
    /// [`DeskRefusal::FourEyes`] for the first agent, for whoever issued the device, and for the person (audited).
    pub async fn confirm_release(
        &self,
        agent: &Agent,
        tenant: &TenantId,
        person: &PersonId,
        number: &str,
        checked: bool,
        past: Option<(&str, Vec<Write>)>,
    ) -> Result<(), DeskRefusal> {
        let read = self.by_number(tenant, person, number).await?;
        let EnrolmentState::AwaitingSecond { first } = &read.record.state else {
            return Err(DeskRefusal::MovedOn);
        };
        let found = self.found(agent, read.record.clone())?;
        // On the machine itself its owner has issued everything, and every owner is told.
        if *first == agent.actor || (agent.four_eyes && found.own) {
            return Err(self.four_eyes(agent, &read.record, vec![]).await);
        }
        let now = self.world.now();
        let shut_out = self.view.person(tenant, person).is_none_or(|one| one.shut_out(now));
        if read.record.kind != EnrolmentKind::LostPhone || !read.record.in_time(now) || shut_out {
            return Err(DeskRefusal::MovedOn);
        }
        if !checked {
            return Err(DeskRefusal::Checklist);
        }
        let event = if past.is_some() { Event::BreakglassUsed } else { Event::RecoveryConfirmed };
        let mut entry = self
            .entry(&agent.actor, event, &read.record, &agent.address)
            .detail("person", person.as_str())
            .detail("first", first);
        let by = format!("{first} and {}", agent.actor);
        let code_expires = now.plus(STEP_TAKES);
        let next = Enrolment { state: EnrolmentState::Released { by }, code_expires, ..read.record.clone() };
        let device = self.device(&found.device).await.map_err(DeskRefusal::Refused)?;
        let mut writes = vec![table::replace(&read, &next), table::unchanged(&device)];
        if let Some((reason, tells)) = past {
            entry = entry.detail("reason", reason);
            writes.extend(tells);
        }
        self.ledger.record(entry, writes).await.map_err(desk_refused).map(drop)
    }

    /// The client needs no release any more, however far it has come.
    ///
    /// # Errors
    /// The store's.
    pub async fn give_up(
        &self,
        caller: impl Into<Caller<'_>>,
        session: &TokenHash,
        address: &str,
    ) -> Result<(), Reason> {
        let caller = caller.into();
        let Some(read) = self.of_session(caller, session).await? else { return Ok(()) };
        let entry = self.entry(&caller.actor(), Event::RecoveryGivenUp, &read.record, address);
        self.shown.forget(session);
        self.ledger.record(entry, vec![table::consume(&read)]).await.map_err(refused).map(drop)
    }
}

/// For the second agent to look at it, and then for the client to pair the new phone.
pub(super) const STEP_TAKES: Duration = Duration::from_secs(30 * 60);
