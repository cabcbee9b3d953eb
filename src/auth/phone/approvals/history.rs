//! What a person was asked lately, whatever came of it. Knows no HTTP.

use super::Approvals;
use crate::domain::approval::{Approval, ApprovalState};
use crate::domain::{PersonId, TenantId};
use crate::store::{StoreError, table};

impl Approvals {
    /// The last questions put to a person that wait no more, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn history(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<Approval>, StoreError> {
        let now = self.world.now();
        let store = self.ledger.store();
        let all = table::list::<Approval>(store.as_ref(), &table::approvals(tenant, person)).await?;
        let waits = |it: &Approval| it.state == ApprovalState::Pending && now < it.expires;
        let mut over: Vec<Approval> = all.into_iter().map(|it| it.record).filter(|it| !waits(it)).collect();
        over.sort_by_key(|it| std::cmp::Reverse(it.created));
        over.truncate(SHOWN_MAX);
        Ok(over)
    }
}

/// As many as somebody looks through on a phone; the desk and the trail hold the rest.
const SHOWN_MAX: usize = 20;
