//! What the last lists tell, heeded before anything opens: what was revoked stays revoked, though the store was put
//! back to an older state. Such a store is told from one that is not: the trail says after each list that it was
//! signed, so that a list later than all of the trail was signed over a later store.

use std::sync::Arc;

use super::{AppError, Core};
use crate::audit::{self, Entry, Event, RecordError};
use crate::ca::crl::kept::List;
use crate::ca::{CrlShelf, KeptLists, Told};
use crate::domain::grant::Grant;
use crate::domain::renewal::Renewal;
use crate::domain::session::Session;
use crate::enrolment::revocation::Revocation;
use crate::store::table::{self, Record};
use crate::store::{Store, StoreError, Write};

pub(super) async fn last_lists(kept: &KeptLists, shelf: &CrlShelf, core: &Core) -> Result<(), AppError> {
    let revocation = Revocation::new(Arc::clone(&core.ledger), core.world.clone());
    // Before anything is written to it.
    let last = audit::latest(&**core.ledger.store(), 1).await?.pop().map(|line| line.when);
    let (mut older, mut again) = (false, Vec::new());
    for issuer in core.view.issuers().iter() {
        for list in kept.of(issuer)? {
            older |= last.is_some_and(|last| last < list.signed);
            again.extend(revocation.heed(&list, "gate").await?);
            shelf.remember(issuer, unknown(list, core));
        }
    }
    if older {
        let ended = end_what_was_open(core).await?;
        let last = last.map(|last| last.minute());
        tracing::error!(
            ended,
            last,
            "alarm: this store is older than the last revocation list; sessions, links and secrets that were open in it \
             have ended. Look through what was done since its last entry: people locked, phones removed, devices switched off"
        );
    }
    if !again.is_empty() {
        tracing::error!(
            certificates = again.len(),
            "alarm: what the last list told as revoked counted again, and was revoked anew"
        );
    }
    Ok(())
}

fn unknown(list: List, core: &Core) -> Vec<Told> {
    let mut told = list.told;
    told.retain(|told| core.view.certificate(&told.serial).is_none());
    told
}

/// What was open in an older store may have been used or taken back since. Whoever it was asks again.
async fn end_what_was_open(core: &Core) -> Result<usize, AppError> {
    let store = &**core.ledger.store();
    let mut writes = all::<Session>(store).await?;
    writes.extend(all::<Grant>(store).await?);
    writes.extend(all::<Renewal>(store).await?);
    let ended = writes.len();
    while !writes.is_empty() {
        let rest = writes.split_off(writes.len().min(WRITES_MAX));
        let entry =
            Entry::new("gate", Event::SessionEnded).detail("why", "the store is older than the last list");
        let entry = entry.detail("sessions, links and secrets", writes.len().to_string());
        core.ledger.record(entry, writes).await.map_err(|error| match error {
            RecordError::Store(error) => error,
            RecordError::Conflict => StoreError::Misuse("somebody else writes before the doors are open"),
        })?;
        writes = rest;
    }
    Ok(ended)
}

async fn all<R: Record>(store: &dyn Store) -> Result<Vec<Write>, StoreError> {
    let found = table::list::<R>(store, &table::all::<R>()).await?;
    Ok(found.iter().map(|read| table::delete(read.record.key())).collect())
}

/// A commit of so many writes is durable in milliseconds.
const WRITES_MAX: usize = 400;
