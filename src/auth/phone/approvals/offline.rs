//! Answers of phones that have no network, typed on the desktop: a challenge on request, its answer judged and counted.

use std::net::IpAddr;

use super::answer::{approve_by, count_wrong, still_open};
use super::{AnswerError, Approvals, TRIES_MAX, entry};
use crate::audit::{Event, Outcome, RecordError};
use crate::auth::phone::offline::{self, Challenge};
use crate::auth::phone::proof::Handle;
use crate::auth::throttle::Subject;
use crate::crypto;
use crate::domain::approval::{Answer, Approval, OfflineAnswer, Purpose, Signed};
use crate::domain::phone::Phone;
use crate::domain::session::Session;
use crate::domain::tenant::SyncedPasskeys;
use crate::domain::{ApprovalId, PersonId, PhoneId, TenantId};
use crate::store::StoreError;
use crate::store::table::{self, Stored};

impl Approvals {
    /// Phones of a person that can answer without a network.
    #[must_use]
    pub fn offline_phones(&self, tenant: &TenantId, person: &PersonId) -> Vec<Phone> {
        let phones = self.ledger.view().phones(tenant, person);
        let tenant = self.ledger.view().tenant(tenant);
        let copies = tenant.is_some_and(|it| it.synced_passkeys == SyncedPasskeys::Accept);
        let able = phones.iter().filter(|phone| {
            phone.offline_key.is_some() && self.signer.is_some() && (copies || !phone.backup_eligible)
        });
        able.map(|phone| phone.as_ref().clone()).collect()
    }

    /// The key by which phones know the gate's squares, SEC1 uncompressed.
    #[must_use]
    pub fn gate_key(&self) -> Option<&[u8]> {
        self.signer.as_ref().map(|signer| signer.public())
    }

    /// The square for a phone without a network. It takes the place of one made before.
    ///
    /// # Errors
    /// [`AnswerError::Unknown`] where this session asked no such question or the phone cannot answer so, and where
    /// a payment is to be confirmed; the store's.
    pub async fn offline(
        &self,
        session: &Session,
        id: &ApprovalId,
        phone: &PhoneId,
        from: IpAddr,
    ) -> Result<Challenge, AnswerError> {
        let signer = self.signer.as_ref().ok_or(AnswerError::Unknown)?;
        for _ in 0..TRIES_MAX {
            let found = self.asked_by(session, id).await?;
            let phones = self.offline_phones(&session.tenant, &session.person);
            let phone = phones.iter().find(|it| it.id == *phone).ok_or(AnswerError::Unknown)?;
            self.may_answer(phone).await?;
            let key = phone.offline_key.as_ref().ok_or(AnswerError::Unknown)?;
            let made = offline::challenge(&found.record, &Handle::of(phone), &key.0, signer);
            let made = made.map_err(|_| AnswerError::Unknown)?;
            let mac = self.offline_mac(&found.record, made.answer.expose());
            let kept = Some(OfflineAnswer { phone: phone.id.clone(), mac });
            let next = Approval { offline: kept, ..found.record.clone() };
            let entry = entry("gate", Event::ApprovalOffline, &next, from).detail("phone", phone.id.as_str());
            match self.ledger.record(entry, vec![table::replace(&found, &next)]).await {
                Ok(_) => return Ok(made),
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AnswerError::Busy)
    }

    /// Approves with the eight characters that the phone showed. Wrong ones are counted as wrong digits are, apart
    /// from those typed on phones.
    ///
    /// # Errors
    /// What stands in the way; wrong characters among them.
    pub async fn approve_offline(
        &self,
        session: &Session,
        id: &ApprovalId,
        text: &str,
        from: IpAddr,
    ) -> Result<(), AnswerError> {
        let typed = offline::typed(text).ok_or(AnswerError::NotEight)?;
        for _ in 0..TRIES_MAX {
            let now = self.world.now();
            let found = self.asked_by(session, id).await?;
            let approval = &found.record;
            let expected = approval.offline.as_ref().ok_or(AnswerError::Unknown)?;
            let key = table::phone(&approval.tenant, &approval.person, &expected.phone);
            let phone = table::get::<Phone>(self.ledger.store().as_ref(), &key).await?;
            let phone = phone.ok_or(AnswerError::Unpaired)?;
            self.may_answer(&phone.record).await?;
            let failing = self.failing(&approval.tenant, &Subject::Person(approval.person.clone())).await?;

            let right = crypto::same(&self.offline_mac(approval, typed.expose()), &expected.mac);
            let (answered, outcome) = if right {
                let text = approval.canonical_text(Answer::Approve(""));
                approve_by(approval, &phone.record, now, Signed { text, ..Signed::default() })
            } else {
                count_wrong(approval, failing.blocks)
            };
            let mut writes = vec![table::replace(&found, &answered), table::unchanged(&phone)];
            let entry = if right {
                writes.extend(self.forgetting_times(approval).await?);
                writes.extend(self.throttles.right_on_a_phone(&approval.tenant, &approval.person));
                entry(&format!("phone:{}", phone.record.id), Event::ApprovalApproved, &answered, from)
                    .detail("way", "without a network")
            } else {
                writes.push(failing.write);
                let wrong = format!("wrong characters, {} in all", answered.wrong_digits);
                entry("gate", Event::ApprovalWrongDigits, &answered, from)
                    .detail("way", "without a network")
                    .outcome(Outcome::Refused(wrong))
            };
            match self.ledger.record(entry, writes).await {
                Ok(_) => return outcome,
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AnswerError::Busy)
    }

    /// The question, where exactly this session asked it and it waits.
    async fn asked_by(&self, session: &Session, id: &ApprovalId) -> Result<Stored<Approval>, AnswerError> {
        let found: Result<_, StoreError> = self.find(&session.tenant, &session.person, id).await;
        let found = found?.ok_or(AnswerError::Unknown)?;
        let approval = &found.record;
        let theirs = approval.session == session.token && approval.fingerprint == session.fingerprint;
        if !theirs || !opens(approval.purpose, approval.bound) {
            return Err(AnswerError::Unknown);
        }
        still_open(approval, self.world.now())?;
        Ok(found)
    }

    fn offline_mac(&self, approval: &Approval, answer: &str) -> [u8; 32] {
        let parts = [approval.tenant.as_str(), approval.person.as_str(), approval.id.as_str(), answer];
        self.pepper.mac("offline answer", &parts.map(str::as_bytes))
    }
}

/// What such an answer may open: coming in, and going on inside. Nothing that lasts, and no payment.
#[must_use]
pub const fn opens(purpose: Purpose, bound: Option<[u8; 32]>) -> bool {
    match purpose {
        Purpose::SignIn | Purpose::NewDevice | Purpose::ResumeFirstVisit => true,
        // Changes in the settings say what they are about; a page that wants a fresher yes does not.
        Purpose::StepUp => bound.is_none(),
        Purpose::RenewCertificate
        | Purpose::RenewExpired
        | Purpose::PairPhone
        | Purpose::RemovePhone
        | Purpose::RecoveryCodes
        | Purpose::Confirm => false,
    }
}
