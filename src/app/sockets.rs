//! The listeners: those that somebody handed over, and those that are bound here. They open before the store does,
//! where another gate still has it. Accept nothing.

use std::net::{SocketAddr, TcpListener};

use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::front::beside::Plan;
use crate::front::{Settings, accept, ops};

/// All that a gate listens on.
pub struct Sockets {
    pub(super) tls: Vec<TcpListener>,
    pub(super) plain: Option<TcpListener>,
    pub(super) ops: Option<TcpListener>,
    pub(super) others: Vec<(TcpListener, Plan)>,
}

impl Sockets {
    /// Takes those of the given that the configuration wants, and binds the rest. What nobody wants is closed.
    ///
    /// # Errors
    /// [`AppError::Listen`]; [`AppError::System`].
    pub fn open(config: &Config, given: Vec<TcpListener>) -> Result<Self, AppError> {
        let mut given = Given(given);
        let threads = Settings::default().threads;
        let not = |what, address| {
            let file = config.file.display().to_string();
            move |source| AppError::Listen { what, address, file, source }
        };
        let address = config.listen.tls;
        let mut tls = given.take(address)?;
        // One socket for all threads, as systemd gives it, is accepted from by each of them.
        match (tls.len(), tls.first()) {
            (1, Some(one)) => {
                let more = (1..threads).map(|_| one.try_clone()).collect::<Result<Vec<_>, _>>();
                tls.extend(more.map_err(AppError::System)?);
            }
            (0, _) => tls = accept::bind(address, threads).map_err(not("TLS", address))?,
            // Each of several has connections of its own that wait: none may be left out.
            _ => {}
        }
        let plain = match config.listen.plain {
            None => None,
            Some(address) => match given.take(address)?.pop() {
                Some(one) => Some(one),
                None => accept::bind(address, 1).map_err(not("plain HTTP", address))?.pop(),
            },
        };
        let ops = match config.listen.ops {
            None => None,
            Some(address) => Some(match given.take(address)?.pop() {
                Some(one) => one,
                None => ops::bind(address).map_err(not("the operator's listener", address))?,
            }),
        };
        let mut others = Vec::new();
        for plan in &config.other_proxies {
            let found = match given.take(plan.listen)?.pop() {
                Some(one) => Some(one),
                None => accept::bind(plan.listen, 1)
                    .map_err(not("the listener of another proxy", plan.listen))?
                    .pop(),
            };
            others.extend(found.map(|one| (one, plan.clone())));
        }
        for one in given.0 {
            let address = one.local_addr().map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(address, "closed a socket that was handed over: nothing is to listen there");
        }
        Ok(Self { tls, plain, ops, others })
    }

    /// Each once more, to be handed over. They close with the house: a socket that somebody still holds takes
    /// connections in that nobody answers.
    pub(super) fn kept(&self, stop: &CancellationToken) -> Result<Kept, AppError> {
        let others = self.others.iter().map(|(one, _)| one);
        let all = self.tls.iter().chain(&self.plain).chain(&self.ops).chain(others);
        let kept =
            all.map(TcpListener::try_clone).collect::<Result<Vec<_>, _>>().map_err(AppError::System)?;
        let kept = Kept(std::sync::Arc::new(std::sync::Mutex::new(kept)));
        let (closing, stop) = (kept.clone(), stop.clone());
        tokio::spawn(async move {
            stop.cancelled().await;
            drop(closing.take());
        });
        Ok(kept)
    }

    pub(super) fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.first().and_then(|one| one.local_addr().ok())
    }

    pub(super) fn plain_address(&self) -> Option<SocketAddr> {
        self.plain.as_ref().and_then(|one| one.local_addr().ok())
    }
}

/// The sockets of a house that is open.
#[derive(Clone)]
pub struct Kept(std::sync::Arc<std::sync::Mutex<Vec<TcpListener>>>);

impl Kept {
    /// Each once more.
    ///
    /// # Errors
    /// The system's.
    pub fn copies(&self) -> std::io::Result<Vec<TcpListener>> {
        let kept = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.iter().map(TcpListener::try_clone).collect()
    }

    fn take(&self) -> Vec<TcpListener> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// Sockets that were handed over and are not taken yet.
struct Given(Vec<TcpListener>);

impl Given {
    /// Those at an address.
    fn take(&mut self, wanted: SocketAddr) -> Result<Vec<TcpListener>, AppError> {
        let (taken, left) = std::mem::take(&mut self.0)
            .into_iter()
            .partition::<Vec<_>, _>(|one| one.local_addr().is_ok_and(|address| is(address, wanted)));
        self.0 = left;
        for one in &taken {
            one.set_nonblocking(true).map_err(AppError::System)?;
        }
        Ok(taken)
    }
}

/// systemd writes everywhere as `[::]`, which takes in IPv4 as well.
fn is(address: SocketAddr, wanted: SocketAddr) -> bool {
    let (here, there) = (address.ip(), wanted.ip());
    address.port() == wanted.port() && (here == there || (here.is_unspecified() && there.is_unspecified()))
}
