//! What goes on behind the requests: rules that change are taken up, revocation lists are signed anew.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::{AppError, Core};
use crate::audit::{Entry, Event, Ledger};
use crate::ca::{Authority, CrlShelf};
use crate::domain::certificate::Certificate;
use crate::domain::route::Rules;
use crate::policy::Policy;
use crate::store::view::View;
use crate::store::{Record, table};
use crate::world::World;

pub(super) fn load_all_rules(view: &View, policy: &Policy) -> Result<(), AppError> {
    for tenant in view.tenants() {
        if let Some(rules) = view.rules(&tenant.id) {
            policy
                .load(&rules)
                .map_err(|m| AppError::Policy { tenant: tenant.id.clone(), mistakes: m.to_string() })?;
        }
    }
    Ok(())
}

/// A house whose store has closed can keep nothing: it stops, so that whoever runs it starts it anew.
pub(super) fn follow_store(view: &Arc<View>, stop: &CancellationToken, background: &CancellationToken) {
    let (view, stop, background) = (Arc::clone(view), stop.clone(), background.clone());
    tokio::spawn(background.run_until_cancelled_owned(async move {
        view.ended().await;
        tracing::error!("the store has closed: the gate stops");
        stop.cancel();
    }));
}

/// Rules that change are in force at once; bad ones leave the old in force.
pub(super) fn follow_rules(view: &Arc<View>, policy: &Arc<Policy>, stop: &CancellationToken) {
    let (view, policy, stop) = (Arc::clone(view), Arc::clone(policy), stop.clone());
    let mut touched = view.subscribe();
    tokio::spawn(async move {
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = touched.recv() => heard,
            };
            match heard {
                Ok(touched) if touched.key.table() != Rules::TABLE => {}
                Ok(_) | Err(RecvError::Lagged(_)) => {
                    if let Err(error) = load_all_rules(&view, &policy) {
                        tracing::error!(%error, "the rules that were in force stay so");
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    });
}

/// Lists are signed again after each revocation, and before they are half old.
pub(super) fn follow_lists(
    shelf: &Arc<CrlShelf>,
    authority: &Arc<Authority>,
    core: &Core,
    stop: &CancellationToken,
) {
    let (shelf, authority, stop) = (Arc::clone(shelf), Arc::clone(authority), stop.clone());
    let (ledger, world) = (Arc::clone(&core.ledger), core.world.clone());
    let mut touched = core.view.subscribe();
    let mut changes = authority.changes();
    tokio::spawn(async move {
        loop {
            let due = tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => changed.is_ok(),
                () = tokio::time::sleep(LISTS_LOOKED_AT_EVERY) => true,
                heard = touched.recv() => match heard {
                    Ok(touched) => touched.key.table() == Certificate::TABLE,
                    Err(RecvError::Lagged(_)) => true,
                    Err(RecvError::Closed) => return,
                },
            };
            if due && let Err(error) = sign_lists_with(&shelf, &authority, &ledger, &world).await {
                tracing::error!(%error, "the revocation lists stay as they were");
            }
        }
    });
}

pub(super) async fn sign_lists(shelf: &CrlShelf, authority: &Authority, core: &Core) -> Result<(), AppError> {
    sign_lists_with(shelf, authority, &core.ledger, &core.world).await
}

async fn sign_lists_with(
    shelf: &CrlShelf,
    authority: &Authority,
    ledger: &Ledger,
    world: &World,
) -> Result<(), AppError> {
    let all = table::list::<Certificate>(&**ledger.store(), &table::all::<Certificate>()).await?;
    let signed = shelf.refresh(authority, all.iter().map(|read| &read.record), world.now())?;
    if signed > 0 {
        let entry = Entry::new("gate", Event::CrlSigned).detail("lists", signed.to_string());
        if let Err(error) = ledger.record(entry, vec![]).await {
            tracing::error!(%error, "that the lists were signed was not written down");
        }
    }
    Ok(())
}

const LISTS_LOOKED_AT_EVERY: Duration = Duration::from_secs(300);
