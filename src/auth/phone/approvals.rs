//! Questions to a person's phones, one at a time and not too often; `answer` hears the answers.
//! Knows no HTTP, and not what an approval opens: a session takes it up through [`Approvals::approved`].

mod answer;
mod history;
mod not_me;
pub mod offline;
mod often;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::audit::{Entry, Event, Ledger, RecordError};
use crate::auth::throttle::{Subject, Throttles};
use crate::crypto::{Pepper, Signer};
use crate::domain::approval::{Approval, ApprovalState, Asked, Purpose, Shown};
use crate::domain::certificate::Fingerprint;
use crate::domain::phone::RemovedPhone;
use crate::domain::session::{Session, TokenHash};
use crate::domain::throttle::Guarded;
use crate::domain::{ApprovalId, DeviceId, PersonId, Reason, Secret, TenantId, Time};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};
use crate::world::World;

use super::place::Places;
use super::webauthn::RelyingParty;

pub use answer::AnswerError;
pub use often::{AskError, Settings};

/// Asks phones and hears their answers.
pub struct Approvals {
    ledger: Arc<Ledger>,
    pepper: Arc<Pepper>,
    party: RelyingParty,
    throttles: Throttles,
    world: World,
    terms: ArcSwap<Terms>,
    signer: Option<Signer>,
}

/// What the operator may change while questions wait: it counts for those that are asked from then on.
#[derive(Default)]
pub struct Terms {
    /// How often, and how long.
    pub settings: Settings,
    /// Says where about an address is.
    pub places: Option<Places>,
}

/// What is asked, and by which browser.
#[derive(Clone, Debug)]
pub struct Asking {
    /// Whose door.
    pub tenant: TenantId,
    /// Whom.
    pub person: PersonId,
    /// The device that asks to come in.
    pub device: DeviceId,
    /// Its certificate.
    pub fingerprint: Fingerprint,
    /// The browser session that waits.
    pub session: TokenHash,
    /// What it is for.
    pub purpose: Purpose,
    /// What the phone shows; its place is looked up here.
    pub shown: Shown,
    /// What else the answer stands for.
    pub bound: Option<[u8; 32]>,
    /// Network address.
    pub from: IpAddr,
}

/// How a question stands, as the waiting desktop asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The phone has not answered.
    Waiting,
    /// Approved; take it up with [`Approvals::approved`].
    Approved,
    /// "Not me": every session of the person has ended, and they are kept out.
    Denied,
    /// Three wrong digits.
    WrongDigits,
    /// A newer question took its place.
    Superseded,
    /// The desktop gave up.
    Withdrawn,
    /// Nobody answered in time, or it is not there any more.
    Expired,
}

/// Who waits for an answer, and with which certificate.
#[derive(Clone, Copy, Debug)]
pub struct Waiter<'a> {
    /// Whose door.
    pub tenant: &'a TenantId,
    /// Whom.
    pub person: &'a PersonId,
    /// The device.
    pub device: &'a DeviceId,
    /// Its certificate.
    pub fingerprint: &'a Fingerprint,
    /// The browser that waits.
    pub token: &'a TokenHash,
}

/// An approval that the waiting session may take up.
#[derive(Clone, Debug)]
pub struct Approved {
    /// What was approved.
    pub purpose: Purpose,
    /// When.
    pub at: Time,
    /// Goes into the commit that steps the session up: it falls through where "not me" came first.
    pub unchanged: Write,
}

impl Approvals {
    /// Over a ledger. `party` is the phone door.
    #[must_use]
    pub fn new(
        ledger: Arc<Ledger>,
        pepper: Arc<Pepper>,
        party: RelyingParty,
        world: World,
        terms: Terms,
    ) -> Self {
        let throttles = Throttles::new(Arc::clone(&ledger), world.clone());
        let terms = ArcSwap::from_pointee(terms);
        Self { ledger, pepper, party, throttles, world, terms, signer: None }
    }

    /// With the key that signs squares for phones without a network.
    #[must_use]
    pub fn signing(self, signer: Signer) -> Self {
        Self { signer: Some(signer), ..self }
    }

    /// Other terms from now on.
    pub fn change(&self, terms: Terms) {
        self.terms.store(Arc::new(terms));
    }

