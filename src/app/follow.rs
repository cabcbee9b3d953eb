//! What goes on behind the requests: rules that change are taken up, a store that closes ends the house.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::domain::route::{Route, Rules};
use crate::front::tls::FILES_LOOKED_AT_EVERY;
use crate::policy::Policy;
use crate::proxy::Proxy;
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
    let (seen, policy) = (Arc::clone(view), Arc::clone(policy));
    on_change::<Rules>(view, stop, move || {
        if let Err(error) = load_all_rules(&seen, &policy) {
            tracing::error!(%error, "the rules that were in force stay so");
        }
    });
}

/// Files by which backends are believed are read again when they change.
pub(super) fn follow_backend_files(proxy: &Arc<Proxy>, stop: &CancellationToken) {
    let (proxy, stop) = (Arc::clone(proxy), stop.clone());
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let mut clock = tokio::time::interval(FILES_LOOKED_AT_EVERY);
        loop {
            clock.tick().await;
            let proxy = Arc::clone(&proxy);
            if let Err(error) = tokio::task::spawn_blocking(move || proxy.refresh()).await {
                tracing::error!(%error, "looking at the files of [[backend_tls]] failed");
            }
        }
    }));
}

/// Routes are made ready, and their backends asked how they are, as soon as they change.
pub(super) fn follow_routes(view: &Arc<View>, proxy: &Arc<Proxy>, stop: &CancellationToken) {
    let (seen, proxy) = (Arc::clone(view), Arc::clone(proxy));
    let take_up = move || {
        let all: Vec<_> =
            seen.tenants().iter().map(|tenant| (tenant.id.clone(), seen.routes(&tenant.id))).collect();
        proxy.take_up(&all);
    };
    take_up();
    on_change::<Route>(view, stop, take_up);
}

/// Does it whenever a record of this kind changed, and where changes were missed, until `stop`.
pub(super) fn on_change<R: Record>(view: &View, stop: &CancellationToken, act: impl Fn() + Send + 'static) {
    let (mut touched, stop) = (view.subscribe(), stop.clone());
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            match touched.recv().await {
                Ok(touched) if touched.key.table() != R::TABLE => {}
                Ok(_) | Err(RecvError::Lagged(_)) => act(),
                Err(RecvError::Closed) => return,
            }
        }
    }));
}
