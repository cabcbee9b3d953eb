//! One connection, from its first request to its end: HTTP/1.1 or HTTP/2 as the handshake
//! chose, no sniffing, under every limit of [`Settings`].
//!
//! Knows neither doors nor certificates; plain HTTP and TLS are alike here.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Verdict};
use super::bell::Bell;
use super::calm;
use super::extended;
use super::limits::Settings;
use super::meters::Meters;
use super::stream::{Answered, Arriving, Leaving, Watched};
use super::way::Failed;

/// What every connection of a listener shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) meters: Arc<Meters>,
    /// No new requests, please.
    pub(super) draining: CancellationToken,
}

/// Serves `io` until it ends, is cut by `cancel`, or is too slow. `held` is dropped when the
/// socket closes, which is later than this returns where the connection became a tunnel.
pub(super) async fn serve<I, F, R>(
    io: I,
    http2: bool,
    held: impl Send + Sync + 'static,
    cancel: &CancellationToken,
    shared: &Shared,
    handle: F,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Body>) -> R + Send + Sync + Unpin + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let settings = &shared.settings;
    let activity = Activity::new(http2, settings);
    let io = TokioIo::new(Watched::new(io, http2, &activity, settings, held));
    let service = {
        let (activity, shared) = (Arc::clone(&activity), shared.clone());
        service_fn(move |mut request: Request<Incoming>| {
            let under_way = activity.begin();
            let websocket = http2 && extended::as_get(&mut request);
            let tunnel = websocket.then(|| Arc::clone(&activity));
            let answered = Answered::watch(request.body(), http2);
            let answer = if request.headers().len() > HEADERS_MAX {
                shared.meters.heads_refused.up();
                Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            } else if http2 && has_blank_edges(request.headers()) {
                shared.meters.heads_refused.up();
                Err(StatusCode::BAD_REQUEST)
            } else {
                // In a box: for what is not, hyper keeps room as long as the connection lives.
                let arriving = |body| Arriving::body(body, &activity, &answered, &shared.settings);
                Ok(Box::pin(handle(request.map(arriving))))
            };
            let meters = Arc::clone(&shared.meters);
            async move {
                let answer = match answer {
                    Ok(answer) => AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(|_| {
                        meters.panics.up();
                        bare(StatusCode::INTERNAL_SERVER_ERROR)
                    }),
                    Err(status) => bare(status),
                };
                if answer.extensions().get::<Failed>().is_some() {
                    meters.panics.up();
                }
                answered.begins();
                let answer = match &tunnel {
                    Some(activity) => extended::answered(answer, activity),
                    None => answer,
                };
                Ok::<_, Infallible>(answer.map(|body| Leaving::new(body, under_way)))
            }
        })
    };
    if http2 {
        let mut connection = Box::pin(http2_builder().serve_connection(io, service));
        drive(&mut connection, |c| c.graceful_shutdown(), &activity, cancel, shared).await;
        return;
    }
    let (mut io, mut service) = (io, service);
    loop {
        let mut connection = Box::pin(http1_builder().serve_connection(io, service).with_upgrades());
        match drive(&mut connection, |c| c.graceful_shutdown(), &activity, cancel, shared).await {
            Run::Over => return,
            Run::Quiet => shared.meters.rested.up(),
        }
        let Some(parts) = Pin::into_inner(connection).into_parts() else { return };
        (io, service) = (parts.io, parts.service);
        io.inner_mut().put_back(parts.read_buf);
        if !rest(io.inner_mut(), &activity, cancel, shared).await {
            return;
        }
    }
}

/// Waits for the next request, where none may come for long, without the 16 KiB that hyper keeps for reading and
/// writing; whether the connection goes on. Where it is to end in good order, hyper does it.
async fn rest<I>(
    io: &mut Watched<I>,
    activity: &Activity,
    cancel: &CancellationToken,
    shared: &Shared,
) -> bool
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    tokio::select! {
        biased;
        () = cancel.cancelled() => {
            shared.meters.cut.up();
            false
        }
        () = shared.draining.cancelled() => true,
        heard = io.hears() => heard.is_ok(),
        () = tokio::time::sleep_until(activity.quiet_until()) => true,
    }
}

/// How a connection's run ended.
enum Run {
    Over,
    /// Nothing is under way on it, and nothing was for a while.
    Quiet,
}

