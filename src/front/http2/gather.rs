//! What streams have to say in one turn, gathered: h2 writes each piece of a body by itself, and for one of a kilobyte the
//! system's work and TLS's cost more than all that was done for it before.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket as h2 has it, and as whoever ends a turn does.
pub(super) struct Gather<I>(Arc<Mutex<Out<I>>>);

struct Out<I> {
    io: I,
    /// Whether turns are taken: before, all is written at once.
    gathers: bool,
    /// What is to be written, from `written` on.
    waiting: Vec<u8>,
    written: usize,
    failed: Option<io::ErrorKind>,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Gather<I> {
    pub(super) fn new(io: I) -> Self {
        Self(Arc::new(Mutex::new(Out { io, gathers: false, waiting: Vec::new(), written: 0, failed: None })))
    }

    /// The same socket.
    pub(super) fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// From now on [`Self::ends_turn`] ends each turn.
    pub(super) fn begin(&self) {
        self.lock().gathers = true;
    }

    /// Ends a turn: writes what was gathered. Where that fails, h2 hears of it when it reads or writes next; whether it
    /// is to be asked to.
    pub(super) fn ends_turn(&self, cx: &mut Context<'_>) -> bool {
        let mut out = self.lock();
        if out.failed.is_none()
            && let Poll::Ready(Err(error)) = out.poll_out(cx)
        {
            out.failed = Some(error.kind());
            return true;
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Out<I>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: AsyncWrite + Unpin> Out<I> {
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.waiting.len() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        // Nothing is kept for as long as nothing is said.
        (self.waiting, self.written) = (Vec::new(), 0);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Makes room for so much more; whether it is better written by itself.
    fn poll_room(&mut self, more: usize, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.waiting.len() + more > GATHERED_MAX && !self.waiting.is_empty() {
            ready!(self.poll_out(cx))?;
        }
        if self.waiting.capacity() == 0 && self.gathers {
            self.waiting.reserve_exact(GATHERED_MAX);
        }
        Poll::Ready(Ok(!self.gathers || more > GATHERED_MAX))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut out = self.lock();
        match out.failed {
            Some(kind) => Poll::Ready(Err(kind.into())),
            None => Pin::new(&mut out.io).poll_read(cx, buf),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gather<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut out = self.lock();
        if let Some(kind) = out.failed {
            return Poll::Ready(Err(kind.into()));
        }
        let count = bufs.iter().map(|buf| buf.len()).sum();
        if ready!(out.poll_room(count, cx))? {
            return Pin::new(&mut out.io).poll_write_vectored(cx, bufs);
        }
        for buf in bufs {
            out.waiting.extend_from_slice(buf);
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.lock();
        // The end of the turn does it.
        if out.gathers { Poll::Ready(Ok(())) } else { out.poll_out(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut out = self.lock();
        ready!(out.poll_out(cx))?;
        Pin::new(&mut out.io).poll_shutdown(cx)
    }
}

/// As much as one record of TLS holds.
const GATHERED_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn what_is_said_in_a_turn_leaves_at_its_end_in_order() {
        let (ours, mut theirs) = tokio::io::duplex(1024 * 1024);
        let gather = Gather::new(ours);
        let mut io = gather.handle();
        let mut got = vec![0; 1024 * 1024];
        io.write_all(b"hello").await.unwrap();
        assert_eq!(theirs.read(&mut got).await.unwrap(), 5, "before the first turn nothing waits");

        gather.begin();
        io.write_all(b"one").await.unwrap();
        io.flush().await.unwrap();
        let two = [io::IoSlice::new(b" and "), io::IoSlice::new(b"two")];
        assert_eq!(io.write_vectored(&two).await.unwrap(), 8);
        assert!(theirs.read(&mut got).now_or_never().is_none(), "nothing has left yet");
        poll_fn(|cx| gather.lock().poll_out(cx)).await.unwrap();
        let count = theirs.read(&mut got).await.unwrap();
        assert_eq!(&got[..count], b"one and two");
        assert_eq!(gather.lock().waiting.capacity(), 0, "no room is kept");

        // What is long is not copied, nor does it overtake.
        io.write_all(b"before").await.unwrap();
        io.write_all(&[b'x'; 100_000]).await.unwrap();
        io.write_all(b"after").await.unwrap();
        io.shutdown().await.unwrap();
        got.clear();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 100_011);
        assert!(got.starts_with(b"beforexx") && got.ends_with(b"xxafter"));
    }

    #[tokio::test]
    async fn no_more_is_gathered_than_may_be() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let gather = Gather::new(ours);
        let mut io = gather.handle();
        gather.begin();
        let writer = tokio::spawn(async move {
            for _ in 0..100 {
                io.write_all(&[b'x'; 1024]).await.unwrap();
            }
            io.shutdown().await.unwrap();
        });
        tokio::task::yield_now().await;
        assert!(!writer.is_finished() && gather.lock().waiting.len() <= GATHERED_MAX);
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        assert_eq!(got.len(), 100 * 1024);
        writer.await.unwrap();
    }

    #[tokio::test]
    async fn whoever_reads_next_hears_that_nothing_could_be_written() {
        let (ours, theirs) = tokio::io::duplex(64);
        drop(theirs);
        let gather = Gather::new(ours);
        let mut io = gather.handle();
        gather.begin();
        io.write_all(b"one").await.unwrap();
        let end = || poll_fn(|cx| Poll::Ready(gather.ends_turn(cx)));
        assert!(end().await, "it failed just now");
        assert!(!end().await, "and is not told again");
        assert!(io.read(&mut [0; 8]).await.is_err() && io.write(b"two").await.is_err());
    }
}
