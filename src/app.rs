//! Builds the house from what the operator wrote, and opens its doors. The only file that names an
//! engine; knows no request.

mod acts;
mod beside;
mod doors;
mod factors;
mod follow;
mod follow_cas;
mod ground;
mod heed;
mod limits;
mod lists;
mod mail;
mod operator;
mod outside;
mod push;
mod reload;
mod remind;
mod rooms;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::audit::{Entry, Event, Ledger};
use crate::auth::password::{self, Passwords};
use crate::auth::phone::place;
use crate::auth::session::Sessions;
use crate::auth::throttle::Throttles;
use crate::ca::{self, Authority, CaError, KeptLists, KeyFolder};
use crate::config::{Config, Engine, Environment, SecretError};
use crate::control;
use crate::crypto::Pepper;
use crate::domain::TenantId;
use crate::domain::certificate::Issuer;
use crate::enrolment::first_visit::FirstVisits;
use crate::enrolment::revocation::Unfinished;
use crate::front::accept::{self, Front, Running};
use crate::front::door::DoorError;
use crate::front::house::{Counting, House};
use crate::front::live::Live;
use crate::front::peer::Peer;
use crate::front::{Settings, ops, plain, way};
use crate::notify::{email, webpush};
use crate::policy::Policy;
use crate::proxy::TrustError;
use crate::store::redb::Redb;
#[cfg(feature = "sled")]
use crate::store::sled::Sled;
use crate::store::view::View;
use crate::store::{Store, StoreError};
use crate::world::World;
pub use acts::acts;

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
    running: Running,
    background: CancellationToken,
    mailing: Arc<Mailing>,
    telling: Arc<Telling>,
}