/// Lets a connection run, and ends it when it is told to or must be.
async fn drive<C>(
    connection: &mut Pin<Box<C>>,
    finish: impl Fn(Pin<&mut C>),
    activity: &Activity,
    cancel: &CancellationToken,
    shared: &Shared,
) -> Run
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut armed = Instant::now();
    let mut sleep = Box::pin(tokio::time::sleep_until(armed));
    let mut cut = Box::pin(cancel.cancelled());
    let mut drain = Box::pin(shared.draining.cancelled());
    let (mut draining, mut finishing, mut asked) = (false, false, false);
    let mut bell: Option<Arc<Bell>> = None;
    poll_fn(|cx| {
        let bell = match &mut bell {
            Some(bell) if bell.is_of(cx.waker()) => bell,
            other => other.insert(Bell::of(cx.waker())),
        };
        if bell.has_rung() {
            let waker = Waker::from(Arc::clone(bell));
            let mut rung = Context::from_waker(&waker);
            if cut.as_mut().poll(&mut rung).is_ready() {
                shared.meters.cut.up();
                return Poll::Ready(Run::Over);
            }
            if !draining && drain.as_mut().poll(&mut rung).is_ready() {
                draining = true;
                // Whoever was taken in may ask once, for they know nothing yet.
                armed = Instant::now() + FIRST_MAX;
                sleep.as_mut().reset(armed);
            }
            if draining && !finishing && !activity.is_new() {
                finishing = true;
                finish(connection.as_mut());
            }
            while sleep.as_mut().poll(&mut rung).is_ready() {
                let verdict =
                    if draining && !finishing { Verdict::Finish } else { activity.judge(Instant::now()) };
                match verdict {
                    Verdict::Wait(until) => armed = until,
                    Verdict::Rest if finishing => armed = activity.quiet_until(),
                    Verdict::Rest if asked => return Poll::Ready(Run::Quiet),
                    // What woke it may be the client's going, which hyper has yet to hear.
                    Verdict::Rest => armed = Instant::now() + A_MOMENT,
                    Verdict::Finish if !finishing => {
                        finishing = true;
                        finish(connection.as_mut());
                        armed = Instant::now() + FINISH_MAX;
                    }
                    Verdict::Finish | Verdict::Cut => {
                        shared.meters.cut_slow.up();
                        return Poll::Ready(Run::Over);
                    }
                }
                sleep.as_mut().reset(armed);
            }
        }
        asked = true;
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            if let Err(error) = ended {
                if calm::is_flood(&error) {
                    shared.meters.cut_flood.up();
                }
                tracing::debug!(%error, "a connection ended badly");
            }
            return Poll::Ready(Run::Over);
        }
        if draining && !finishing && !activity.is_new() {
            bell.ring();
        }
        // A connection that made progress may have a nearer end than the one we wait for.
        if !finishing && activity.is_due_before(armed) {
            armed = Instant::now();
            sleep.as_mut().reset(armed);
            bell.ring();
        }
        Poll::Pending
    })
    .await
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper counts idle time into this; heads and idleness are timed apart in `activity`.
        .header_read_timeout(None)
        .half_close(false)
        .keep_alive(true)
        // 100 headers are hyper's own limit; to set it costs an allocation per request.
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .pipeline_flush(false);
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_PENDING_MAX)
        .max_local_error_reset_streams(RESETS_LOCAL_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        // Fixed windows bound what one connection can make us hold; adaptive ones grow.
        .adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .enable_connect_protocol()
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWERED_WITHIN);
    builder
}

/// An answer without a page, for what goes wrong below all pages.
fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Whether a value begins or ends with a blank, as none of HTTP/2 may (RFC 9113 8.2.1) and none of HTTP/1.1 does once
/// it is read.
fn has_blank_edges(headers: &HeaderMap) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    headers.values().any(|value| blank(value.as_bytes().first()) || blank(value.as_bytes().last()))
}

/// As hyper's own limit for HTTP/1.1.
const HEADERS_MAX: usize = 100;

/// A head beyond this is answered 431; twice what HTTP/2 may bring, for it is not compressed.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How much of a body is held at once. No limit for heads: hyper reads past it in one go.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// As in HTTP/1.1 servers by custom; CONTINUATION floods end here (RUSTSEC-2024-0332).
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;

/// What RFC 9113 6.5.2 recommends as the least.
const STREAMS_MAX: u32 = 100;

/// Streams that a client opened and reset before we saw them (CVE-2023-44487).
const RESETS_PENDING_MAX: usize = 20;

/// Streams that a client made us reset (CVE-2025-8671).
const RESETS_LOCAL_MAX: usize = 256;

/// An upload of one stream at 50 ms of way: 5 MB/s.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// All streams of a connection together.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// What may lie ready for one stream's client.
const SEND_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// A client that went away without a word is found within half a minute.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// A connection that was taken in before the house closes brings its first request within this.
pub(super) const FIRST_MAX: Duration = Duration::from_secs(2);

/// Until hyper is asked what there is.
const A_MOMENT: Duration = Duration::from_millis(10);

/// How long a connection without requests may take to say goodbye.
const FINISH_MAX: Duration = Duration::from_secs(5);
