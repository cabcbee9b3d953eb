//! Listening and closing: one thread, one runtime, one listening socket per core; each
//! connection is taken in where there is a place for it; on a signal nothing new is taken in
//! and what is under way may finish.
//!
//! Knows nothing of what a request means: that is the [`Handler`]'s.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Shared};
use super::descriptors::Descriptors;
use super::door::Doors;
use super::limits::{Caps, Settings};
pub use super::listening::bind;
use super::live::Live;
use super::meters::Meters;
use super::peer::Peer;
use super::relayed::Complaints;
use super::tls;
use super::turns::Turns;
use crate::world::Clock;

/// Answers requests. One per thread, so that it may hold what is that thread's own, such as
/// a pool of connections to the backend.
pub trait Handler: Clone + Send + Sync + Unpin + 'static {
    /// Answers one request, on a clone of its own. The body is already under the clock.
    fn handle(
        self,
        peer: Arc<Peer>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;
}

impl<F, R> Handler for F
where
    F: Fn(Arc<Peer>, Request<Body>) -> R + Clone + Send + Sync + Unpin + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    fn handle(
        self,
        peer: Arc<Peer>,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        self(peer, request)
    }
}

/// What all threads of the front share.
#[derive(Clone)]
pub struct Front {
    doors: Arc<ArcSwap<Doors>>,
    pub(super) live: Arc<Live>,
    pub(super) caps: Arc<Caps>,
    /// Connections of plain HTTP and of other proxies: they take no places from those over TLS.
    beside: Arc<Beside>,
    /// Of all listeners.
    pub(super) descriptors: Arc<Descriptors>,
    /// For connections that come from now on; each keeps those that it began with.
    settings: Arc<ArcSwap<Settings>>,
    pub(super) meters: Arc<Meters>,
    /// Of balancers.
    pub(super) complaints: Arc<Complaints>,
    clock: Arc<dyn Clock>,
    draining: CancellationToken,
    /// Of which each connection's is a child.
    pub(super) cut: CancellationToken,
}

/// Places beside those of the doors.
#[derive(Default)]
struct Beside(Mutex<Vec<Arc<Caps>>>);

impl Beside {
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|caps| caps.count()).sum()
    }
}

/// The threads at work.
pub struct Running {
    threads: Vec<oneshot::Receiver<()>>,
    cut: CancellationToken,
}

impl Front {
    /// Nothing listens yet. `stop`, once cancelled, closes the house in good order.
    #[must_use]
    pub fn new(
        doors: Doors,
        live: Arc<Live>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        stop: &CancellationToken,
    ) -> Self {
        let caps = Caps::new(settings.connections_max, settings.connections_per_address_max);
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let doors = Arc::new(ArcSwap::from_pointee(doors));
        let (meters, cut) = (Arc::default(), CancellationToken::new());
        let (beside, descriptors, complaints) = (Arc::default(), Arc::default(), Arc::default());
        let draining = stop.clone();
        Self { doors, live, caps, beside, descriptors, settings, meters, complaints, clock, draining, cut }
    }

