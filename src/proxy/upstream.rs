//! Connections to backends. Each runtime (there is one for each core) keeps its own, so that
//! a connection never leaves the core that drives it. Knows nothing of what is sent.
//!
//! - `backend`: what a route says of its backend, and what a route may reach
//! - `dial`: opens a connection
//! - `tls`: by which CA a backend is believed
//! - `line`: what one request goes over
//! - `link`: connections of HTTP/2, which many share
//! - `stream`: one request over such a one
//! - `uploads`: whether such a one takes what requests upload

mod backend;
mod dial;
mod line;
mod link;
mod stream;
mod tls;
mod uploads;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use tokio::runtime;
use tokio::time::Instant;

pub use backend::{Backend, BadBackend, Ca, Reach, Trust};
pub(super) use dial::ConnectError;
pub(super) use line::{Line, Own, Whole};
#[cfg(test)]
pub(super) use link::REQUESTS_MAX;
pub(super) use link::Seat;
pub(super) use stream::{Reply, Unanswered};
pub use tls::TrustError;

use super::Settings;
use dial::{Dialled, Dialler};
use link::Link;

/// How a new connection is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// As the backend likes, shared where it can be.
    Any,
    /// One that nothing was sent over before.
    Fresh,
    /// One of HTTP/1.1, for this request alone.
    Own,
}

/// Opens connections and keeps those that are free.
pub(super) struct Upstream {
    cores: Mutex<HashMap<runtime::Id, Core, RandomState>>,
    this: Weak<Self>,
    dialler: ArcSwap<Dialler>,
    /// How often what the dialler believes has changed.
    files: Arc<AtomicU64>,
    connect: Duration,
    keep: Duration,
    keep_max: usize,
}

/// The connections of one runtime.
#[derive(Default)]
struct Core {
    /// Those of HTTP/1.1 that are free, the latest used last.
    free: HashMap<Backend, Vec<(Own, Instant)>, RandomState>,
    /// Those of HTTP/2.
    shared: HashMap<Backend, Sharing, RandomState>,
    sweeping: bool,
}

/// The shared connections to one backend.
#[derive(Default)]
struct Sharing {
    links: Vec<Arc<Link>>,
    /// Held while one is opened, so that a crowd of requests opens one and not one each.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// Asked last, it spoke HTTP/1.1: nobody waits for another.
    never: bool,
}

