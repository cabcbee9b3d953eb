//! Builds the house from what the operator wrote, and opens its doors. The only file that names an
//! engine; knows no request.

mod acts;
mod beside;
mod desk;
mod doors;
mod error;
mod factors;
mod follow;
mod follow_cas;
mod ground;
mod heed;
mod judge;
mod limits;
pub mod lines;
mod lists;
mod mail;
mod memory;
mod operator;
mod outside;
mod push;
mod reload;
mod remind;
mod rooms;
pub mod service;
mod sockets;
mod succession;

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::audit::{Entry, Event, Ledger};
use crate::auth::password::{self, Passwords};
use crate::auth::session::Sessions;
use crate::auth::throttle::Throttles;
use crate::ca::{self, Authority, KeptLists, KeyFolder};
use crate::config::{Config, Engine, Environment, SecretError};
use crate::console::command::upgrade;
use crate::control;
use crate::crypto::Pepper;
use crate::domain::certificate::Issuer;
use crate::enrolment::first_visit::FirstVisits;
use crate::front::accept::{Front, Running};
use crate::front::house::{Counting, House};
use crate::front::live::Live;
use crate::front::peer::Peer;
use crate::front::{ops, plain, way};
use crate::policy::Policy;
use crate::store::redb::Redb;
#[cfg(feature = "sled")]
use crate::store::sled::Sled;
use crate::store::view::View;
use crate::store::{Revision, Store, StoreError};
use crate::world::World;
pub use acts::acts;
pub use error::AppError;
pub use judge::{certificate, files, judge};
pub use sockets::{Kept, Sockets};

use lists::Lists;
use mail::Mailing;
use outside::Telling;

/// What every command needs: the store and what stands directly on it.
#[derive(Clone)]
pub struct Core {
    /// Time and chance.
    pub world: World,
    /// What is in memory.
    pub view: Arc<View>,
    /// Writes.
    pub ledger: Arc<Ledger>,
    /// The key of short secrets.
    pub pepper: Arc<Pepper>,
    /// Counts tries.
    pub throttles: Arc<Throttles>,
    /// Codes and releases.
    pub first_visits: Arc<FirstVisits>,
    /// Sessions.
    pub sessions: Arc<Sessions>,
    /// Passwords.
    pub passwords: Arc<Passwords>,
}

/// An open house.
pub struct Started {
    /// Where TLS listens; the port that was taken where 0 was asked for.
    pub tls: SocketAddr,
    /// Where plain HTTP listens.
    pub plain: Option<SocketAddr>,
    /// The key set that verifies whom the backend is told of.
    pub jwks: serde_json::Value,
    /// Every room, for tests that look inside.
    pub house: Arc<House>,
    /// What it listens on, for whoever takes over.
    pub sockets: Kept,
    /// Who wants another process to take over: whoever runs the house sees to it.
    pub upgrades: mpsc::Receiver<upgrade::Asked>,
    /// The last commit before anything was written here.
    began_after: Revision,
    /// To the processes before this one.
    lines: Vec<lines::Line>,
    running: Running,
    control: Option<JoinHandle<()>>,
    /// What needs the store ends with this.
    background: CancellationToken,
    /// And with this what goes on as long as anything is open: it is cut when it counts no more, and told of.
    watching: CancellationToken,
    mailing: Arc<Mailing>,
    telling: Arc<Telling>,
}

/// Opens the store, which is there, and what stands on it.
///
/// # Errors
/// [`AppError`].
pub async fn open(config: &Config, world: World, hashing: password::Settings) -> Result<Core, AppError> {
    ground::look(config)?;
    found(config, world, hashing).await
}