    /// Waits for connections that have places of their own, too, before the house closes.
    pub(super) fn waits_for(&self, caps: &Arc<Caps>) {
        self.beside.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(caps));
    }

    /// Ends a connection that is still there once the house has closed.
    pub(super) fn cut(&self) -> CancellationToken {
        self.cut.child_token()
    }

    /// Other limits for the connections that come from now on.
    pub fn limit(&self, settings: Settings) {
        self.caps.limit(settings.connections_max, settings.connections_per_address_max);
        self.settings.store(Arc::new(settings));
    }

    /// The doors as they are now; store others in their place to open or close doors. Open
    /// connections stay at the door they came through.
    #[must_use]
    pub const fn doors(&self) -> &Arc<ArcSwap<Doors>> {
        &self.doors
    }

    /// The front's counters, with what is open now.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.meters.text(self.caps.count(), self.live.count())
    }

    /// What a connection that comes now is served by.
    pub(super) fn shared(&self) -> Shared {
        Shared {
            settings: self.settings.load_full(),
            meters: Arc::clone(&self.meters),
            clock: Arc::clone(&self.clock),
            network: None,
            draining: self.draining.clone(),
        }
    }

    /// Cancelled once nothing new is taken in.
    pub(super) const fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Looks at the certificate files of all doors now and then, until the house closes.
    pub async fn follow_files(&self) {
        let mut clock = tokio::time::interval(tls::FILES_LOOKED_AT_EVERY);
        while self.draining.run_until_cancelled(clock.tick()).await.is_some() {
            let (doors, now) = (self.doors.load_full(), self.clock.now());
            if let Err(error) = tokio::task::spawn_blocking(move || doors.refresh(now)).await {
                tracing::error!(%error, "looking at the certificate files failed");
            }
        }
    }

    /// Starts one thread per listener; `handler` is called once on each, inside its runtime.
    ///
    /// # Errors
    /// Where the system gives no thread or runtime.
    pub fn start<H, M>(&self, listeners: Vec<StdListener>, handler: M) -> io::Result<Running>
    where
        H: Handler,
        M: Fn(usize) -> H + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let mut threads = Vec::new();
        for (core, listener) in listeners.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (front, handler) = (self.clone(), Arc::clone(&handler));
            let (done, finished) = oneshot::channel();
            std::thread::Builder::new().name(format!("front-{core}")).spawn(move || {
                if let Err(error) = runtime.block_on(front.listen(listener, || handler(core))) {
                    tracing::error!(%error, core, "a listening thread ended");
                }
                // Tunnels and streams that are left end with their runtime.
                runtime.shutdown_timeout(Duration::from_millis(100));
                let _ = done.send(());
            })?;
            threads.push(finished);
        }
        Ok(Running { threads, cut: self.cut.clone() })
    }

    async fn listen<H: Handler>(&self, listener: StdListener, handler: impl FnOnce() -> H) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let (handler, turns) = (handler(), Turns::new());
        let next = async || {
            turns.calm().await;
            self.descriptors.accept(&listener).await
        };
        while let Some(accepted) = self.draining.run_until_cancelled(next()).await {
            match accepted {
                Ok((stream, address)) => {
                    // A socket for both kinds of addresses, as systemd opens them, writes IPv4 in IPv6.
                    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                    self.take_in(stream, address, &turns, &handler);
                }
                Err(error) => {
                    self.meters.accept_failed.up();
                    pause_after(&error).await;
                }
            }
        }
        drop(listener);
        self.drain().await;
        Ok(())
    }

    fn take_in<H: Handler>(&self, stream: TcpStream, address: SocketAddr, turns: &Turns, handler: &H) {
        let (meters, settings) = (&self.meters, self.settings.load());
        let relayed = settings.is_balancer(address.ip());
        let admitted = if relayed { self.caps.admit_somebody() } else { self.caps.admit(address.ip()) };
        let place = match admitted {
            Ok(place) => place,
            Err(full) => {
                meters.refused_full.up();
                tracing::debug!(%address, ?full, "closed a connection at once");
                return;
            }
        };
        meters.accepted.up();
        let (front, turns, handler) = (self.clone(), turns.clone(), handler.clone());
        let until = Instant::now() + settings.handshake();
        if relayed {
            tokio::spawn(async move {
                let known = Box::pin(front.hear_of_client(stream, address, place, until)).await;
                if let Some((stream, address, place)) = known {
                    front.attend(stream, address, place, until, turns, handler).await;
                }
            });
        } else {
            tokio::spawn(async move { front.attend(stream, address, place, until, turns, handler).await });
        }
    }

    /// Who was taken in is heard, though not for long once the house closes.
    pub(super) async fn unless_closing<F: Future>(&self, doing: F) -> Option<F::Output> {
        let closing = async {
            self.draining.cancelled().await;
            tokio::time::sleep(connection::FIRST_MAX).await;
        };
        tokio::select! {
            done = doing => Some(done),
            () = closing => None,
        }
    }

    /// Waits for what is under way, then cuts what is left.
    async fn drain(&self) {
        let finished = tokio::time::timeout(self.settings.load().drain(), self.emptied()).await;
        if finished.is_err() {
            tracing::warn!(open = self.caps.count(), "cut what did not finish in time");
        }
        self.cut.cancel();
        let _ = tokio::time::timeout(CUT_MAX, self.emptied()).await;
    }

    async fn emptied(&self) {
        while self.caps.count() + self.beside.count() > 0 {
            tokio::time::sleep(EMPTIED_LOOKED_AT_EVERY).await;
        }
    }
}

impl Running {
    /// Waits until every thread has closed. May be given up and asked again.
    pub async fn finished(&mut self) {
        while let Some(thread) = self.threads.last_mut() {
            let _ = thread.await;
            self.threads.pop();
        }
    }

    /// Cancelled, it ends whatever is still open in a house that is closing.
    #[must_use]
    pub fn cutter(&self) -> CancellationToken {
        self.cut.clone()
    }
}

/// After an error of `accept`: one that concerns a single connection costs nothing, any other
/// (no open files, no memory) will not pass in the next microsecond.
pub(super) async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(%error, "no connection can be taken in; trying again");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Short enough to be serving again well within a second once there are files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const EMPTIED_LOOKED_AT_EVERY: Duration = Duration::from_millis(20);

/// What was cut ends at once; this only waits for it to be seen.
const CUT_MAX: Duration = Duration::from_millis(500);
