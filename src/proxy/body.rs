//! Bodies under way, in either direction: streamed, timed, and cut when the permit ends.
//! Knows nothing of heads.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::errand::Rest;
use super::trailers;
use super::upstream::Upstream;
use crate::policy::Permit;

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cut {
    /// The permit was cancelled.
    #[error("the permit ended; sign in again")]
    Withdrawn,
    /// Nothing came for too long.
    #[error("nothing arrived for too long; send the request again")]
    Idle,
    /// More or fewer bytes than the head said.
    #[error("the request's body is not as long as its head says; send the request again")]
    Length,
    /// The client's side broke.
    #[error("the request's body broke off; send the request again")]
    Client(#[source] axum::Error),
    /// The backend's side broke.
    #[error("the backend's answer broke off; look at the backend's log")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How far the body of a request has come, shared with whoever waits for the answer.
pub(super) struct Progress {
    started: Instant,
    moved_ms: AtomicU64,
    client_failed: AtomicBool,
    waits_for_client: AtomicBool,
}

impl Progress {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            moved_ms: AtomicU64::new(0),
            client_failed: AtomicBool::new(false),
            waits_for_client: AtomicBool::new(false),
        }
    }

    /// When the backend last took a piece; now, while it waits for the client.
    pub(super) fn last(&self) -> Instant {
        if self.waits_for_client.load(Ordering::Relaxed) {
            return Instant::now();
        }
        self.started + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed))
    }

    /// Whether it was the client who broke the request off.
    pub(super) fn client_failed(&self) -> bool {
        self.client_failed.load(Ordering::Relaxed)
    }

    fn moved(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(ms, Ordering::Relaxed);
    }
}

/// A request's body on its way to the backend. Its trailers go with it where the backend speaks HTTP/2,
/// cleaned: nothing that comes after the body may say who is calling. Where nothing is left of them there are none: an
/// empty frame of trailers is a fault to some, and ends a connection that others are on.
pub(super) struct Upload {
    inner: Body,
    announced: bool,
    trailers: bool,
    progress: Option<Arc<Progress>>,
    patience: Patience,
}

impl Upload {
    pub(super) fn new(
        inner: Body,
        progress: Option<Arc<Progress>>,
        permit: Option<Permit>,
        idle: Duration,
    ) -> Self {
        Self { inner, announced: false, trailers: false, progress, patience: Patience::new(permit, idle) }
    }

    /// The request's head says that trailers follow.
    pub(super) const fn announcing(mut self, announced: bool) -> Self {
        self.announced = announced;
        self
    }

    /// Lets trailers follow that were announced.
    pub(super) const fn with_trailers(&mut self) {
        self.trailers = self.announced;
    }

    /// No body.
    pub(super) fn none() -> Self {
        Self::new(Body::empty(), None, None, Duration::ZERO)
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let progress = this.progress.as_deref();
        let polled = Pin::new(&mut this.inner).poll_frame(cx);
        if let Some(progress) = progress {
            progress.waits_for_client.store(polled.is_pending(), Ordering::Relaxed);
            progress.moved();
        }
        let frame = match this.patience.check(polled, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(None)) => return Poll::Ready(None),
            Poll::Ready(Ok(Some(frame))) => frame.map_err(Cut::Client),
            Poll::Ready(Err(cut)) => Err(cut),
        };
        match frame {
            Ok(frame) if frame.is_data() => Poll::Ready(Some(Ok(frame))),
            Ok(mut frame) => match frame.trailers_mut().filter(|_| this.trailers) {
                Some(trailers) => {
                    trailers::clean_request(trailers);
                    Poll::Ready((!trailers.is_empty()).then_some(Ok(frame)))
                }
                None => Poll::Ready(None),
            },
            Err(cut) => {
                if let Some(progress) = progress {
                    progress.waits_for_client.store(false, Ordering::Relaxed);
                    progress.client_failed.store(true, Ordering::Relaxed);
                }
                Poll::Ready(Some(Err(cut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body on its way to the client. Holds the backend's connection: read to the
/// end, the connection returns to the pool; dropped before, it is closed.
pub(super) struct Download {
    /// Nothing once it broke.
    rest: Option<Rest>,
    upstream: Arc<Upstream>,
    patience: Patience,
}

impl Download {
    pub(super) fn new(rest: Rest, upstream: Arc<Upstream>, permit: Permit, idle: Duration) -> Self {
        Self { rest: Some(rest), upstream, patience: Patience::new(Some(permit), idle) }
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = &mut *self;
        let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
        let polled = rest.poll_frame(cx);
        match ready!(this.patience.check(polled, cx)) {
            Err(cut) => {
                this.rest = None;
                Poll::Ready(Some(Err(cut)))
            }
            Ok(Some(Err(error))) => {
                this.rest = None;
                Poll::Ready(Some(Err(Cut::Backend(error))))
            }
            Ok(None) => {
                this.upstream.give_back(rest.finish());
                Poll::Ready(None)
            }
            Ok(Some(Ok(mut frame))) => {
                let nothing = frame.trailers_mut().is_some_and(|trailers| {
                    trailers::clean_answer(trailers);
                    trailers.is_empty()
                });
                if rest.is_end_stream() || nothing {
                    this.upstream.give_back(rest.finish());
                }
                Poll::Ready((!nothing).then_some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(Rest::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(SizeHint::default, Rest::size_hint)
    }
}

/// Waits for the next piece, but not for ever, and not past the end of the permit. The
/// timers are made only when a piece is awaited.
struct Patience {
    /// Held, not only asked: while it lives, the register of what is open knows this body.
    permit: Option<Permit>,
    cancelled: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    idle: Duration,
    until: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Patience {
    fn new(permit: Option<Permit>, idle: Duration) -> Self {
        Self { permit, cancelled: None, idle, until: None, waiting: false }
    }

    fn check<T>(&mut self, polled: Poll<T>, cx: &mut Context<'_>) -> Poll<Result<T, Cut>> {
        let cancel = self.permit.as_ref().map(Permit::cancel);
        if cancel.is_some_and(CancellationToken::is_cancelled) {
            return Poll::Ready(Err(Cut::Withdrawn));
        }
        if let Poll::Ready(piece) = polled {
            self.waiting = false;
            return Poll::Ready(Ok(piece));
        }
        if let Some(cancel) = cancel {
            let cancelled = self.cancelled.get_or_insert_with(|| Box::pin(cancel.clone().cancelled_owned()));
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Cut::Withdrawn));
            }
        }
        let deadline = Instant::now() + self.idle;
        let until = self.until.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if !self.waiting {
            self.waiting = true;
            until.as_mut().reset(deadline);
        }
        until.as_mut().poll(cx).map(|()| Err(Cut::Idle))
    }
}
