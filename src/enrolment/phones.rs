//! Phones after they are paired: named anew, removed. Knows no page, and not who may ask: whoever asks brings what
//! goes into the same commit.

use std::sync::Arc;

use crate::audit::{Entry, Ledger, RecordError};
use crate::domain::person::Person;
use crate::domain::phone::{Phone, RemovedBy, RemovedPhone, name};
use crate::domain::tenant::Tenant;
use crate::domain::{PersonId, PhoneId, TenantId, Time};
use crate::notify::{self, About};
use crate::store::table::{self, Stored};
use crate::store::{Action, Condition, StoreError, Write};
use crate::world::World;

/// Changes phones.
pub struct Phones {
    ledger: Arc<Ledger>,
    world: World,
}

/// Why a phone was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It is not there, or not any more.
    #[error("there is no such phone")]
    Gone,
    /// It is the last one: without any, nobody could answer.
    #[error("it is the only phone, and somebody must be able to answer")]
    Last,
    /// Nothing was written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<StoreError> for NotChanged {
    fn from(error: StoreError) -> Self {
        Self::Record(error.into())
    }
}

impl Phones {
    /// Over a ledger.
    #[must_use]
    pub const fn new(ledger: Arc<Ledger>, world: World) -> Self {
        Self { ledger, world }
    }

    /// Gives a phone another name.
    ///
    /// # Errors
    /// [`NotChanged`].
    pub async fn rename(
        &self,
        (tenant, person, id): (&TenantId, &PersonId, &PhoneId),
        to: &str,
        entry: Entry,
        also: Vec<Write>,
    ) -> Result<(), NotChanged> {
        let all = self.of(tenant, person).await?;
        let phone = all.iter().find(|it| it.record.id == *id).ok_or(NotChanged::Gone)?;
        let named = Phone { name: name(to), ..phone.record.clone() };
        let mut writes = vec![table::replace(phone, &named)];
        writes.extend(also);
        self.ledger.record(entry, writes).await?;
        Ok(())
    }

    /// Removes a phone, unless it is the last: its key ends, its app is told, and so is every address.
    ///
    /// # Errors
    /// [`NotChanged`].
    pub async fn remove(
        &self,
        tenant: &Tenant,
        (person, id): (&PersonId, &PhoneId),
        by: RemovedBy,
        entry: Entry,
        also: Vec<Write>,
    ) -> Result<Phone, NotChanged> {
        let store = self.ledger.store().as_ref();
        // Read first and written anew, so that of two who remove the last two phones at once one falls through.
        let owner = table::get::<Person>(store, &table::person(&tenant.id, person)).await?;
        let owner = owner.ok_or(NotChanged::Gone)?;
        let all = self.of(&tenant.id, person).await?;
        let phone = all.iter().find(|it| it.record.id == *id).ok_or(NotChanged::Gone)?;
        let mut writes = ending(phone, by, self.world.now());
        if all.len() < 2 {
            // Before the first password there is nothing to recover by: support lets the first visit begin anew.
            let password = table::password(&tenant.id, person);
            if by != RemovedBy::Support || store.get(&password).await?.is_some() {
                return Err(NotChanged::Last);
            }
            writes.push(Write { key: password, condition: Condition::Absent, action: Action::Keep });
        }
        writes.push(table::replace(&owner, &owner.record));
        let about =
            About::PhoneRemoved { phone: phone.record.name.clone(), by_support: by == RemovedBy::Support };
        writes.extend(notify::queue(&self.world, tenant, &owner.record, about));
        writes.extend(also);
        self.ledger.record(entry, writes).await?;
        Ok(phone.record.clone())
    }

    async fn of(&self, tenant: &TenantId, person: &PersonId) -> Result<Vec<Stored<Phone>>, StoreError> {
        table::list(self.ledger.store().as_ref(), &table::phones(tenant, person)).await
    }
}

/// What ends a phone: its key, and with it all that it could answer. Its app is told when it calls.
#[must_use]
pub fn ending(phone: &Stored<Phone>, by: RemovedBy, at: Time) -> Vec<Write> {
    let Phone { tenant, person, id, api_key, .. } = phone.record.clone();
    let subscription = table::delete(table::subscription(&tenant, &person, &id));
    let removed = RemovedPhone { tenant, person, id, api_key, at, by };
    vec![table::consume(phone), table::create(&removed), subscription]
}
