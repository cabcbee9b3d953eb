//! HTTP/1.1 towards a backend (RFC 9112), with no task of its own: whoever waits for the answer drives the
//! connection, so that a request costs one write and one read. Knows nothing of permits, pools or pages.
//!
//! - `outgoing`: the request on its way out
//! - `head`: the head of an answer
//! - `framing`: where its body ends

mod framing;
mod head;
mod outgoing;
#[cfg(test)]
mod tests;

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{StatusCode, response};
use hyper::body::{Frame, SizeHint};
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;
use tokio_util::task::AbortOnDropHandle;

use self::framing::{Framing, Step};
pub(super) use self::outgoing::Outgoing;
use super::body::{Cut, Upload};
use super::hints::Hints;
use super::ours::Ours;
use super::socket::Io;

/// An open connection that carries nothing.
pub(super) struct Wire(Box<Kept>);

/// A connection, and the request that is under way on it. In one box, as long as the connection lives: it goes from
/// hand to hand.
struct Kept {
    socket: Box<dyn Io>,
    read: BytesMut,
    /// What is known of a head that is not all there.
    sought: head::Sought,
    /// The request, or room for the next.
    out: Outgoing,
    /// What the backend's side of the writing said; an answer may have come before.
    write_failed: Option<Broken>,
    interim: usize,
    /// How much is read at once.
    room: usize,
    /// Goes off at the time for an answer, or before.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Whether bytes that were taken may have left before a write fails: over TLS.
    sealed: bool,
    /// Which of the files by which backends are believed it was opened by.
    opened_by: u64,
}

