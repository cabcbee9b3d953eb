//! Bodies under a clock: those that arrive and those that leave. Each is passed on untouched, or ended where the other
//! side stands still.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::activity::{Activity, UnderWay};
use super::http2::Received;
use super::limits::Settings;

/// A request's body as its protocol brings it.
pub(super) enum Coming {
    /// There is none: what follows on the stream is a tunnel's.
    Nothing,
    Http1(Incoming),
    Http2(Received),
}

/// Why a body broke off.
type Broken = Box<dyn std::error::Error + Send + Sync>;

impl Coming {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Http2(body) => body.poll_frame(cx).map_err(Into::into),
        }
    }

    /// Whether there is nothing more to read, without waiting for it.
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    /// Whether more of it comes by itself over HTTP/2.
    fn is_coming(&self) -> bool {
        matches!(self, Self::Http2(body) if !body.is_end_stream() && !body.is_held_back())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Http1(body) => body.size_hint(),
            Self::Http2(body) => body.size_hint(),
        }
    }
}

/// A request's body, cut where it brings nothing or too little. Only the time in which we
/// waited for the client counts: a slow backend is not the client's fault.
pub(super) struct Arriving {
    /// Gone only when this goes.
    incoming: Option<Coming>,
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
    pub(super) fn watch(incoming: &Coming) -> Self {
        let streams = matches!(incoming, Coming::Http2(_)) && !incoming.is_end_stream();
        Self(streams.then(Arc::default))
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
        incoming: Coming,
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
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        if let Poll::Ready(frame) = incoming.poll_frame(cx) {
            if incoming.is_end_stream() {
                self.activity.read(true);
            }
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                self.bytes += data.map_or(0, |data| data.len() as u64);
            }
            return Poll::Ready(frame);
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
        self.incoming.as_ref().is_none_or(Coming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Coming::size_hint)
    }
}

/// Who is answered before the body was read is answered over HTTP/2 with a stream that is then reset (RFC 9113 8.1),
/// which some clients take for a failure. A short rest is let come instead, and thrown away.
impl Drop for Arriving {
    fn drop(&mut self) {
        let unread = self.incoming.take().filter(Coming::is_coming);
        if let (Some(mut rest), Ok(runtime)) = (unread, tokio::runtime::Handle::try_current()) {
            let mut left = LINGER_BYTES_MAX;
            runtime.spawn(tokio::time::timeout(LINGER_MAX, async move {
                while let Some(Ok(frame)) = poll_fn(|cx| rest.poll_frame(cx)).await {
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

    /// A part of the last piece was taken: the client is to take the next.
    pub(super) fn goes_on(&mut self) {
        self.under_way.handed_over();
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