/// Why the house could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The folder of the data, or what should lie in it; the text ends with the next step.
    #[error("{0}")]
    Ground(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pepper, the passphrase or the signing key.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The CA.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A door.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// An address.
    #[error(
        "{what} cannot listen at {address}: {source}; is another server there? Change [listen] in {file}"
    )]
    Listen {
        /// "TLS".
        what: &'static str,
        /// Which.
        address: SocketAddr,
        /// The configuration.
        file: String,
        /// The system's.
        source: std::io::Error,
    },
    /// A file.
    #[error("{path} cannot be written: {source}; look at the folder's owner and mode")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's.
        source: std::io::Error,
    },
    /// The control socket.
    #[error(transparent)]
    Control(#[from] control::ListenError),
    /// The file of places.
    #[error(transparent)]
    Places(#[from] place::BadFile),
    /// The settings of mail.
    #[error(transparent)]
    Mail(#[from] email::BadSettings),
    /// The keys for push.
    #[error(transparent)]
    PushKeys(#[from] webpush::KeysError),
    /// The settings of push.
    #[error(transparent)]
    Push(#[from] webpush::BadSettings),
    /// The key that signs whom the backend is told of.
    #[error("the key in {0} is no P-256 key: make a new one with `openssl ecparam -genkey -name prime256v1`")]
    JwtKey(PathBuf),
    /// The system gave no thread or socket.
    #[error("the system gives no thread or socket: {0}")]
    System(#[source] std::io::Error),
    /// What the last lists tell could not be revoked again.
    #[error("what the last revocation list tells is not all revoked again ({0}): start it once more")]
    Unheeded(#[from] Unfinished),
    /// The files by which backends are believed.
    #[error(transparent)]
    Backends(#[from] TrustError),
    /// A tenant's rules.
    #[error("the rules of {tenant} cannot be used: {mistakes}")]
    Policy {
        /// Whose.
        tenant: TenantId,
        /// What is wrong.
        mistakes: String,
    },
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
    let pepper = Arc::new(Pepper::new(*config.secrets.pepper()?));
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
    let passphrase = config.secrets.passphrase(environment)?.secret;
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
    let core = open(config, world, hashing).await?;
    let authority = Arc::new(open_authority(config, environment, &core)?);
    let policy = Arc::new(Policy::empty());
    follow::load_all_rules(&core.view, &policy)?;
    let lists = Lists::open(&authority, &core, kept_lists(config)).await?;

    let threads = Settings::default().threads;
    let bind = |what, address: SocketAddr, threads| {
        accept::bind(address, threads).map_err(|source| AppError::Listen {
            what,
            address,
            file: config.file.display().to_string(),
            source,
        })
    };
    let tls_listeners = bind("TLS", config.listen.tls, threads)?;
    let plain_listener = config.listen.plain.map(|address| bind("plain HTTP", address, 1)).transpose()?;
    let plain_listener = plain_listener.and_then(|mut one| one.pop());
    let ops_listener = match config.listen.ops {
        Some(address) => Some(ops::bind(address).map_err(|source| AppError::Listen {
            what: "the operator's listener",
            address,
            file: config.file.display().to_string(),
            source,
        })?),
        None => None,
    };
    let others = beside::bind(config)?;
    let tls = local(tls_listeners.first()).unwrap_or(config.listen.tls);
    let plain = local(plain_listener.as_ref());

    let view = Arc::clone(&core.view);
    let clock = core.world.clone();
    let live = Live::beside(move || view.revision(), move || clock.now());
    let (reloads, asked) = mpsc::channel(reload::WAITING_MAX);
    let acts = acts::of_house(config, &core, Some(Arc::clone(&authority)), Some(reloads))?;
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
    let doors = doors::doors(config, &core, &authority)?;
    let running_by = Arc::new(ArcSwap::from_pointee(config.clone()));
    let front = Front::new(
        doors,
        Arc::clone(&live),
        limits::limits(&config.limits, &config.listen.proxy_protocol_from),
        stop,
    );

    let background = CancellationToken::new();
    let telling = Telling::begin(Arc::clone(&outside), exporter, &background);
    follow::follow_store(&core.view, stop, &background);
    follow::follow_rules(&core.view, &policy, &background);
    follow::follow_routes(&core.view, &house.proxy, &background);
    lists.follow(&background);
    follow_cas::follow_hints(&core.view, &front, &background);
    follow_cas::follow_server_ca(&running_by, &authority, &core, &background);
    let counting = Counting { view: Arc::clone(&core.view), world: core.world.clone() };
    let touched = core.view.subscribe();
    tokio::spawn(Arc::clone(&live).follow(
        touched,
        |touched| (&touched.key, touched.revision),
        Arc::new(counting),
        background.clone(),
    ));
    tokio::spawn(Arc::clone(&house.confirmations).watch(background.clone()));
    let mailing = Mailing::begin(config, &core, &background)?;
    push::follow(&core, Arc::clone(&pusher), &background);
    let control = control::Listener::bind(&config.control_socket()).await?;
    tokio::spawn(control::serve(control, Arc::clone(&acts), background.clone()));

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
        tokio::spawn(plain::serve(listener, doors::plain_files(config, &core, &lists), front.clone()));
    }
    if let Some(listener) = ops_listener {
        let operator = operator::told(&core, &lists, Arc::clone(&pusher), &house);
        tokio::spawn(ops::serve(listener, operator, front.clone(), background.clone()));
    }
    let plans = beside::serve(others, &house, &front);
    let files = front.clone();
    tokio::spawn(async move { files.follow_files().await });
    follow::follow_backend_files(&house.proxy, &background);
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
    Ok(Started { tls, plain, jwks, house, running, background, mailing, telling })
}

impl Started {
    /// Whether the store has closed under the house: its disk failed.
    #[must_use]
    pub fn lost_its_store(&self) -> bool {
        self.house.view.has_ended()
    }

    /// Waits until the house has closed, after its `stop` was cancelled.
    pub async fn closed(self) {
        self.running.finished().await;
        self.background.cancel();
        self.telling.ended().await;
        self.mailing.ended().await;
    }
}

fn local(listener: Option<&std::net::TcpListener>) -> Option<SocketAddr> {
    listener.and_then(|listener| listener.local_addr().ok())
}

/// Name of this machine in the audit trail. One machine has one; many get their own with etcd.
const NODE: &str = "one";

#[cfg(test)]
mod tests {
    mod single_use;
}