/// Why no answer came, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// The backend closed the connection without a byte of an answer: it may not have read the request.
    #[error("the backend closed the connection before it answered")]
    Closed,
    #[error("the backend's answer broke off")]
    Incomplete,
    #[error("the connection to the backend broke: {0}")]
    Io(#[from] io::Error),
    #[error("the backend's answer is no HTTP/1.1: {0}")]
    Malformed(&'static str),
    #[error("the request's body broke off")]
    Upload(#[source] Cut),
}

/// One request under way, up to the head of its answer.
pub(super) struct Exchange(Box<Kept>);

/// The body of an answer.
pub(super) struct Reply {
    source: Source,
    framing: Framing,
    reusable: bool,
}

enum Source {
    Direct(Exchange),
    /// Read by a task, because the request's body goes on beside it at its own pace.
    Pumped {
        frames: mpsc::Receiver<Result<Frame<Bytes>, Broken>>,
        _task: AbortOnDropHandle<()>,
    },
    Over,
}

impl Wire {
    pub(super) fn new(socket: Box<dyn Io>, sealed: bool, opened_by: u64) -> Self {
        Self(Box::new(Kept {
            socket,
            read: BytesMut::new(),
            sought: head::Sought::default(),
            out: Outgoing::none(Vec::new()),
            write_failed: None,
            interim: 0,
            room: READ_BYTES,
            alarm: None,
            sealed,
            opened_by,
        }))
    }

    /// Which of the files by which backends are believed it was opened by.
    pub(super) const fn opened_by(&self) -> u64 {
        self.0.opened_by
    }

    /// Whether it is open as far as can be known: nothing came unasked, not even its end.
    pub(super) fn is_open(&mut self) -> bool {
        let mut byte = [0; 1];
        let mut context = Context::from_waker(Waker::noop());
        let kept = &mut *self.0;
        kept.read.is_empty()
            && Pin::new(&mut *kept.socket).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Begins to send a request.
    pub(super) fn begin(mut self, head: &Parts, ours: &Ours, upload: Upload) -> Exchange {
        let spare = self.0.out.take_room();
        self.send(Outgoing::new(spare, head, ours, upload))
    }

    /// Begins to send one that was begun elsewhere.
    pub(super) fn send(mut self, request: Outgoing) -> Exchange {
        self.0.out = request;
        (self.0.write_failed, self.0.interim, self.0.room) = (None, 0, READ_BYTES);
        Exchange(self.0)
    }
}

impl Exchange {
    /// The head of the answer, once it has come; what is said before goes to `hints`. Not to be polled after that.
    pub(super) fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        hints: Option<&Hints>,
    ) -> Poll<Result<response::Parts, Broken>> {
        self.write_on(cx)?;
        loop {
            while let Some(head) = head::take(&mut self.0.read, &mut self.0.sought)? {
                if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                    return Poll::Ready(Ok(head));
                }
                if let Some(hints) = hints.filter(|_| head.status == StatusCode::EARLY_HINTS) {
                    hints.early(&head.headers);
                }
                self.0.interim += 1;
                if self.0.interim > INTERIM_MAX {
                    return Poll::Ready(Err(Broken::Malformed("it has too many interim answers")));
                }
            }
            let nothing_came = self.0.read.is_empty() && self.0.interim == 0;
            match ready!(self.poll_more(cx)) {
                Ok(0) if !nothing_came => return Poll::Ready(Err(Broken::Incomplete)),
                Ok(0) => return Poll::Ready(Err(self.0.write_failed.take().unwrap_or(Broken::Closed))),
                Ok(_) => {}
                Err(error) if nothing_came && error.kind() == io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Err(self.0.write_failed.take().unwrap_or(Broken::Closed)));
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Ready once `deadline` is past. A request that is answered in time costs no timer: the connection's own is put
    /// off only when it goes off.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let alarm = self.0.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if alarm.deadline() > deadline {
            alarm.as_mut().reset(deadline);
        }
        while alarm.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Whether anything of the request was written.
    pub(super) const fn has_begun(&self) -> bool {
        self.0.out.has_begun()
    }

    /// The request once more, where it may be sent over another connection: nothing of it was written; or, where
    /// it is `repeatable`, it has no body.
    pub(super) fn again(mut self, repeatable: bool) -> Option<Outgoing> {
        std::mem::replace(&mut self.0.out, Outgoing::none(Vec::new())).again(repeatable)
    }

    /// The body of the answer whose head this is.
    pub(super) fn reply(self, head: &response::Parts) -> Result<Reply, Broken> {
        let framing = Framing::of(head, self.0.out.asks_for_head())?;
        let reusable = framing.ends_by_itself() && head::keeps_alive(head);
        if self.0.out.is_done() || self.0.write_failed.is_some() {
            return Ok(Reply { source: Source::Direct(self), framing, reusable });
        }
        let (sender, frames) = mpsc::channel(1);
        let task = AbortOnDropHandle::new(tokio::spawn(self.pump(framing.clone(), sender)));
        Ok(Reply { source: Source::Pumped { frames, _task: task }, framing, reusable: false })
    }

    /// The connection itself, after 101, with what has come over it already.
    pub(super) fn into_tunnel(self) -> (Box<dyn Io>, Bytes) {
        (self.0.socket, self.0.read.freeze())
    }

    /// Goes on with the request. Where the backend takes no more of it, its answer may tell why. A body that broke
    /// off is told once, and never asked again: it would say that it is at its end.
    fn write_on(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let kept = &mut *self.0;
        if kept.write_failed.is_none()
            && let Poll::Ready(Err(why)) = kept.out.poll(&mut *kept.socket, cx)
        {
            if matches!(why, Broken::Upload(_)) {
                kept.write_failed = Some(Broken::Incomplete);
                return Err(why);
            }
            if kept.sealed {
                kept.out.may_have_begun();
            }
            kept.write_failed = Some(why);
        }
        Ok(())
    }

    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Kept { socket, read, room, .. } = &mut *self.0;
        if read.capacity() - read.len() < READ_BYTES_MIN {
            read.reserve(*room);
        }
        let free = read.capacity() - read.len();
        let count = ready!(poll_read_buf(Pin::new(&mut **socket), cx, read))?;
        if count == free {
            *room = READ_BYTES_MAX;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_frame(
        &mut self,
        framing: &mut Framing,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            match framing.step(&mut self.0.read) {
                Ok(Step::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Step::End) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(broken) => return Poll::Ready(Some(Err(broken))),
            }
            match ready!(self.poll_more(cx)) {
                Ok(0) if framing.ended_by_close() => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(Broken::Incomplete))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
        }
    }

    /// Reads the answer and writes the rest of the request, neither waiting for the other, until either breaks off.
    async fn pump(mut self, mut framing: Framing, sender: mpsc::Sender<Result<Frame<Bytes>, Broken>>) {
        let mut broken = None;
        while broken.is_none() {
            let frame = poll_fn(|cx| match self.write_on(cx) {
                Ok(()) => self.poll_frame(&mut framing, cx),
                Err(broken) => Poll::Ready(Some(Err(broken))),
            });
            let frame = match frame.await {
                Some(Ok(frame)) => frame,
                Some(Err(why)) => {
                    broken = Some(why);
                    break;
                }
                None => return,
            };
            let mut reserve = std::pin::pin!(sender.reserve());
            let place = poll_fn(|cx| {
                if let Err(why) = self.write_on(cx) {
                    broken = Some(why);
                }
                reserve.as_mut().poll(cx)
            });
            match place.await {
                Ok(place) => place.send(Ok(frame)),
                Err(_) => return,
            }
        }
        if let Some(why) = broken {
            // The reader may be gone.
            drop(sender.send(Err(why)).await);
        }
    }
}

impl Reply {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.source {
            Source::Direct(exchange) => exchange.poll_frame(&mut self.framing, cx),
            Source::Pumped { frames, .. } => {
                let frame = ready!(frames.poll_recv(cx));
                if let Some(Ok(frame)) = &frame {
                    self.framing.passed(frame.data_ref().map_or(0, Bytes::len));
                }
                Poll::Ready(frame)
            }
            Source::Over => Poll::Ready(None),
        }
    }

    /// All of it, where all of it came with the head.
    pub(super) fn whole(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Direct(exchange) => self.framing.whole(&mut exchange.0.read),
            Source::Pumped { .. } | Source::Over => None,
        }
    }

    /// Whether there is nothing more to read, without waiting for it.
    pub(super) fn is_end_stream(&self) -> bool {
        matches!(self.source, Source::Over) || self.framing.is_over()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.framing.size_hint()
    }

    /// The connection, free for the next request, where both sides are done with this one and it stays open.
    pub(super) fn finish(&mut self) -> Option<Wire> {
        match std::mem::replace(&mut self.source, Source::Over) {
            Source::Direct(exchange)
                if self.reusable
                    && self.framing.is_over()
                    && exchange.0.write_failed.is_none()
                    && exchange.0.read.is_empty() =>
            {
                let mut kept = exchange.0;
                // Nothing that was the request's stays, least of all its permit.
                kept.out = Outgoing::none(kept.out.take_room());
                Some(Wire(kept))
            }
            _ => None,
        }
    }
}

/// Far more than any server sends before an answer; a storm of them is an attack.
const INTERIM_MAX: usize = 32;

/// Room that is made for what comes next, and for what comes faster than it is read.
const READ_BYTES: usize = 16 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// Less room than this is not worth a read.
const READ_BYTES_MIN: usize = 2 * 1024;
