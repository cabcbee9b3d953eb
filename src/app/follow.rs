//! What goes on behind the requests: rules that change are taken up, a store that closes ends the house.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::domain::route::Rules;
use crate::policy::Policy;
use crate::store::Record;
use crate::store::view::View;

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
