//! The phone's approval becomes the confirmation's, once: what was approved is compared letter by letter with
//! what is kept.

use super::{Confirmations, Found, Here, approval, bound, entry};
use crate::audit::{Event, RecordError};
use crate::crypto::{same, sha256};
use crate::domain::approval::{Answer, Approval, ApprovalState, Purpose};
use crate::domain::confirmation::{Confirmation, ConfirmationState, NotSent};
use crate::domain::{ApprovalId, Reason};
use crate::proxy::evidence_sha256;
use crate::store::table;

/// What came of it.
pub(super) enum Taken {
    /// The confirmation stands otherwise now: look again.
    LookAgain,
    /// The phone has not approved.
    NotYet,
}

impl Confirmations {
    /// Takes the approval up, in a commit of its own that falls through where "not me" came first.
    pub(super) async fn take_up(
        &self,
        here: &Here<'_>,
        found: &Found,
        id: &ApprovalId,
    ) -> Result<Taken, Reason> {
        let session = here.session.session();
        let approved = self.parts.approvals.approved(session, id).await.map_err(|_| Reason::Internal)?;
        let Some(approved) = approved.filter(|approved| approved.purpose == Purpose::Confirm) else {
            return Ok(Taken::NotYet);
        };
        let Some(read) = approval(&self.parts.ledger, &found.record, id).await? else {
            return Ok(Taken::NotYet);
        };
        let ApprovalState::Approved { phone, at, evidence } = &read.record.state else {
            return Ok(Taken::NotYet);
        };
        if !stands_for(&read.record, &found.record) || self.unseal(&found.record).is_none() {
            tracing::error!(confirmation = %here.id, "what is kept is not what the phone approved: not sent");
            self.refuse(found, NotSent::Changed).await?;
            return Ok(Taken::LookAgain);
        }
        let encode = |hash: [u8; 32]| data_encoding::BASE64URL_NOPAD.encode(&hash);
        let entry = entry(Event::ConfirmationApproved, &found.record)
            .whence(here.visit.address)
            .detail("approval", id.as_str())
            .detail("phone", phone.as_str())
            .detail("text_sha256", encode(sha256(evidence.text.as_bytes())))
            .detail("evidence_sha256", encode(evidence_sha256(evidence)));
        let taken = Confirmation {
            state: ConfirmationState::Approved { at: *at },
            evidence: Some(Box::new(read.record.clone())),
            ..found.record.clone()
        };
        let writes = vec![table::replace(found, &taken), approved.unchanged];
        match self.parts.ledger.record(entry, writes).await {
            Ok(_) | Err(RecordError::Conflict) => Ok(Taken::LookAgain),
            Err(RecordError::Store(_)) => Err(Reason::Internal),
        }
    }
}

/// Whether an approval is of exactly what is kept: the same words were shown, the same hash was signed.
pub(super) fn stands_for(approval: &Approval, kept: &Confirmation) -> bool {
    let ApprovalState::Approved { evidence, .. } = &approval.state else { return false };
    approval.purpose == Purpose::Confirm
        && approval.bound.is_some_and(|signed| same(&signed, &bound(kept)))
        && approval.shown.rows == kept.shown()
        && approval.shown.reason == kept.wanted.title
        && approval.shown.host == kept.host
        && approval.session == kept.session
        && approval.fingerprint == kept.fingerprint
        && evidence.text == approval.canonical_text(Answer::Approve(""))
}