/// The same for a new gate, whose store is made.
///
/// # Errors
/// [`AppError`].
pub async fn found(config: &Config, world: World, hashing: password::Settings) -> Result<Core, AppError> {
    let named = |error: SecretError| AppError::from(error).named(&config.file);
    let pepper = Arc::new(Pepper::new(*config.secrets.pepper().map_err(named)?));
    let store = open_store(config, world.clone())?;
    let view = View::follow(Arc::clone(&store), world.clone()).await?;
    let ledger = Ledger::open(store, Arc::clone(&view), world.clone(), NODE).await?;
    let throttles = Arc::new(Throttles::new(Arc::clone(&ledger), world.clone()));
    let first_visits = Arc::new(FirstVisits::new(
        Arc::clone(&ledger),
        Arc::clone(&view),
        world.clone(),
        Arc::clone(&pepper),
        Arc::clone(&throttles),
    ));
    let sessions =
        Arc::new(Sessions::new(Arc::clone(&ledger), Arc::clone(&view), world.clone(), Arc::clone(&pepper)));
    let passwords = Arc::new(Passwords::new(Arc::clone(&pepper), world.clone(), hashing));
    Ok(Core { world, view, ledger, pepper, throttles, first_visits, sessions, passwords })
}

/// Opens the store with the engine that the operator chose.
///
/// # Errors
/// [`StoreError::InUse`] while another process has it, and whatever else the engine says.
pub fn open_store(config: &Config, world: World) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config.engine {
        Engine::Redb => Arc::new(Redb::create_or_open(&config.store, world)?),
        #[cfg(feature = "sled")]
        Engine::Sled => Arc::new(Sled::create_or_open(&config.store, world)?),
    })
}

/// Opens the keys of the CA.
///
/// # Errors
/// A missing or wrong passphrase among them.
pub fn open_authority(
    config: &Config,
    environment: &Environment,
    core: &Core,
) -> Result<Authority, AppError> {
    let named = |error: SecretError| AppError::from(error).named(&config.file);
    let passphrase = config.secrets.passphrase(environment).map_err(named)?.secret;
    let issuers: Vec<Issuer> = core.view.issuers().iter().map(|issuer| (**issuer).clone()).collect();
    let settings = ca::Settings { crl_url_base: config.plain_origin() };
    let dir = config.data.join("ca");
    let authority = Authority::open(&dir, &passphrase, &issuers, core.world.clone(), settings)?;
    // Keys that a killed `ca reseal` left under the other passphrase; those that opened are the ones that count.
    KeyFolder::at(dir).remove_beside()?;
    Ok(authority)
}

/// The last revocation lists, beside the store and the keys.
fn kept_lists(config: &Config) -> KeptLists {
    KeptLists::at(config.data.join("lists"))
}

/// Opens the house: store, CA, rooms, doors, listeners, the control socket.
///
/// # Errors
/// [`AppError`]; then nothing listens.
pub async fn start(
    config: &Config,
    environment: &Environment,
    world: World,
    hashing: password::Settings,
    stop: &CancellationToken,
) -> Result<Started, AppError> {
    start_on(config, environment, world, hashing, stop, None).await
}

