//! Answers to questions: the signature first, then the digits, then one commit that settles it,
//! whoever races. Knows no HTTP; that the call came from the phone is proved before.

use std::net::IpAddr;

use super::{Approvals, TRIES_MAX, entry};
use crate::audit::{Entry, Event, Outcome, RecordError};
use crate::auth::phone::proof::ProvedCall;
use crate::auth::phone::webauthn::{self, Assertion, Known};
use crate::auth::throttle::{Failing, Subject};
use crate::crypto;
use crate::domain::approval::{Answer, Approval, ApprovalState, Asked, Signed};
use crate::domain::phone::Phone;
use crate::domain::tenant::{SyncedPasskeys, Tenant};
use crate::domain::throttle::Guarded;
use crate::domain::{ApprovalId, Reason, TenantId, Time};
use crate::store::table::{self, Stored};
use crate::store::{StoreError, Write};

impl Approvals {
    /// Approves with the digits typed on the phone. The signature is judged first, over the text
    /// that we build ourselves; only then do the digits count, right or wrong.
    ///
    /// # Errors
    /// What stands in the way; wrong digits among them.
    pub async fn approve(
        &self,
        call: &ProvedCall,
        id: &ApprovalId,
        digits: &str,
        assertion: &Assertion,
        from: IpAddr,
    ) -> Result<(), AnswerError> {
        if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(AnswerError::NotSixDigits);
        }
        for _ in 0..TRIES_MAX {
            let now = self.world.now();
            let (phone, found) = self.question(call.phone(), id).await?;
            let approval = &found.record;
            still_open(approval, now)?;
            self.may_answer(&phone.record).await?;

            let on_this_phone = Subject::Phone(call.phone().id.clone());
            let failing = self.failing(&approval.tenant, &on_this_phone).await?;

            let text = approval.canonical_text(Answer::Approve(digits));
            let known = Known { key: &phone.record.credential_key, sign_count: phone.record.sign_count };
            let asserted = match self.party.asserted(&crypto::sha256(text.as_bytes()), known, assertion) {
                Ok(asserted) => asserted,
                Err(why) => {
                    self.note_bad_signature(approval, call.phone(), why, from).await?;
                    return Err(AnswerError::Signature(why));
                }
            };
            let counted = Phone { sign_count: asserted.sign_count(), ..phone.record.clone() };

            let right = crypto::same(&self.digits_mac(approval, digits), &approval.digits_mac);
            let signed = Signed {
                // The digits stay off the disk even when they are spent.
                text: approval.canonical_text(Answer::Approve("")),
                client_data: assertion.client_data.clone(),
                authenticator_data: assertion.authenticator_data.clone(),
                signature: assertion.signature.clone(),
                api_signature: call.signature().to_vec(),
            };
            let (answered, outcome) = if right {
                approve_by(approval, call.phone(), now, signed)
            } else {
                count_wrong(approval, failing.blocks)
            };
            let mut writes = vec![table::replace(&found, &answered)];
            let used = if right { Some(now) } else { counted.used };
            writes.push(table::replace(&phone, &Phone { used, ..counted }));
            let mut entry = answer_entry(&answered, call.phone(), from);
            if right {
                writes.extend(self.forgetting_times(approval).await?);
                writes.extend(self.throttles.right_on_a_phone(&approval.tenant, &approval.person));
            } else {
                if failing.blocks {
                    entry = entry.detail("alarm", "five wrong numbers in a row: the phone is blocked");
                }
                writes.push(failing.write);
            }
            match self.ledger.record(entry, writes).await {
                Ok(_) => return outcome,
                Err(RecordError::Conflict) => {}
                Err(RecordError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AnswerError::Busy)
    }

    /// The question a phone answers, if its owner was asked it, and the phone as it is now.
    pub(super) async fn question(
        &self,
        phone: &Phone,
        id: &ApprovalId,
    ) -> Result<(Stored<Phone>, Stored<Approval>), AnswerError> {
        let key = table::phone(&phone.tenant, &phone.person, &phone.id);
        let now = table::get::<Phone>(self.ledger.store().as_ref(), &key).await?;
        let now = now.filter(|it| it.record.api_key == phone.api_key).ok_or(AnswerError::Unpaired)?;
        let found = self.find(&phone.tenant, &phone.person, id).await?.ok_or(AnswerError::Unknown)?;
        Ok((now, found))
    }

    /// Wrong answers are counted across questions: by the phone on which they are typed, or by the person.
    pub(super) async fn failing(&self, tenant: &TenantId, subject: &Subject) -> Result<Failing, AnswerError> {
        let failing = self.throttles.failing(tenant, Guarded::Digits, subject).await;
        failing.map_err(|reason| match reason {
            Reason::Blocked => AnswerError::Blocked,
            Reason::TooMany { until } => AnswerError::TooSoon { until },
            _ => AnswerError::Busy,
        })
    }

    /// Whether the tenant takes a yes of such a phone; one that was paired before the tenant said no may still say
    /// "not me".
    pub(super) async fn may_answer(&self, phone: &Phone) -> Result<(), AnswerError> {
        if !phone.backup_eligible {
            return Ok(());
        }
        let tenant =
            table::get::<Tenant>(self.ledger.store().as_ref(), &table::tenant(&phone.tenant)).await?;
        match tenant.map(|it| it.record.synced_passkeys) {
            Some(SyncedPasskeys::Accept) => Ok(()),
            Some(SyncedPasskeys::Refuse) | None => Err(AnswerError::Synced),
        }
    }

    /// A question that was approved does not count against the next ones.
    pub(super) async fn forgetting_times(&self, approval: &Approval) -> Result<Option<Write>, StoreError> {
        let asked = self.asked(&approval.tenant, &approval.person).await?;
        Ok(asked.map(|it| table::replace(&it, &Asked { times: Vec::new(), ..it.record.clone() })))
    }

    async fn note_bad_signature(
        &self,
        approval: &Approval,
        phone: &Phone,
        why: webauthn::Refused,
        from: IpAddr,
    ) -> Result<(), StoreError> {
        let entry = entry(&format!("phone:{}", phone.id), Event::ApprovalBadSignature, approval, from)
            .outcome(Outcome::Refused(why.to_string()));
        match self.ledger.record(entry, Vec::new()).await {
            Ok(_) | Err(RecordError::Conflict) => Ok(()),
            Err(RecordError::Store(error)) => Err(error),
        }
    }
}

/// Why an answer does not count.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AnswerError {
    /// No such question was put to this phone's owner.
    #[error("this question is not there any more: start again on the computer")]
    Unknown,
    /// It has its answer.
    #[error("this question has been answered: start again on the computer if you still want to sign in")]
    Answered,
    /// Its time is over.
    #[error("this question is too old: start again on the computer")]
    Expired,
    /// Something else than six digits.
    #[error("these are not six digits: type the six digits that your computer shows")]
    NotSixDigits,
    /// Something else than eight characters of an answer without a network.
    #[error("this is not the phone's answer: type the eight characters that it shows")]
    NotEight,
    /// Other digits than the desktop shows.
    #[error("these are not the digits that the computer shows: {left} tries left")]
    WrongDigits {
        /// Tries left; 0 where that was the last.
        left: u8,
        /// Whether the phone is blocked by it.
        blocks: bool,
    },
    /// Digits typed too soon after wrong ones.
    #[error("after a wrong number the next is heard at {until}: look at the computer again first")]
    TooSoon {
        /// The next are heard then.
        until: Time,
    },
    /// Five wrong numbers in a row on this phone.
    #[error("this phone is blocked after five wrong numbers in a row: call support")]
    Blocked,
    /// The signature does not count.
    #[error("the phone's signature does not fit: {0}")]
    Signature(#[source] webauthn::Refused),
    /// The tenant takes no yes of a key that may be copied to other devices.
    #[error("this site takes only a key that stays in one phone")]
    Synced,
    /// The phone is no longer paired.
    #[error("this phone is no longer paired: pair it again from the computer")]
    Unpaired,
    /// Others kept changing the same records.
    #[error("the answer could not be recorded just now: try again")]
    Busy,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) fn still_open(approval: &Approval, now: Time) -> Result<(), AnswerError> {
    match approval.state {
        ApprovalState::Pending if now < approval.expires => Ok(()),
        ApprovalState::Pending => Err(AnswerError::Expired),
        _ => Err(AnswerError::Answered),
    }
}

pub(super) fn approve_by(
    approval: &Approval,
    phone: &Phone,
    now: Time,
    signed: Signed,
) -> (Approval, Result<(), AnswerError>) {
    let state = ApprovalState::Approved { phone: phone.id.clone(), at: now, evidence: Box::new(signed) };
    (Approval { state, ..approval.clone() }, Ok(()))
}

pub(super) fn count_wrong(approval: &Approval, blocks: bool) -> (Approval, Result<(), AnswerError>) {
    let wrong_digits = approval.wrong_digits.saturating_add(1);
    let left = WRONG_DIGITS_MAX.saturating_sub(wrong_digits);
    let state = if left == 0 { ApprovalState::WrongDigits } else { ApprovalState::Pending };
    (Approval { wrong_digits, state, ..approval.clone() }, Err(AnswerError::WrongDigits { left, blocks }))
}

pub(super) fn answer_entry(answered: &Approval, phone: &Phone, from: IpAddr) -> Entry {
    let actor = format!("phone:{}", phone.id);
    match &answered.state {
        ApprovalState::Approved { evidence, .. } => {
            let hash = crypto::sha256(evidence.text.as_bytes());
            entry(&actor, Event::ApprovalApproved, answered, from)
                .detail("text_sha256", data_encoding::HEXLOWER.encode(&hash))
        }
        ApprovalState::Denied { .. } => entry(&actor, Event::ApprovalDenied, answered, from),
        ApprovalState::Pending
        | ApprovalState::WrongDigits
        | ApprovalState::Superseded
        | ApprovalState::Withdrawn => entry(&actor, Event::ApprovalWrongDigits, answered, from)
            .outcome(Outcome::Refused(format!("wrong digits, {} in all", answered.wrong_digits))),
    }
}

/// SP 800-63B-4 3.1.3.2 and product.md: three wrong digits end a request.
const WRONG_DIGITS_MAX: u8 = 3;
