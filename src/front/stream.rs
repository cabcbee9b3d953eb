//! What flows over a connection, under a clock: the socket, bodies that arrive, bodies that
//! leave. Each is passed on untouched, or ended where the other side stands still.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, UnderWay};
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

/// A request's body, cut where it brings nothing or too little. Only the time in which we
/// waited for the client counts: a slow backend is not the client's fault.
pub(super) struct Arriving {
    /// Gone only when this goes.
    incoming: Option<Incoming>,
    idle: Duration,
    bytes_per_second_min: u64,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
    bytes: u64,
    answered: Answered,
    activity: Arc<Activity>,
}

/// Whether a request's answer has begun while its body was still coming, as gRPC's streams do: from then on
/// whoever answers says how long either may be silent.
#[derive(Clone, Default)]
pub(super) struct Answered(Option<Arc<AtomicBool>>);

impl Answered {
    /// Of a body that comes over HTTP/2; with others it costs nothing.
    pub(super) fn watch(incoming: &Incoming, http2: bool) -> Self {
        Self((http2 && !incoming.is_end_stream()).then(Arc::default))
    }

    pub(super) fn begins(&self) {
        if let Some(answered) = &self.0 {
            answered.store(true, Ordering::Relaxed);
        }
    }

    fn has_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|answered| answered.load(Ordering::Relaxed))
    }
}

impl Arriving {
    /// The body as rooms and the proxy take it; one without bytes costs nothing.
    pub(super) fn body(
        incoming: Incoming,
        activity: &Arc<Activity>,
        answered: &Answered,
        settings: &Settings,
    ) -> Body {
        if incoming.is_end_stream() {
            return Body::empty();
        }
        activity.read(false);
        Body::new(Self {
            incoming: Some(incoming),
            idle: settings.body_idle(),
            bytes_per_second_min: settings.body_bytes_per_second_min,
            waiting: None,
            waited: Duration::ZERO,
            bytes: 0,
            answered: answered.clone(),
            activity: Arc::clone(activity),
        })
    }

    /// Whether there is no more of it though its end never came: hyper takes RST_STREAM with NO_ERROR for an end,
    /// which it is of the client's wish alone.
    fn is_cut_off(&self) -> bool {
        self.activity.http2() && self.incoming.as_ref().is_some_and(|incoming| !incoming.is_end_stream())
    }

    /// How long it may still keep us waiting.
    fn patience(&self) -> Duration {
        if self.bytes_per_second_min == 0 {
            return self.idle;
        }
        let earned = Duration::from_secs(self.bytes / self.bytes_per_second_min);
        (self.idle + earned).saturating_sub(self.waited).min(self.idle)
    }
}

impl hyper::body::Body for Arriving {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = Pin::new(&mut *incoming).poll_frame(cx) {
            if incoming.is_end_stream() {
                self.activity.read(true);
            }
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                self.bytes += data.map_or(0, |data| data.len() as u64);
            } else if frame.is_none() && self.is_cut_off() {
                self.incoming = None;
                return Poll::Ready(Some(Err("the client reset the request before its end".into())));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.patience();
        let (_, sleep) =
            self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(patience))));
        ready!(sleep.as_mut().poll(cx));
        if self.answered.has_begun() {
            self.waiting = None;
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("the body of the request did not arrive in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(hyper::body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), hyper::body::Body::size_hint)
    }
}

/// Who is answered before the body was read is answered over HTTP/2 with a stream that is then reset (RFC 9113 8.1),
/// which some clients take for a failure. A short rest is let come instead, and thrown away.
impl Drop for Arriving {
    fn drop(&mut self) {
        let unread =
            self.incoming.take().filter(|incoming| self.activity.http2() && !incoming.is_end_stream());
        if let (Some(mut rest), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            let mut left = LINGER_BYTES_MAX;
            runtime.spawn(tokio::time::timeout(LINGER_MAX, async move {
                while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut rest).poll_frame(cx)).await {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
                    if left == 0 {
                        return;
                    }
                }
            }));
        }
    }
}

/// An answer's body; while it lasts, its request is under way.
pub(super) struct Leaving {
    body: Body,
    under_way: UnderWay,
}

impl Leaving {
    pub(super) const fn new(body: Body, under_way: UnderWay) -> Self {
        Self { body, under_way }
    }
}

impl hyper::body::Body for Leaving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.under_way.taken();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if matches!(frame, Some(Ok(_))) {
            self.under_way.handed_over();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A form, or a call of a program.
const LINGER_BYTES_MAX: usize = 64 * 1024;

/// As long as the way there and back may take.
const LINGER_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

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
