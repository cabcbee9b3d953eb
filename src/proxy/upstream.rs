//! Connections to backends. Each runtime (there is one for each core) keeps its own, so that
//! a connection never leaves the core that drives it. Knows nothing of what is sent.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::Settings;
use super::body::Upload;
use crate::domain::Reason;

/// Where a backend listens. The only addresses that are ever dialled are those of routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Backend {
    host: String,
    port: u16,
}

impl Backend {
    /// Reads `http://host:port`, with nothing but an optional `/` behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: http::Uri = text.parse().ok()?;
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|_| plain)?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        (!authority.as_str().contains('@'))
            .then(|| Self { host: host.to_owned(), port: authority.port_u16().unwrap_or(80) })
    }
}

/// One connection to a backend, in use. Dropped, it is closed at once, whatever it carried.
pub(super) struct Line {
    sender: SendRequest<Upload>,
    backend: Backend,
    _task: Task,
}

/// The task that drives a connection; it ends with its handle.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Line {
    /// Sends a request; the answer's head comes first, its body after.
    pub(super) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Upload>>>> + use<> {
        self.sender.try_send_request(request)
    }
}

/// Why a backend could not be reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("no connection to the backend: {0}; see that it runs and listens there")]
    Down(#[from] io::Error),
    #[error("the backend did not accept a connection in time; see that it runs and listens there")]
    Slow,
    #[error("the backend's connection broke at once: {0}; look at the backend's log")]
    Broken(#[from] hyper::Error),
}

impl ConnectError {
    pub(super) const fn reason(&self) -> Reason {
        match self {
            Self::Down(_) => Reason::BackendDown,
            Self::Slow => Reason::BackendSlow,
            Self::Broken(_) => Reason::BackendBroken,
        }
    }
}

/// Opens connections and keeps those that are free.
pub(super) struct Upstream {
    cores: Mutex<HashMap<runtime::Id, Core>>,
    this: Weak<Self>,
    connect: Duration,
    keep: Duration,
    keep_max: usize,
}

/// The free connections of one runtime, the latest used last.
#[derive(Default)]
struct Core {
    free: HashMap<Backend, Vec<(Line, Instant)>>,
    sweeping: bool,
}

impl Upstream {
    pub(super) fn new(settings: &Settings) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            cores: Mutex::default(),
            this: this.clone(),
            connect: Duration::from_millis(settings.connect_ms_max),
            keep: Duration::from_millis(settings.keep_alive_ms_max),
            keep_max: settings.keep_alive_connections_max,
        })
    }

    /// A free connection that is open as far as can be known and was used within `age_max`.
    pub(super) fn take(&self, backend: &Backend, age_max: Duration) -> Option<Line> {
        let mut cores = self.cores();
        let free = cores.get_mut(&runtime::Handle::current().id())?.free.get_mut(backend)?;
        while let Some((line, since)) = free.pop() {
            let age = since.elapsed();
            if age > age_max && age <= self.keep {
                free.push((line, since));
                return None;
            }
            if age <= self.keep && line.sender.is_ready() {
                return Some(line);
            }
        }
        None
    }

    /// A new connection.
    pub(super) async fn connect(&self, backend: &Backend) -> Result<Line, ConnectError> {
        let dialled = TcpStream::connect((backend.host.as_str(), backend.port));
        let stream = tokio::time::timeout(self.connect, dialled).await.map_err(|_| ConnectError::Slow)??;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a backend's connection ended");
            }
        });
        Ok(Line { sender, backend: backend.clone(), _task: Task(task.abort_handle()) })
    }

    /// Takes a connection back whose answer was read to the end. It is kept once the request,
    /// too, was sent to its end; where that does not happen soon, it is closed.
    pub(super) fn give_back(&self, mut line: Line) {
        if line.sender.is_ready() {
            self.keep(line);
        } else if !line.sender.is_closed()
            && let Some(this) = self.this.upgrade()
        {
            tokio::spawn(async move {
                if matches!(tokio::time::timeout(SETTLE, line.sender.ready()).await, Ok(Ok(()))) {
                    this.keep(line);
                }
            });
        }
    }

    fn keep(&self, line: Line) {
        let here = runtime::Handle::current().id();
        let mut cores = self.cores();
        let core = cores.entry(here).or_default();
        let free = core.free.entry(line.backend.clone()).or_default();
        if free.len() >= self.keep_max {
            free.remove(0);
        }
        free.push((line, Instant::now()));
        if !core.sweeping {
            core.sweeping = true;
            tokio::spawn(sweep(self.this.clone(), here, self.keep));
        }
    }

    /// Closes what was free for too long; whether anything is left.
    fn expire(&self, here: runtime::Id) -> bool {
        let mut cores = self.cores();
        let Some(core) = cores.get_mut(&here) else { return false };
        core.free.retain(|_, free| {
            free.retain(|(line, since)| since.elapsed() <= self.keep && !line.sender.is_closed());
            !free.is_empty()
        });
        core.sweeping = !core.free.is_empty();
        if !core.sweeping {
            cores.remove(&here);
            return false;
        }
        true
    }

    fn cores(&self) -> MutexGuard<'_, HashMap<runtime::Id, Core>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.cores().values().flat_map(|core| core.free.values()).map(Vec::len).sum()
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

/// How long the rest of a request may take once its answer is complete.
const SETTLE: Duration = Duration::from_secs(2);
