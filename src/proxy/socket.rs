//! What a connection to a backend runs over.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

/// A connection of one's own.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin + Send {
    /// From now on its end is no good one, where the system knows such.
    fn breaks_off(&mut self) {}
}

impl Io for TcpStream {
    fn breaks_off(&mut self) {
        // Where this fails, it ends as any other does.
        let _ = self.set_zero_linger();
    }
}

impl Io for TlsStream<TcpStream> {
    fn breaks_off(&mut self) {
        self.get_mut().0.breaks_off();
    }
}

impl Io for UnixStream {}

#[cfg(test)]
impl Io for tokio::io::DuplexStream {}
