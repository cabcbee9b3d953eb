//! A stream of HTTP/2 that carries bytes both ways: what an extended CONNECT opens (RFC 8441).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Reads and writes one stream. A client that resets it is heard on both sides; where this is dropped before it is
/// shut down, the client sees it reset.
pub(super) struct Tunnel {
    from: RecvStream,
    to: SendStream<Bytes>,
    /// What was received and not yet read.
    rest: Bytes,
}

impl Tunnel {
    pub(super) const fn new(from: RecvStream, to: SendStream<Bytes>) -> Self {
        Self { from, to, rest: Bytes::new() }
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.from.poll_data(cx)) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = buf.remaining().min(self.rest.len());
        buf.put_slice(&self.rest.split_to(count));
        // No more is given back than was taken.
        let _ = self.from.flow_control().release_capacity(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(poll_room(&mut self.to, cx)).map_err(broken)?;
        self.to.send_data(Bytes::copy_from_slice(buf), false).map_err(broken)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection writes what there is as soon as it can.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.to.send_data(Bytes::new(), true).map_err(broken))
    }
}

/// Ready once the client's windows have room; an error once it has reset the stream. To be asked only by who has
/// something to send: room that is asked for and not used is missing to other streams.
pub(super) fn poll_room(to: &mut SendStream<Bytes>, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
    if let Poll::Ready(reason) = to.poll_reset(cx)? {
        return Poll::Ready(Err(reason.into()));
    }
    // One byte: with the rest h2 waits for its turn, and what is sent raises what it asks for.
    to.reserve_capacity(1);
    while to.capacity() == 0 {
        match ready!(to.poll_capacity(cx)) {
            Some(room) => drop(room?),
            None => return Poll::Ready(Err(Reason::STREAM_CLOSED.into())),
        }
    }
    Poll::Ready(Ok(()))
}

fn broken(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
