//! WebSocket (RFC 6455) over HTTP/1.1: a checked handshake, then bytes both ways until the
//! permit ends. Knows nothing of frames: they are the backend's and the browser's affair.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use http::{Method, Request, Response, Version};
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::headers;
use super::upstream::Line;
use crate::domain::Reason;
use crate::policy::Permit;

/// Whether the request asks for a WebSocket, and rightly so. Other upgrades are not asked
/// for: their headers are dropped and the request goes on as it is.
///
/// # Errors
/// A handshake that is broken, or that a page of another origin sent.
pub(super) fn asked(request: &Request<Body>, host: &str) -> Result<bool, Reason> {
    let headers = request.headers();
    if !names(headers, &UPGRADE, "websocket") || !names(headers, &CONNECTION, "upgrade") {
        return Ok(false);
    }
    if request.version() != Version::HTTP_11
        || request.method() != Method::GET
        || !request.body().is_end_stream()
    {
        return Err(Reason::BadRequest("a WebSocket starts with GET over HTTP/1.1 and no body"));
    }
    if only(headers, VERSION) != Some(b"13") {
        return Err(Reason::BadRequest("only version 13 of the WebSocket protocol is spoken here"));
    }
    let key = only(headers, KEY).and_then(|key| data_encoding::BASE64.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err(Reason::BadRequest("the WebSocket's key is not 16 bytes in base64"));
    }
    // A browser always says which page asks, and lets any page ask.
    let own = format!("https://{host}");
    match only(headers, ORIGIN) {
        Some(origin) if origin.eq_ignore_ascii_case(own.as_bytes()) => Ok(true),
        _ => Err(Reason::CrossSite),
    }
}

/// Answers the client with the backend's 101 and joins the two, once the client has it.
pub(super) fn join(
    client: OnUpgrade,
    mut answer: Response<Incoming>,
    line: Line,
    permit: Permit,
    idle: Duration,
) -> Response<Body> {
    let backend = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let joined = async {
            let (client, backend) = tokio::try_join!(client, backend)?;
            // Its task is over: the connection is the tunnel's now.
            drop(line);
            copy(TokioIo::new(client), TokioIo::new(backend), idle).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::select! {
            biased;
            () = permit.cancel().cancelled() => tracing::debug!("a tunnel was cut: its permit ended"),
            ended = joined => if let Err(error) = ended {
                tracing::debug!(%error, "a tunnel ended");
            },
        }
    });
    let (mut parts, _) = answer.into_parts();
    headers::clean_answer(&mut parts.headers);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    parts.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    parts.extensions.clear();
    Response::from_parts(parts, Body::empty())
}

/// Copies both ways until one side fails, both are at their end, or nothing moves for `idle`.
async fn copy<A, B>(a: A, b: B, idle: Duration) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (a_read, a_write) = tokio::io::split(a);
    let (b_read, b_write) = tokio::io::split(b);
    let clock = Clock { started: Instant::now(), moved_ms: AtomicU64::new(0) };
    let both = async {
        tokio::try_join!(one_way(a_read, b_write, &clock), one_way(b_read, a_write, &clock)).map(|_| ())
    };
    tokio::select! {
        ended = both => ended,
        () = clock.idle_for(idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn one_way<R, W>(mut from: R, mut to: W, clock: &Clock) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        clock.moved();
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        clock.moved();
    }
}

struct Clock {
    started: Instant,
    moved_ms: AtomicU64,
}

impl Clock {
    fn moved(&self) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved_ms.store(ms, Ordering::Relaxed);
    }

    async fn idle_for(&self, idle: Duration) {
        loop {
            let end = self.started + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed)) + idle;
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    }
}

/// Whether a comma-separated header names `token`.
fn names(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The one value of a header, where there is exactly one.
fn only(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

const VERSION: &str = "sec-websocket-version";
const KEY: &str = "sec-websocket-key";

/// Two of these a tunnel; frames of chats and tickers are far smaller.
const TUNNEL_BUFFER_BYTES: usize = 8 * 1024;