impl Upstream {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        Self::by(settings, Dialler::plain(Duration::from_millis(settings.connect_ms_max)))
    }

    /// One that reaches what the configuration names.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn reaching(settings: &Settings, reach: Reach) -> Result<Arc<Self>, TrustError> {
        let dialler = Dialler::new(reach, Duration::from_millis(settings.connect_ms_max))?;
        Ok(Self::by(settings, dialler))
    }

    fn by(settings: &Settings, dialler: Dialler) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            cores: Mutex::default(),
            this: this.clone(),
            files: dialler.files(),
            dialler: ArcSwap::from_pointee(dialler),
            connect: Duration::from_millis(settings.connect_ms_max),
            keep: Duration::from_millis(settings.keep_alive_ms_max),
            keep_max: settings.keep_alive_connections_max,
        })
    }

    /// A free connection that is open as far as can be known and was used within `age_max`, or a place
    /// in a shared one.
    pub(super) fn take(&self, backend: &Backend, age_max: Duration) -> Option<Line> {
        let mut cores = self.cores();
        let core = cores.get_mut(&runtime::Handle::current().id())?;
        if backend.may_share()
            && let Some(line) = core.seat(backend, age_max.max(SHARED_AGE_MAX))
        {
            return Some(line);
        }
        let free = core.free.get_mut(backend)?;
        while let Some((mut own, since)) = free.pop() {
            let age = since.elapsed();
            if age > age_max && age <= self.keep {
                free.push((own, since));
                return None;
            }
            if age <= self.keep && own.wire.is_open() {
                return Some(Line::Own(own));
            }
        }
        None
    }

    /// A new connection, or a place in one that somebody else has just opened.
    pub(super) async fn connect(&self, backend: &Backend, want: Want) -> Result<Line, ConnectError> {
        if want != Want::Any || !backend.may_share() {
            return Ok(match self.dial(backend, want == Want::Own, self.files()).await? {
                Dialled::Own(own) => Line::Own(own),
                Dialled::Link(link) => Line::Seat(link.seat_anyway()),
            });
        }
        let opening = self.opening(backend);
        let turn = async {
            match &opening {
                Some(opening) => Some(opening.lock().await),
                None => None,
            }
        };
        let turn = tokio::time::timeout(self.connect, turn).await.map_err(|_| ConnectError::Slow)?;
        // Held until the connection is there for others.
        let _turn = match turn {
            None => None,
            Some(turn) => match self.seat(backend) {
                Some(line) => return Ok(line),
                // Whoever came first found HTTP/1.1: nobody waits for anybody.
                None => Some(turn).filter(|_| self.opening(backend).is_some()),
            },
        };
        let opened_by = self.files();
        let dialled = self.dial(backend, false, opened_by).await?;
        let here = runtime::Handle::current().id();
        let mut cores = self.cores();
        let core = cores.entry(here).or_default();
        let sharing = core.shared.entry(backend.clone()).or_default();
        sharing.never = matches!(dialled, Dialled::Own(_));
        match dialled {
            Dialled::Own(own) => Ok(Line::Own(own)),
            Dialled::Link(link) => {
                if opened_by == self.files() {
                    // Else each upload that is given up would leave one open.
                    sharing.links.retain(|link| !link.is_spent());
                    sharing.links.push(Arc::clone(&link));
                    self.sweep_soon(core, here);
                }
                Ok(Line::Seat(link.seat_anyway()))
            }
        }
    }

    /// Whose turn it is to open a shared connection; `None` where each opens its own.
    fn opening(&self, backend: &Backend) -> Option<Arc<tokio::sync::Mutex<()>>> {
        let mut cores = self.cores();
        let core = cores.entry(runtime::Handle::current().id()).or_default();
        let sharing = core.shared.entry(backend.clone()).or_default();
        (!sharing.never).then(|| Arc::clone(&sharing.opening))
    }

    fn seat(&self, backend: &Backend) -> Option<Line> {
        self.cores().get(&runtime::Handle::current().id())?.seat(backend, Duration::MAX)
    }

    /// Takes a connection back that carried a request and its answer to their ends.
    pub(super) fn give_back(&self, own: Option<Own>) {
        let Some(own) = own.filter(|own| own.wire.opened_by() == self.files()) else { return };
        let here = runtime::Handle::current().id();
        let mut cores = self.cores();
        let core = cores.entry(here).or_default();
        let now = Instant::now();
        match core.free.get_mut(&own.backend) {
            Some(free) => {
                if free.len() >= self.keep_max {
                    free.remove(0);
                }
                free.push((own, now));
            }
            None => drop(core.free.insert(own.backend.clone(), vec![(own, now)])),
        }
        self.sweep_soon(core, here);
    }

    fn sweep_soon(&self, core: &mut Core, here: runtime::Id) {
        if !core.sweeping {
            core.sweeping = true;
            tokio::spawn(sweep(self.this.clone(), here, self.keep));
        }
    }

    /// Reads the files of `[[backend_tls]]` again where they changed; then nothing new goes over the
    /// connections that were opened by the old ones.
    pub(super) fn refresh(&self) {
        if self.dialler.load_full().refresh() {
            self.forget();
        }
    }

    /// Reads the files of what is to be reached instead, once it is taken up.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn instead(self: &Arc<Self>, reach: Reach) -> Result<Reaching, TrustError> {
        let dialler = self.dialler.load().instead(reach)?;
        Ok(Reaching { dialler, upstream: Arc::clone(self) })
    }

    async fn dial(&self, backend: &Backend, own: bool, opened_by: u64) -> Result<Dialled, ConnectError> {
        self.dialler.load_full().dial(backend, own, opened_by).await
    }

    fn files(&self) -> u64 {
        self.files.load(Ordering::Acquire)
    }

    fn forget(&self) {
        for core in self.cores().values_mut() {
            core.free.clear();
            core.shared.values_mut().for_each(|sharing| sharing.links.clear());
        }
    }

    /// Closes what was free for too long; whether anything is left.
    fn expire(&self, here: runtime::Id) -> bool {
        let mut cores = self.cores();
        let Some(core) = cores.get_mut(&here) else { return false };
        core.free.retain(|_, free| {
            free.retain_mut(|(own, since)| since.elapsed() <= self.keep && own.wire.is_open());
            !free.is_empty()
        });
        core.shared.retain(|_, sharing| {
            sharing.links.retain(|link| link.idle() <= self.keep && !link.is_spent() && !link.is_closed());
            !sharing.links.is_empty() || Arc::strong_count(&sharing.opening) > 1
        });
        core.sweeping = !core.free.is_empty() || !core.shared.is_empty();
        if !core.sweeping {
            cores.remove(&here);
            return false;
        }
        true
    }

    fn cores(&self) -> MutexGuard<'_, HashMap<runtime::Id, Core, RandomState>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.cores().values().flat_map(|core| core.free.values()).map(Vec::len).sum()
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> usize {
        self.cores().values().flat_map(|core| core.shared.values()).map(|sharing| sharing.links.len()).sum()
    }
}

impl Core {
    fn seat(&self, backend: &Backend, idle_max: Duration) -> Option<Line> {
        let links = &self.shared.get(backend)?.links;
        let fresh = || links.iter().filter(|link| link.idle() <= idle_max && !link.is_stuck());
        // Where uploads wait just now, others may have to wait with them; but not each moment's wait is worth a connection.
        let calm = fresh().filter(|link| !link.has_uploads_waiting()).find_map(Link::seat);
        let any = || (fresh().count() >= WAITING_MAX).then(|| fresh().find_map(Link::seat)).flatten();
        calm.or_else(any).map(Line::Seat)
    }
}

/// What is to be reached instead, read and not taken up yet.
pub struct Reaching {
    dialler: Dialler,
    upstream: Arc<Upstream>,
}

impl Reaching {
    /// From now on. Requests under way end over what they have; as where files changed, nothing new goes over it.
    pub fn done(self) {
        self.upstream.dialler.store(Arc::new(self.dialler));
        self.upstream.files.fetch_add(1, Ordering::AcqRel);
        self.upstream.forget();
    }
}

/// Runs while a runtime has free connections.
async fn sweep(upstream: Weak<Upstream>, here: runtime::Id, keep: Duration) {
    loop {
        tokio::time::sleep(keep / 2 + Duration::from_millis(1)).await;
        match upstream.upgrade() {
            Some(upstream) if upstream.expire(here) => {}
            _ => return,
        }
    }
}

/// Servers of HTTP/2 say goodbye before they close, so a request that cannot be repeated may go over a
/// connection that has been idle for longer than one of HTTP/1.1.
const SHARED_AGE_MAX: Duration = Duration::from_secs(10);

/// So many connections to a backend on which uploads wait for room, and one more is asked for: then they are shared.
const WAITING_MAX: usize = 8;
