//! What goes on when CAs change: doors ask for certificates of the new one too, and those that use the built-in
//! CA get certificates of it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::Core;
use super::doors;
use super::follow::on_change;
use crate::ca::Authority;
use crate::config::Config;
use crate::domain::certificate::Issuer;
use crate::front::accept::Front;

/// Doors ask for certificates of all CAs there are.
pub(super) fn follow_hints(core: &Core, front: &Front, stop: &CancellationToken) {
    let (seen, clock, doors) =
        (Arc::clone(&core.view), Arc::clone(&core.world.clock), Arc::clone(front.doors()));
    on_change::<Issuer>(&core.view, stop, move || {
        for door in doors.load().all() {
            if let Err(error) = door.tls().ask_for(&doors::hints(&seen, door.kind()), clock.now()) {
                tracing::error!(door = %door.hosts()[0], %error, "still asks for certificates of the former CAs");
            }
        }
    });
}

/// Certificates of the built-in server CA are made anew when the CA changes, and long before they end: a gate
/// may run for years.
pub(super) fn follow_server_ca(
    config: &Arc<ArcSwap<Config>>,
    authority: &Arc<Authority>,
    core: &Core,
    stop: &CancellationToken,
) {
    let (config, authority) = (Arc::clone(config), Arc::clone(authority));
    let (world, stop) = (core.world.clone(), stop.clone());
    let mut changes = authority.changes();
    tokio::spawn(async move {
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MADE_ANEW_EVERY) => false,
                changed = changes.changed() => changed.is_err(),
            };
            if ended {
                return;
            }
            let (config, authority, now) = (config.load_full(), Arc::clone(&authority), world.now());
            let made =
                tokio::task::spawn_blocking(move || doors::issue_again(&config, &authority, now)).await;
            match made {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the doors keep their certificates"),
                Err(error) => tracing::error!(%error, "the doors keep their certificates"),
            }
        }
    });
}

/// They count for a year.
const MADE_ANEW_EVERY: Duration = Duration::from_secs(30 * 24 * 3600);
