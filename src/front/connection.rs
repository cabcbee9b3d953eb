//! One connection, from its first request to its end: HTTP/1.1 or HTTP/2 as the handshake
//! chose, no sniffing, under every limit of [`Settings`].
//!
//! Knows neither doors nor certificates; plain HTTP and TLS are alike here.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Verdict};
use super::answering::Answering;
use super::bell::Bell;
use super::bodies::Coming;
use super::calm;
use super::http2;
use super::limits::Settings;
use super::meters::Meters;
use super::stream::Watched;
use crate::world::Clock;

/// What every connection of a listener shares, except for whose it is.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) settings: Arc<Settings>,
    pub(super) meters: Arc<Meters>,
    pub(super) clock: Arc<dyn Clock>,
    /// Of which network the client is, where it is one of many strangers.
    pub(super) network: Option<IpAddr>,
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
    let io = Watched::new(io, http2, &activity, settings, held);
    let answering = Answering::new(handle, Arc::clone(&activity), shared.clone());
    if http2 {
        let finish = AtomicBool::new(false);
        let mut connection = Box::pin(http2::serve(io, answering, &finish));
        drive(&mut connection, |_| finish.store(true, Ordering::Relaxed), &activity, cancel, shared).await;
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        answering.begin(request.map(Coming::Http1)).map(Ok::<_, Infallible>)
    });
    let (mut io, mut service) = (TokioIo::new(io), service);
    loop {
        let mut connection = Box::pin(http1_builder().serve_connection(io, service).with_upgrades());
        let run = drive(&mut connection, |c| c.graceful_shutdown(), &activity, cancel, shared).await;
        match run {
            Run::Ended if activity.closed_before_all_was_read() => {}
            Run::Ended | Run::Cut => return,
            Run::Quiet => shared.meters.rested.up(),
        }
        let Some(parts) = Pin::into_inner(connection).into_parts() else { return };
        (io, service) = (parts.io, parts.service);
        if matches!(run, Run::Ended) {
            return Box::pin(linger(io.inner_mut(), cancel, shared)).await;
        }
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

/// Listens on after our last word, so that a client that still speaks hears it: a socket that is closed with something
/// unread takes back what was sent (RFC 9112 9.6).
async fn linger<I>(io: &mut Watched<I>, cancel: &CancellationToken, shared: &Shared)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let listens = async { while let Ok(true) = timeout(LINGER_SILENCE_MAX, io.throws_away()).await {} };
    let closing = async {
        shared.draining.cancelled().await;
        tokio::time::sleep(FINISH_MAX).await;
    };
    tokio::select! {
        biased;
        () = cancel.cancelled() => shared.meters.cut.up(),
        () = closing => {}
        _ = timeout(LINGER_MAX, listens) => {}
    }
}

/// How a connection's run ended.
enum Run {
    /// By itself.
    Ended,
    Cut,
    /// Nothing is under way on it, and nothing was for a while.
    Quiet,
}

/// Lets a connection run, and ends it when it is told to or must be.
async fn drive<C, E>(
    connection: &mut Pin<Box<C>>,
    finish: impl Fn(Pin<&mut C>),
    activity: &Activity,
    cancel: &CancellationToken,
    shared: &Shared,
) -> Run
where
    C: Future<Output = Result<(), E>>,
    E: std::error::Error + 'static,
{
    // A clock that goes off at once would wake the thread by a write of its own, for each connection.
    let mut armed = match activity.judge(Instant::now()) {
        Verdict::Wait(until) => until,
        _ => Instant::now(),
    };
    let mut sleep = Box::pin(tokio::time::sleep_until(armed));
    let mut cut = Box::pin(cancel.cancelled());
    let mut drain = Box::pin(shared.draining.cancelled());
    let (mut draining, mut asked) = (false, false);
    // Once it is to end in good order: until when whoever has nothing under way may take for it.
    let mut finishing: Option<Instant> = None;
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
                return Poll::Ready(Run::Cut);
            }
            if !draining && drain.as_mut().poll(&mut rung).is_ready() {
                draining = true;
                // Whoever was taken in may ask once, for they know nothing yet.
                armed = Instant::now() + FIRST_MAX;
                sleep.as_mut().reset(armed);
            }
            if draining && finishing.is_none() && !activity.is_new() {
                finish(connection.as_mut());
                armed = Instant::now() + FINISH_MAX;
                finishing = Some(armed);
                sleep.as_mut().reset(armed);
            }
            while sleep.as_mut().poll(&mut rung).is_ready() {
                let now = Instant::now();
                let verdict = match finishing {
                    None if draining => Verdict::Finish,
                    Some(end) if end <= now && activity.is_quiet_for(FINISH_MAX) => Verdict::Cut,
                    _ => activity.judge(now),
                };
                match verdict {
                    Verdict::Wait(until) if finishing.is_some() => armed = until.min(now + FINISH_MAX),
                    Verdict::Wait(until) => armed = until,
                    Verdict::Rest if finishing.is_some() => armed = now + FINISH_MAX,
                    Verdict::Rest if asked => return Poll::Ready(Run::Quiet),
                    // What woke it may be the client's going, which hyper has yet to hear.
                    Verdict::Rest => armed = now + A_MOMENT,
                    Verdict::Finish if finishing.is_none() => {
                        finish(connection.as_mut());
                        armed = now + FINISH_MAX;
                        finishing = Some(armed);
                    }
                    Verdict::Finish | Verdict::Cut => {
                        shared.meters.cut_slow.up();
                        return Poll::Ready(Run::Cut);
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
                if is_head_too_large(&error) {
                    shared.meters.heads_refused.up();
                }
                tracing::debug!(%error, "a connection ended badly");
            }
            return Poll::Ready(Run::Ended);
        }
        if draining && finishing.is_none() && !activity.is_new() {
            bell.ring();
        }
        // A connection that made progress may have a nearer end than the one we wait for.
        if finishing.is_none() && activity.is_due_before(armed) {
            armed = Instant::now();
            sleep.as_mut().reset(armed);
            bell.ring();
        }
        Poll::Pending
    })
    .await
}

/// hyper has answered 431 itself.
fn is_head_too_large(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large)
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

/// A head beyond this is answered 431; twice what HTTP/2 may bring, for it is not compressed.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// How much of a body is held at once. No limit for heads: hyper reads past it in one go.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// A connection that was taken in before the house closes brings its first request within this.
pub(super) const FIRST_MAX: Duration = Duration::from_secs(2);

/// Until hyper is asked what there is.
const A_MOMENT: Duration = Duration::from_millis(10);

/// How long a connection without requests may take to say goodbye.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// How long a client may go on that was answered before all it sends was read, and how long be silent meanwhile: as
/// nginx has it.
const LINGER_MAX: Duration = Duration::from_secs(30);
const LINGER_SILENCE_MAX: Duration = Duration::from_secs(5);
