//! Looks once an hour, and at the start, whom to remind that a certificate ends. Knows no stage and no message.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Core;
use crate::enrolment::reminders::Reminders;

/// Queues what is due until `shutdown`. For a house that can send mail: elsewhere the messages would only pile up.
pub(super) fn remind(core: &Core, shutdown: &CancellationToken) {
    let reminders = Reminders::new(Arc::clone(&core.ledger), Arc::clone(&core.view), core.world.clone());
    let (world, shutdown) = (core.world.clone(), shutdown.clone());
    tokio::spawn(shutdown.run_until_cancelled_owned(async move {
        loop {
            let looked = world.now();
            if let Err(error) = reminders.look().await {
                tracing::warn!(%error, "it was not looked whose certificate ends; it is tried again in an hour");
            }
            while world.now().since(looked) < LOOK_EVERY {
                tokio::time::sleep(CLOCK_LOOKED_AT_EVERY).await;
            }
        }
    }));
}

const LOOK_EVERY: Duration = Duration::from_secs(3600);

/// A machine that slept, or whose clock was set, is noticed so soon; no timer tells of either.
const CLOCK_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
