//! "Not me": one commit that ends all there is of a person and keeps them out until the desk has spoken with
//! them. Whoever races it, it has the last word. Knows no message: whoever calls brings what tells of it.

use std::net::IpAddr;

use super::answer::{AnswerError, answer_entry};
use super::{Approvals, TRIES_MAX};
use crate::audit::RecordError;
use crate::auth::phone::proof::ProvedCall;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::person::{Frozen, Person, Standing};
use crate::domain::phone::{Pairing, Phone};
use crate::domain::renewal::Renewal;
use crate::domain::session::{Session, TokenHash};
use crate::domain::{ApprovalId, PersonId, TenantId, Time};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};

impl Approvals {
    /// "Not me", to a question that stands, that has its answer, or that ended long ago. In the commit that
    /// records it the person is frozen, and every session, renewal, pairing and open question of theirs ends.
    /// `tell` makes what is written with it, so that nobody is frozen without being told.
    ///
    /// # Errors
    /// What stands in the way; [`AnswerError::Answered`] where it was said before.
    pub async fn not_me(
        &self,
        call: &ProvedCall,
        id: &ApprovalId,
        from: IpAddr,
        tell: impl Fn(&Approval, &Person) -> Vec<Write>,
    ) -> Result<(), AnswerError> {
        for _ in 0..TRIES_MAX {
            let now = self.world.now();
            let (phone, found) = self.question(call.phone(), id).await?;
            let approval = &found.record;
            let evidence = match &approval.state {
                ApprovalState::Denied { .. } => return Err(AnswerError::Answered),
                ApprovalState::Approved { evidence, .. } => Some(evidence.clone()),
                _ => None,
            };
            let state = ApprovalState::Denied { phone: phone.record.id.clone(), at: now, evidence };
            let denied = Approval { state, ..approval.clone() };
            let person = self.person(&approval.tenant, &approval.person).await?;
            let person = person.ok_or(AnswerError::Unpaired)?;
            let frozen = freeze(&person.record, approval, &phone.record, now);

            let mut writes = vec![table::replace(&found, &denied), table::unchanged(&phone)];
            // Written anew also where nothing changes, so that a pairing confirmed meanwhile falls through.
            writes.push(table::replace(&person, &frozen));
            let sessions = self.sessions(&approval.tenant, &approval.person).await?;
            // Present, so that one that rotates meanwhile makes us look again.
            writes.extend(sessions.iter().map(|token| table::delete_present(table::session(token))));
            let renewals = self.renewals(&approval.tenant, &approval.person).await?;
            writes.extend(renewals.iter().map(|token| table::delete_present(table::renewal(token))));
            writes
                .extend(self.pairings(&approval.tenant, &approval.person).await?.iter().map(table::consume));
            writes.extend(self.other_question(approval).await?);
            writes.extend(tell(&denied, &frozen));
            let entry = answer_entry(&denied, call.phone(), from)
                .detail(
                    "alarm",
                    "the person says it was somebody else, and is kept out until the desk unlocks",
                )
                .detail("asked", approval.created.to_string())
                .detail("sessions_ended", sessions.len().to_string());
            match self.ledger.record(entry, writes).await {
                Ok(_) => return Ok(()),
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AnswerError::Busy)
    }

    /// A newer question of the same person, which ends too.
    async fn other_question(&self, denied: &Approval) -> Result<Option<Write>, StoreError> {
        let asked = self.asked(&denied.tenant, &denied.person).await?;
        match asked {
            Some(asked) if asked.record.last != denied.id => self.superseding(&asked.record).await,
            _ => Ok(None),
        }
    }

    async fn person(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Option<Stored<Person>>, StoreError> {
        table::get(self.ledger.store().as_ref(), &table::person(tenant, person)).await
    }

    async fn sessions(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<TokenHash>, StoreError> {
        let all = table::list::<Session>(self.ledger.store().as_ref(), &table::all::<Session>()).await?;
        let of_person = |it: &Session| it.tenant == *tenant && it.person == *person;
        Ok(all.into_iter().map(|it| it.record).filter(of_person).map(|it| it.token).collect())
    }

    /// Renewals under way: they end as sessions do.
    async fn renewals(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<TokenHash>, StoreError> {
        let all = table::list::<Renewal>(self.ledger.store().as_ref(), &table::all::<Renewal>()).await?;
        let of_person = |it: &Renewal| it.tenant == *tenant && it.person == *person;
        Ok(all.into_iter().map(|it| it.record).filter(of_person).map(|it| it.token).collect())
    }

    async fn pairings(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Vec<Stored<Pairing>>, StoreError> {
        let all = table::list::<Pairing>(self.ledger.store().as_ref(), &table::all::<Pairing>()).await?;
        let of_person = |it: &Pairing| it.tenant == *tenant && it.person == *person;
        Ok(all.into_iter().filter(|it| of_person(&it.record)).collect())
    }
}

/// Who is gone for good stays so, and who is frozen already stays as it was first said.
fn freeze(person: &Person, denied: &Approval, phone: &Phone, at: Time) -> Person {
    if matches!(person.standing, Standing::Closed | Standing::Frozen(_)) {
        return person.clone();
    }
    let shown = &denied.shown;
    let frozen = Frozen {
        at,
        phone: phone.id.clone(),
        asked: denied.created,
        device: shown.device.clone(),
        browser: shown.browser.clone(),
        address: shown.address.clone(),
        place: shown.place.clone(),
    };
    Person { standing: Standing::Frozen(Box::new(frozen)), ..person.clone() }
}
