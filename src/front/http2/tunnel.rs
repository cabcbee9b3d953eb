//! A stream of HTTP/2 that carries bytes both ways: what an extended CONNECT opens (RFC 8441).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::inflow::Inflow;
use crate::proxy::poll_room;

/// Reads and writes one stream. A client that resets it is heard on both sides; where this is dropped before it is
/// shut down, the client sees it reset.
pub(super) struct Tunnel {
    from: Inflow,
    to: SendStream<Bytes>,
    /// What was received and not yet read.
    rest: Bytes,
    /// Whether the client sends no more.
    ended: bool,
}

impl Tunnel {
    pub(super) const fn new(from: Inflow, to: SendStream<Bytes>) -> Self {
        Self { from, to, rest: Bytes::new(), ended: false }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ended {
            // Who reads on wants to know whether the client still listens.
            let reset = ready!(self.to.poll_reset(cx));
            return Poll::Ready(Err(broken(reset.map_or_else(|error| error, h2::Error::from))));
        }
        while self.rest.is_empty() {
            match ready!(self.from.poll_data(cx)) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => {
                    self.ended = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let count = buf.remaining().min(self.rest.len());
        buf.put_slice(&self.rest.split_to(count));
        self.from.release(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(poll_room(&mut self.to, buf.len(), cx)).map_err(broken)?;
        self.to.send_data(Bytes::copy_from_slice(&buf[..room]), false).map_err(broken)?;
        Poll::Ready(Ok(room))
    }

    /// The connection writes what there is as soon as it can. Who asks hears whether the client reset the stream.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.to.poll_reset(cx) {
            Poll::Ready(reset) => Poll::Ready(Err(broken(reset.map_or_else(|error| error, h2::Error::from)))),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.to.send_data(Bytes::new(), true).map_err(broken))
    }
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
