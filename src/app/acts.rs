//! Fills what the operations behind the command line and the desk act on. Knows no operation.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use super::{AppError, Core, kept_lists, mail};
use crate::ca::{Authority, KeyFolder};
use crate::config::Config;
use crate::console::command::reload::Reloads;
use crate::console::command::upgrade::Upgrades;
use crate::console::command::{Acts, Site};
use crate::domain::{TenantId, Time};
use crate::enrolment::delivery::Deliveries;
use crate::enrolment::est::Est;
use crate::enrolment::issuance::Issuance;
use crate::notify::webpush::Keys;

/// The operations behind the command line and the desk.
///
/// # Errors
/// Settings of mail, or keys for push, that cannot be used.
pub fn acts(config: &Config, core: &Core, authority: Option<Arc<Authority>>) -> Result<Arc<Acts>, AppError> {
    of_house(config, core, authority, None, None)
}

/// The same of a house that runs.
pub(super) fn of_house(
    config: &Config,
    core: &Core,
    authority: Option<Arc<Authority>>,
    reloads: Option<Reloads>,
    upgrades: Option<Upgrades>,
) -> Result<Arc<Acts>, AppError> {
    let issuance = Arc::new(Issuance::new(Arc::clone(&core.ledger), authority, core.world.clone()));
    let est = Est::new(
        Arc::clone(&core.ledger),
        Arc::clone(&issuance),
        Arc::clone(&core.throttles),
        Arc::clone(&core.pepper),
        core.world.clone(),
    );
    Ok(Arc::new(Acts {
        ledger: Arc::clone(&core.ledger),
        view: Arc::clone(&core.view),
        keys: Arc::new(KeyFolder::at(config.data.join("ca"))),
        kept: kept_lists(config),
        deliveries: Arc::new(Deliveries::new(
            Arc::clone(&core.ledger),
            Arc::clone(&core.view),
            Arc::clone(&issuance),
            Arc::clone(&core.pepper),
            core.world.clone(),
        )),
        issuance,
        est: Arc::new(est),
        post: mail::post(config)?.into(),
        push: Arc::new(Keys::open(&config.secrets.push_key_file)?),
        throttles: Arc::clone(&core.throttles),
        first_visits: Arc::clone(&core.first_visits),
        world: core.world.clone(),
        site: ArcSwap::from_pointee(site(config, core.world.now(), Vec::new())),
        reloads,
        upgrades,
        routes: Mutex::default(),
        proxy: OnceLock::new(),
        old_certificates: OnceLock::new(),
    }))
}

/// What the configuration says that the store does not. `next_start` is what else its file says.
pub(super) fn site(config: &Config, read_at: Time, next_start: Vec<String>) -> Site {
    let mut doors: BTreeSet<(String, String)> =
        config.portals.iter().map(|portal| (portal.door.host.clone(), portal.tenant.to_string())).collect();
    doors.insert((config.console.host.clone(), TenantId::staff().to_string()));
    let port_suffix = match config.listen.public_port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    Site {
        doors,
        port_suffix,
        start: config.public.as_ref().map(|door| config.origin(&door.host)),
        mail: config.mail.is_some(),
        reach: config.reach.clone(),
        file: config.file.clone(),
        digest: config.digest,
        read_at,
        next_start,
        listens: config.listeners().map(|(_, at)| at).collect(),
    }
}

/// What the configuration says of tenants that are not there, and the routes to what it does not let them reach, each
/// with the next step; the log has it too.
pub(super) async fn astray(acts: &Acts) -> Vec<String> {
    let doors = acts.doors_of_nobody();
    for door in &doors {
        tracing::warn!(host = door.host, tenant = door.tenant, "{door}");
    }
    let routes = acts.dead_ends().await.unwrap_or_else(|error| {
        tracing::error!(error = error.what, "the routes cannot be looked at");
        Vec::new()
    });
    for route in &routes {
        tracing::warn!("{route}");
    }
    doors.iter().map(ToString::to_string).chain(routes.iter().map(ToString::to_string)).collect()
}