/// The same on sockets that are open already.
///
/// # Errors
/// [`AppError`].
pub async fn start_on(
    config: &Config,
    environment: &Environment,
    world: World,
    hashing: password::Settings,
    stop: &CancellationToken,
    sockets: Option<Sockets>,
) -> Result<Started, AppError> {
    let core = open(config, world, hashing).await?;
    let began_after = core.view.revision();
    let authority = Arc::new(open_authority(config, environment, &core)?);
    let policy = Arc::new(Policy::empty());
    follow::load_all_rules(&core.view, &policy)?;
    let lists = Lists::open(&authority, &core, kept_lists(config)).await?;

    let sockets = match sockets {
        Some(sockets) => sockets,
        None => Sockets::open(config, vec![])?,
    };
    let kept = sockets.kept(stop)?;
    let (tls, plain) = (sockets.tls_address().unwrap_or(config.listen.tls), sockets.plain_address());
    let Sockets { tls: tls_listeners, plain: plain_listener, ops: ops_listener, others } = sockets;

    let view = Arc::clone(&core.view);
    let clock = core.world.clone();
    let live = Live::beside(move || view.revision(), move || clock.now());
    let (reloads, asked) = mpsc::channel(reload::WAITING_MAX);
    let (upgrades, upgrades_asked) = mpsc::channel(1);
    let keys = Some(Arc::clone(&authority));
    let acts = acts::of_house(config, &core, keys, Some(reloads), Some(upgrades))?;
    let pusher = push::pusher(config, &core, Arc::clone(&acts.push))?;
    let (outside, exporter) = outside::open(config, &core.world)?;
    let (house, approvals, jwks) = rooms::house(
        config,
        &core,
        Arc::clone(&policy),
        Arc::clone(&live),
        Arc::clone(&outside),
        Arc::clone(&acts),
        Arc::clone(&pusher),
    )?;
    let house = Arc::new(house);
    let _ = acts.proxy.set(Arc::clone(&house.proxy));
    desk::at_its_host(config, &core).await;
    acts::astray(&acts).await;
    let doors = doors::doors(config, &core, &authority)?;
    let running_by = Arc::new(ArcSwap::from_pointee(config.clone()));
    let front = Front::new(
        doors,
        Arc::clone(&live),
        limits::limits(&config.limits, &config.listen.proxy_protocol_from),
        Arc::clone(&core.world.clock),
        stop,
    );

    let (background, watching) = (CancellationToken::new(), CancellationToken::new());
    let telling = Telling::begin(Arc::clone(&outside), exporter, &watching);
    follow::follow_store(&core.view, stop, &background);
    follow::follow_rules(&core.view, &policy, &background);
    follow::follow_routes(&core.view, &house.proxy, &background);
    lists.follow(&background);
    follow_cas::follow_hints(&core, &front, &background);
    follow_cas::follow_server_ca(&running_by, &authority, &core, &background);
    let counting = Counting { view: Arc::clone(&core.view), world: core.world.clone() };
    let touched = core.view.subscribe();
    tokio::spawn(Arc::clone(&live).follow(
        touched,
        |touched| (&touched.key, touched.revision),
        Arc::new(counting),
        watching.clone(),
    ));
    tokio::spawn(Arc::clone(&house.confirmations).watch(background.clone()));
    let mailing = Mailing::begin(config, &core, &background)?;
    push::follow(&core, Arc::clone(&pusher), &background);
    let control = control::Listener::bind(&config.control_socket()).await?;
    let control = tokio::spawn(control::serve(control, Arc::clone(&acts), background.clone()));

    let walking = Arc::clone(&house);
    let running = front
        .start(tls_listeners, move |_core| {
            let house = Arc::clone(&walking);
            move |peer: Arc<Peer>, request| {
                let house = Arc::clone(&house);
                async move { way::walk(&house, &peer, request).await }
            }
        })
        .map_err(AppError::System)?;
    if let Some(listener) = plain_listener {
        tokio::spawn(plain::serve(
            listener,
            doors::plain_files(config, &core, &lists, &outside),
            front.clone(),
        ));
    }
    if let Some(listener) = ops_listener {
        let operator = operator::told(&core, &lists, Arc::clone(&pusher), &house);
        tokio::spawn(ops::serve(listener, operator, front.clone(), background.clone()));
    }
    let plans = beside::serve(others, &house, &front);
    let opened = Arc::clone(front.doors());
    let _ = acts.old_certificates.set(Box::new(move || doors::kept(&opened.load())));
    let files = front.clone();
    tokio::spawn(async move { files.follow_files().await });
    follow::follow_backend_files(&house.proxy, &background);
    memory::give_back(&background);
    let changing = reload::Changing {
        config: running_by,
        core: core.clone(),
        authority,
        front,
        house: Arc::clone(&house),
        acts,
        approvals,
        pusher,
        mailing: Arc::clone(&mailing),
        telling: Arc::clone(&telling),
        plans,
    };
    reload::heed(changing, asked, &background)?;
    let entry = Entry::new("gate", Event::HouseStarted).detail("version", env!("CARGO_PKG_VERSION"));
    if let Err(error) = core.ledger.record(entry, vec![]).await {
        tracing::error!(%error, "the start was not written down");
    }
    Ok(Started {
        tls,
        plain,
        jwks,
        house,
        sockets: kept,
        upgrades: upgrades_asked,
        began_after,
        lines: Vec::new(),
        running,
        control: Some(control),
        background,
        watching,
        mailing,
        telling,
    })
}

/// Name of this machine in the audit trail. One machine has one; many get their own with etcd.
const NODE: &str = "one";

#[cfg(test)]
mod tests {
    mod single_use;
}
