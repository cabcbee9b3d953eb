//! The socket under a clock: what flows is passed on untouched, or ended where the other side stands still.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;
use super::calm::Calm;
use super::limits::Settings;

/// A socket that ends when the client takes nothing for too long, and that holds what must be
/// given back when it closes, also after it was handed on to a WebSocket.
pub(super) struct Watched<I> {
    io: I,
    /// What was read of it and not taken.
    before: Bytes,
    activity: Arc<Activity>,
    /// With HTTP/2.
    calm: Option<Calm>,
    stall: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    _held: Box<dyn Send + Sync>,
}

impl<I> Watched<I> {
    pub(super) fn new(
        io: I,
        http2: bool,
        activity: &Arc<Activity>,
        settings: &Settings,
        held: impl Send + Sync + 'static,
    ) -> Self {
        let (stall, calm) = (settings.write_stall(), http2.then(Calm::new));
        let (before, activity) = (Bytes::new(), Arc::clone(activity));
        Self { io, before, activity, calm, stall, stalled: None, _held: Box::new(held) }
    }

    /// Gives back what was read and not taken.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        // What is empty may still hold the room that it was read into.
        self.before = if bytes.is_empty() { Bytes::new() } else { bytes };
    }

    fn wrote(&mut self, progress: &Poll<io::Result<usize>>) {
        if let (Some(calm), Poll::Ready(Ok(count))) = (&mut self.calm, progress) {
            self.activity.stirs();
            calm.sent(*count);
        }
    }

    /// Passes progress on; where there is none, waits no longer than the limit.
    fn timed<T>(&mut self, cx: &mut Context<'_>, progress: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        let stall = self.stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(stall)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")))
    }
}

impl<I: AsyncRead + Unpin> Watched<I> {
    /// Returns once the client says something, or hangs up; keeps no room for it until then.
    ///
    /// # Errors
    /// The socket's.
    pub(super) async fn hears(&mut self) -> io::Result<()> {
        if !self.before.is_empty() {
            return Ok(());
        }
        poll_fn(|cx| {
            let mut room = [0; FIRST_BYTES];
            let mut buf = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut *self).poll_read(cx, &mut buf))?;
            self.put_back(Bytes::copy_from_slice(buf.filled()));
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Waits for what the client says, and forgets it; whether there was anything.
    pub(super) async fn throws_away(&mut self) -> bool {
        poll_fn(|cx| {
            let mut room = [0; THROWN_AWAY_BYTES];
            let mut buf = ReadBuf::new(&mut room);
            let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf));
            Poll::Ready(read.is_ok() && !buf.filled().is_empty())
        })
        .await
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let count = buf.remaining().min(self.before.len());
            buf.put_slice(&self.before.split_to(count));
            let rest = std::mem::take(&mut self.before);
            self.put_back(rest);
            self.activity.heard();
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let this = &mut *self;
        if let Some(calm) = &mut this.calm {
            if calm.is_over() {
                buf.put_slice(calm.farewell(buf.remaining()));
                return Poll::Ready(Ok(()));
            }
            if calm.gives_way() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buf) else {
            this.calm.as_mut().map(Calm::waits);
            return Poll::Pending;
        };
        read?;
        if let Some(calm) = &mut this.calm {
            this.activity.stirs();
            if let Some(whole) = calm.heard(&buf.filled()[before..], &this.activity) {
                buf.set_filled(before + whole);
                buf.put_slice(calm.farewell(buf.remaining()));
            }
        } else if buf.filled().len() > before {
            this.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.flushed(false);
        let progress = Pin::new(&mut self.io).poll_write(cx, buf);
        self.wrote(&progress);
        self.timed(cx, progress)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(progress, Poll::Ready(Ok(()))) {
            self.activity.flushed(true);
        }
        self.timed(cx, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.activity.closes();
        let progress = Pin::new(&mut self.io).poll_shutdown(cx);
        self.timed(cx, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.flushed(false);
        let progress = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.wrote(&progress);
        self.timed(cx, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

/// What a client begins with; the rest is read where there is room for it.
const FIRST_BYTES: usize = 512;

/// At a time.
const THROWN_AWAY_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::Instant;

    use super::super::activity::Verdict;
    use super::*;

    #[tokio::test]
    async fn what_is_being_closed_does_not_rest() {
        let settings = Settings::default();
        let activity = Activity::new(false, &settings);
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut watched = Watched::new(ours, false, &activity, &settings, ());
        drop(activity.begin());
        let later = Instant::now() + Duration::from_secs(2);
        assert_eq!(activity.judge(later), Verdict::Rest);
        watched.shutdown().await.unwrap();
        assert!(matches!(activity.judge(later), Verdict::Wait(_)));
    }

    #[tokio::test]
    async fn what_is_put_back_holds_no_room() {
        let settings = Settings::default();
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut watched = Watched::new(ours, false, &Activity::new(false, &settings), &settings, ());
        let room: Arc<[u8]> = Arc::from([b'x'; 8192]);
        let held = |room: &Arc<[u8]>| Bytes::from_owner(Arc::clone(room));
        watched.put_back(held(&room).slice(..0));
        assert_eq!(Arc::strong_count(&room), 1, "nothing is left of it");
        watched.put_back(held(&room).slice(..3));
        let mut three = [0; 3];
        tokio::io::AsyncReadExt::read_exact(&mut watched, &mut three).await.unwrap();
        assert_eq!((&three, Arc::strong_count(&room)), (b"xxx", 1));
    }
}
