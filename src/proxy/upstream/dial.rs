//! Opens a connection to a backend: socket, TLS where the route says so, then HTTP. Keeps none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::backend::{Backend, BadBackend, Place, Reach, Speaks};
use super::line::Own;
use super::link::Link;
use super::tls::{self, Tls, TrustError};
use crate::domain::Reason;
use crate::proxy::h1::Wire;
use crate::proxy::socket::Io;

/// Why a backend could not be reached.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum ConnectError {
    #[error("no connection to the backend: {0}; {next}", next = mend(.0))]
    Down(#[from] io::Error),
    #[error(
        "no address is known of the backend's name: {0}; correct the name, or have this machine's DNS know it"
    )]
    Unknown(io::Error),
    #[error("the backend did not accept a connection in time; see that it runs and listens there")]
    Slow,
    #[error(
        "no TLS with the backend: {0}; compare its certificate with `ca` and `server_name` of its [[backend_tls]]"
    )]
    Tls(io::Error),
    #[error(
        "no TLS with the backend: its certificate is marked as one of a CA (CA:TRUE), as `openssl req -x509` makes \
         them, and such a one is believed of no server: make one with `-addext basicConstraints=critical,CA:FALSE`, \
         and put it where the backend and `ca` of its [[backend_tls]] have it"
    )]
    MarkedAsCa,
    #[error("the backend's connection broke at once: {0}; look at the backend's log")]
    Broken(#[from] h2::Error),
    #[error("the route's backend is not to be reached from here: {0}")]
    Refused(#[from] BadBackend),
}

impl ConnectError {
    /// Whether it says nothing of the backend.
    pub(in crate::proxy) fn is_ours(&self) -> bool {
        matches!(self, Self::Down(error) if is_ours(error))
    }

    pub(in crate::proxy) fn reason(&self) -> Reason {
        match self {
            // Not a byte of a request was sent.
            Self::Down(_) | Self::Unknown(_) | Self::Refused(_) | Self::Tls(_) | Self::MarkedAsCa => {
                Reason::BackendDown(Box::default())
            }
            Self::Slow => Reason::BackendSlow(Box::default()),
            Self::Broken(_) => Reason::BackendBroken(Box::default()),
        }
    }
}

/// What helps where there is no connection.
fn mend(error: &io::Error) -> &'static str {
    match is_ours(error) {
        true => "raise the gate's own limit of open files (LimitNOFILE)",
        false => "see that it runs and listens there",
    }
}

/// Whether the gate itself has no descriptor left.
fn is_ours(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|none| error.raw_os_error() == Some(none.raw_os_error()))
}

/// Opens connections, within what the configuration allows.
pub(super) struct Dialler {
    reach: Reach,
    tls: Vec<Tls>,
    within: Duration,
    /// How often the files changed, or others were named.
    files: Arc<AtomicU64>,
}

/// What came of it.
pub(super) enum Dialled {
    Own(Own),
    Link(Arc<Link>),
}

impl Dialler {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn new(reach: Reach, within: Duration) -> Result<Self, TrustError> {
        let tls = reach.tls.iter().cloned().map(Tls::open).collect::<Result<_, _>>()?;
        Ok(Self { reach, tls, within, files: Arc::default() })
    }

    /// One that reaches something else, and counts on.
    ///
    /// # Errors
    /// [`TrustError`].
    pub(super) fn instead(&self, reach: Reach) -> Result<Self, TrustError> {
        Ok(Self { files: Arc::clone(&self.files), ..Self::new(reach, self.within)? })
    }

    /// To places in clear alone.
    pub(super) fn plain(within: Duration) -> Self {
        Self { reach: Reach::default(), tls: Vec::new(), within, files: Arc::default() }
    }

    /// A new connection, by HTTP/1.1 where a tunnel is to be made of it. `opened_by` is the count of files before
    /// this dialler was looked up.
    pub(super) async fn dial(
        &self,
        backend: &Backend,
        http1_only: bool,
        opened_by: u64,
    ) -> Result<Dialled, ConnectError> {
        self.reach.check(backend)?;
        tokio::time::timeout(self.within, self.open(backend, http1_only, opened_by))
            .await
            .map_err(|_| ConnectError::Slow)?
    }

    /// How often the files by which backends are believed have changed: what was opened by older ones carries nothing new.
    pub(super) fn files(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.files)
    }

    async fn open(
        &self,
        backend: &Backend,
        http1_only: bool,
        opened_by: u64,
    ) -> Result<Dialled, ConnectError> {
        let http2 = backend.speaks == Speaks::Http2 && !http1_only;
        let (name, port) = match &backend.place {
            Place::Host { name, port } => (name.as_str(), *port),
            Place::Socket(path) => {
                return greet(UnixStream::connect(path).await?, backend, (http2, false, opened_by)).await;
            }
        };
        let found: Vec<_> = lookup_host((name, port)).await.map_err(ConnectError::Unknown)?.collect();
        let stream = TcpStream::connect(found.as_slice()).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = self.reach.trusted(&backend.place).and_then(|place| self.tls.get(place)) else {
            return greet(stream, backend, (http2, false, opened_by)).await;
        };
        if backend.speaks != Speaks::Tls {
            return greet(stream, backend, (http2, false, opened_by)).await;
        }
        let (stream, http2) = tls.connect(stream, name, http1_only).await.map_err(of_tls)?;
        greet(stream, backend, (http2, true, opened_by)).await
    }

    /// Looks at the files; whether any changed.
    pub(super) fn refresh(&self) -> bool {
        let mut changed = false;
        for (tls, trust) in self.tls.iter().zip(&self.reach.tls) {
            let hosts = trust.hosts.join(", ");
            match tls.refresh() {
                Ok(false) => {}
                Ok(true) => {
                    tracing::info!(hosts, "took up new files of [[backend_tls]]");
                    changed = true;
                }
                Err(error) => tracing::error!(hosts, %error, "kept the old files of [[backend_tls]]"),
            }
        }
        if changed {
            self.files.fetch_add(1, Ordering::AcqRel);
        }
        changed
    }
}

/// What the names of types say is said in words.
fn of_tls(error: io::Error) -> ConnectError {
    if tls::is_marked_as_ca(&error) { ConnectError::MarkedAsCa } else { ConnectError::Tls(error) }
}

async fn greet<I>(
    io: I,
    backend: &Backend,
    (http2, tls, opened_by): (bool, bool, u64),
) -> Result<Dialled, ConnectError>
where
    I: Io + 'static,
{
    Ok(if http2 {
        Dialled::Link(Link::over(io, tls).await?)
    } else {
        Dialled::Own(Own { wire: Wire::new(Box::new(io), tls, opened_by), backend: backend.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_gate_has_no_descriptor_left_no_backend_is_to_blame() {
        for (code, ours) in [(Errno::MFILE, true), (Errno::NFILE, true), (Errno::CONNREFUSED, false)] {
            let error = ConnectError::from(io::Error::from(code));
            assert_eq!((error.is_ours(), error.to_string().contains("LimitNOFILE")), (ours, ours), "{error}");
        }
    }
}