    /// Asks. An unanswered question of the same person gives way in the same commit, so that there
    /// is one at most. Returns it with the six digits, which are for the desktop alone.
    ///
    /// # Errors
    /// [`AskError::TooMany`], [`AskError::Blocked`], and the store's.
    pub async fn ask(&self, asking: Asking) -> Result<(Approval, Secret), AskError> {
        self.somebody_may_answer(&asking).await?;
        for _ in 0..TRIES_MAX {
            let now = self.world.now();
            let asked = self.asked(&asking.tenant, &asking.person).await?;
            let before = asked.as_ref().map_or(&[][..], |it| &it.record.times);
            let times = self.terms.load().settings.room_for_one(before, now)?;
            let (approval, digits) = self.make(&asking, now);

            let mut writes = vec![table::create(&approval)];
            let pointer = Asked {
                tenant: asking.tenant.clone(),
                person: asking.person.clone(),
                last: approval.id.clone(),
                times,
            };
            match &asked {
                None => writes.push(table::create(&pointer)),
                Some(asked) => {
                    writes.push(table::replace(asked, &pointer));
                    writes.extend(self.superseding(&asked.record).await?);
                }
            }
            let entry = entry("gate", Event::ApprovalAsked, &approval, asking.from);
            match self.ledger.record(entry, writes).await {
                Ok(_) => return Ok((approval, digits)),
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AskError::Busy)
    }

    /// The question a person's phones should show now: none or one.
    ///
    /// # Errors
    /// The store's.
    pub async fn pending(
        &self,
        tenant: &TenantId,
        person: &PersonId,
    ) -> Result<Option<Approval>, StoreError> {
        let now = self.world.now();
        Ok(self
            .last(tenant, person)
            .await?
            .filter(|it| it.state == ApprovalState::Pending && now < it.expires))
    }

    /// The question that was put to a person last, however it stands.
    ///
    /// # Errors
    /// The store's.
    pub async fn last(&self, tenant: &TenantId, person: &PersonId) -> Result<Option<Approval>, StoreError> {
        let Some(asked) = self.asked(tenant, person).await? else { return Ok(None) };
        Ok(self.find(tenant, person, &asked.record.last).await?.map(|it| it.record))
    }

    /// What is left of a phone that was removed.
    ///
    /// # Errors
    /// The store's.
    pub async fn removed(&self, key: &table::Key) -> Result<Option<RemovedPhone>, StoreError> {
        Ok(table::get(self.ledger.store().as_ref(), key).await?.map(|it| it.record))
    }

    /// How a question stands.
    ///
    /// # Errors
    /// The store's.
    pub async fn state(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        id: &ApprovalId,
    ) -> Result<Standing, StoreError> {
        let Some(found) = self.find(tenant, person, id).await? else { return Ok(Standing::Expired) };
        Ok(match found.record.state {
            ApprovalState::Pending if self.world.now() < found.record.expires => Standing::Waiting,
            ApprovalState::Pending => Standing::Expired,
            ApprovalState::Approved { .. } => Standing::Approved,
            ApprovalState::Denied { .. } => Standing::Denied,
            ApprovalState::WrongDigits => Standing::WrongDigits,
            ApprovalState::Superseded => Standing::Superseded,
            ApprovalState::Withdrawn => Standing::Withdrawn,
        })
    }

    /// The approval, where it stands and was asked for by exactly this session. Once the session
    /// has taken it up and rotated, nobody can again.
    ///
    /// # Errors
    /// The store's.
    pub async fn approved(&self, session: &Session, id: &ApprovalId) -> Result<Option<Approved>, StoreError> {
        let Session { tenant, person, device, fingerprint, token, .. } = session;
        self.approved_for(&Waiter { tenant, person, device, fingerprint, token }, id).await
    }

    /// The same for somebody who waits without a session.
    ///
    /// # Errors
    /// The store's.
    pub async fn approved_for(
        &self,
        waiter: &Waiter<'_>,
        id: &ApprovalId,
    ) -> Result<Option<Approved>, StoreError> {
        let Some(found) = self.find(waiter.tenant, waiter.person, id).await? else { return Ok(None) };
        let approval = &found.record;
        let same = approval.session == *waiter.token
            && approval.fingerprint == *waiter.fingerprint
            && approval.device == *waiter.device
            && self.world.now() < approval.expires.plus(TAKEN_UP_WITHIN);
        Ok(match &approval.state {
            ApprovalState::Approved { at, .. } if same => {
                let unchanged = table::unchanged(&found);
                Some(Approved { purpose: approval.purpose, at: *at, unchanged })
            }
            _ => None,
        })
    }

    /// The desktop gave up: the phone need not answer any more.
    ///
    /// # Errors
    /// The store's.
    pub async fn withdraw(&self, session: &Session, id: &ApprovalId) -> Result<(), StoreError> {
        let Some(found) = self.find(&session.tenant, &session.person, id).await? else { return Ok(()) };
        if found.record.state != ApprovalState::Pending || found.record.session != session.token {
            return Ok(());
        }
        let withdrawn = Approval { state: ApprovalState::Withdrawn, ..found.record.clone() };
        let entry =
            Entry::new(format!("person:{}/{}", session.tenant, session.person), Event::ApprovalWithdrawn)
                .tenant(&session.tenant)
                .detail("approval", id.as_str());
        match self.ledger.record(entry, vec![table::replace(&found, &withdrawn)]).await {
            // Whoever came first has answered it.
            Ok(_) | Err(RecordError::Conflict) => Ok(()),
            Err(RecordError::Store(error)) => Err(error),
        }
    }

    /// Nobody is asked who could not answer: every phone of theirs is blocked.
    async fn somebody_may_answer(&self, asking: &Asking) -> Result<(), AskError> {
        let phones = self.ledger.view().phones(&asking.tenant, &asking.person);
        for phone in &phones {
            let subject = Subject::Phone(phone.id.clone());
            match self.throttles.check(&asking.tenant, Guarded::Digits, &subject).await {
                Err(Reason::Blocked) => {}
                _ => return Ok(()),
            }
        }
        if phones.is_empty() { Ok(()) } else { Err(AskError::Blocked) }
    }

    fn make(&self, asking: &Asking, now: Time) -> (Approval, Secret) {
        let digits = Secret::new(self.world.six_digits());
        let mut approval = Approval {
            id: ApprovalId::from_bits(self.world.bytes()),
            tenant: asking.tenant.clone(),
            person: asking.person.clone(),
            device: asking.device.clone(),
            fingerprint: asking.fingerprint,
            session: asking.session,
            purpose: asking.purpose,
            shown: Shown { place: self.place_of(asking.from), ..asking.shown.clone() }.cleaned(),
            bound: asking.bound,
            nonce: self.world.bytes(),
            digits_mac: [0; 32],
            created: now,
            expires: now.plus(self.terms.load().settings.lives),
            wrong_digits: 0,
            offline: None,
            state: ApprovalState::Pending,
        };
        approval.digits_mac = self.digits_mac(&approval, digits.expose());
        (approval, digits)
    }

    fn place_of(&self, address: IpAddr) -> String {
        self.terms.load().places.as_ref().and_then(|places| places.near(address)).unwrap_or_default()
    }

    fn digits_mac(&self, approval: &Approval, digits: &str) -> [u8; 32] {
        let parts = [approval.tenant.as_str(), approval.person.as_str(), approval.id.as_str(), digits];
        self.pepper.mac("approval digits", &parts.map(str::as_bytes))
    }

    async fn find(
        &self,
        tenant: &TenantId,
        person: &PersonId,
        id: &ApprovalId,
    ) -> Result<Option<Stored<Approval>>, StoreError> {
        table::get(self.ledger.store().as_ref(), &table::approval(tenant, person, id)).await
    }

    async fn asked(&self, tenant: &TenantId, person: &PersonId) -> Result<Option<Stored<Asked>>, StoreError> {
        table::get(self.ledger.store().as_ref(), &table::asked(tenant, person)).await
    }

    async fn superseding(&self, asked: &Asked) -> Result<Option<Write>, StoreError> {
        let last = self.find(&asked.tenant, &asked.person, &asked.last).await?;
        Ok(last.filter(|it| it.record.state == ApprovalState::Pending).map(|it| {
            table::replace(&it, &Approval { state: ApprovalState::Superseded, ..it.record.clone() })
        }))
    }
}

fn entry(actor: &str, what: Event, approval: &Approval, from: IpAddr) -> Entry {
    Entry::new(actor, what)
        .tenant(&approval.tenant)
        .whom(format!("person:{}/{}", approval.tenant, approval.person))
        .whence(from)
        .detail("approval", approval.id.as_str())
        .detail("purpose", approval.purpose.as_str())
        .detail("device", approval.device.as_str())
}

/// The waiting page takes an approval up at once; a laptop that slept may take this long.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(2 * 60);
/// Each conflict means that another answer came through, and three end a question.
const TRIES_MAX: usize = 64;

#[cfg(test)]
mod tests;
