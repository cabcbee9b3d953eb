//! Each connection that is taken in takes a file descriptor. Where none is left, the operator's listener closes its own to take
//! somebody in with it; in that moment nobody else may take one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use tokio::net::{TcpListener, TcpStream};

/// Who may take one: all listeners at once, or one alone.
#[derive(Debug, Default)]
pub(super) struct Descriptors(RwLock<()>);

impl Descriptors {
    /// Takes in who comes next.
    ///
    /// # Errors
    /// The system's.
    pub(super) async fn accept(&self, listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|cx| {
            let _among_others = self.0.read().unwrap_or_else(PoisonError::into_inner);
            listener.poll_accept(cx)
        })
        .await
    }

    /// Until what is returned is dropped, no listener takes one; not to be kept for longer than a system call or two.
    pub(super) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
