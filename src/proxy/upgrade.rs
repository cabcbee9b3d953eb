//! WebSocket (RFC 6455), of a client over HTTP/1.1 or HTTP/2 (RFC 8441), with a backend over HTTP/1.1: a
//! checked handshake, then bytes both ways until the permit ends. Knows nothing of frames: they are the
//! backend's and the browser's affair.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use axum::body::Body;
use h2::ext::Protocol;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version, response};
use hyper::body::Body as _;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::errand::Tunnel;
use super::headers;
use super::lasting::{Lasting, Open};
use super::member::Held;
use crate::crypto;
use crate::domain::Reason;
use crate::policy::Permit;
use crate::world::World;

/// Marks an answer that joins a WebSocket of HTTP/2: whoever sends it gives the client's side for it.
#[derive(Clone)]
pub struct Joined(Arc<Mutex<Option<oneshot::Sender<Given>>>>);

/// The client's side, and what is to last as long as the tunnel does.
type Given = (Box<dyn Stream>, Box<dyn Send>);

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Joined {
    /// Gives the client's side, once it has the answer. `held` is kept until the tunnel ends.
    pub fn give(&self, client: Box<dyn Stream>, held: impl Send + 'static) {
        if let Some(place) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Where nobody waits for it any more, it ends.
            let _ = place.send((client, Box::new(held)));
        }
    }
}

/// How a WebSocket was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The client's own handshake goes on.
    Http1,
    /// The gate makes one, with this key.
    Http2(String),
}

/// Where the client's side of a tunnel comes from.
pub(super) enum Client {
    Http1(OnUpgrade),
    Http2(oneshot::Receiver<Given>),
}

impl Client {
    /// Of a request; with HTTP/2, also what is to go with the answer.
    pub(super) fn of(asked: &Asked, request: &mut Request<Body>) -> (Self, Option<Joined>) {
        match asked {
            Asked::Http1 => (Self::Http1(hyper::upgrade::on(request)), None),
            Asked::Http2(_) => {
                let (give, given) = oneshot::channel();
                (Self::Http2(given), Some(Joined(Arc::new(Mutex::new(Some(give))))))
            }
        }
    }

    async fn come(self) -> Result<Given, Box<dyn std::error::Error + Send + Sync>> {
        Ok(match self {
            Self::Http1(client) => (Box::new(TokioIo::new(client.await?)), Box::new(())),
            Self::Http2(given) => given.await?,
        })
    }
}

/// Whether the request asks for a WebSocket, and rightly so. Other upgrades are not asked
/// for: their headers are dropped and the request goes on as it is.
///
/// # Errors
/// A handshake that is broken, or that a page of another origin sent.
pub(super) fn asked(request: &Request<Body>, host: &str, world: &World) -> Result<Option<Asked>, Reason> {
    let headers = request.headers();
    // Only the front's own HTTP/2 says what protocol a CONNECT was for, and makes a GET of it.
    let extended = request.version() == Version::HTTP_2 && request.extensions().get::<Protocol>().is_some();
    if !extended && (!names(headers, &UPGRADE, "websocket") || !names(headers, &CONNECTION, "upgrade")) {
        return Ok(None);
    }
    if (!extended && request.version() != Version::HTTP_11)
        || request.method() != Method::GET
        || !request.body().is_end_stream()
    {
        return Err(Reason::BadRequest("a WebSocket starts with GET over HTTP/1.1 and no body"));
    }
    if only(headers, VERSION) != Some(b"13") {
        return Err(Reason::BadRequest("only version 13 of the WebSocket protocol is spoken here"));
    }
    from_own_page(headers, host)?;
    if extended {
        return Ok(Some(Asked::Http2(data_encoding::BASE64.encode(&world.bytes::<16>()))));
    }
    let key = only(headers, KEY).and_then(|key| data_encoding::BASE64.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        return Err(Reason::BadRequest("the WebSocket's key is not 16 bytes in base64"));
    }
    Ok(Some(Asked::Http1))
}

/// A browser always says which page asks, and lets any page ask.
pub(super) fn from_own_page(headers: &HeaderMap, host: &str) -> Result<(), Reason> {
    let own = format!("https://{host}");
    match only(headers, ORIGIN) {
        Some(origin) if origin.eq_ignore_ascii_case(own.as_bytes()) => Ok(()),
        _ => Err(Reason::CrossSite),
    }
}

/// Asks the backend for a WebSocket.
pub(super) fn set(headers: &mut HeaderMap, asked: &Asked) -> Result<(), Reason> {
    headers::set_upgrade(headers);
    if let Asked::Http2(key) = asked {
        headers.insert(KEY, HeaderValue::try_from(key).map_err(|_| Reason::Internal)?);
    }
    Ok(())
}

/// Whether the backend took the handshake: the client looks itself, or the gate does for it (RFC 6455 4.1).
pub(super) fn taken(asked: &Asked, answer: &response::Parts) -> bool {
    let Asked::Http2(key) = asked else { return true };
    let accept = crypto::sha1_as_a_name(format!("{key}{GUID}").as_bytes());
    only(&answer.headers, ACCEPT) == Some(data_encoding::BASE64.encode(&accept).as_bytes())
}

/// Answers the client with the backend's 101 (200 over HTTP/2) and joins the two, once the client has it. `early`
/// is what the backend sent right behind its head.
pub(super) fn join(
    asked: &Asked,
    (client, joined): (Client, Option<Joined>),
    mut head: response::Parts,
    ((mut backend, early), held): (Tunnel, Held),
    permit: Permit,
    idle: Duration,
) -> Response<Body> {
    let lasting = Lasting::default();
    let open = lasting.opens();
    tokio::spawn(async move {
        let tunnel = async {
            let (mut client, _lasts) = client.come().await?;
            let _held = held;
            client.write_all(&early).await?;
            open.told(early.len());
            let copied = copy(client, &mut backend, idle, &open).await;
            if copied.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
                // What one side broke off is to be no good end to the other (RFC 8441 5).
                backend.breaks_off();
            }
            copied?;
            open.ends_well();
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::select! {
            biased;
            () = permit.cancel().cancelled() => tracing::debug!("a tunnel was cut: its permit ended"),
            ended = tunnel => if let Err(error) = ended {
                tracing::debug!(%error, "a tunnel ended");
            },
        }
    });
    headers::clean_answer(&mut head.headers);
    head.headers.remove(CONTENT_LENGTH);
    head.extensions.clear();
    head.extensions.insert(lasting);
    match asked {
        Asked::Http1 => headers::set_upgrade(&mut head.headers),
        Asked::Http2(_) => {
            head.status = StatusCode::OK;
            head.headers.remove(ACCEPT);
        }
    }
    if let Some(joined) = joined {
        head.extensions.insert(joined);
    }
    Response::from_parts(head, Body::empty())
}

/// Copies both ways until one side fails, both are at their end, or nothing moves for `idle`.
async fn copy<A, B>(a: A, b: B, idle: Duration, open: &Open) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (a_read, a_write) = tokio::io::split(a);
    let (b_read, b_write) = tokio::io::split(b);
    let clock = Clock { started: Instant::now(), moved_ms: AtomicU64::new(0) };
    let over = Notify::new();
    let there = async {
        let mut from = a_read;
        one_way(&mut from, b_write, &clock, Way::There).await?;
        // A client that only listens says nothing when it goes; with HTTP/2 whoever reads on hears it.
        let mut nothing = [0];
        tokio::select! {
            read = from.read(&mut nothing) => read.map(drop),
            () = over.notified() => Ok(()),
        }
    };
    let back = async {
        one_way(b_read, a_write, &clock, Way::Back(open)).await?;
        over.notify_one();
        Ok(())
    };
    let both = async { tokio::try_join!(there, back).map(|_| ()) };
    tokio::select! {
        ended = both => ended,
        () = clock.idle_for(idle) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Which way bytes go.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// To the backend.
    There,
    /// To the client.
    Back(&'a Open),
}

async fn one_way<R, W>(mut from: R, mut to: W, clock: &Clock, way: Way<'_>) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; TUNNEL_BUFFER_BYTES];
    loop {
        let read = poll_fn(|cx| {
            // Whoever is to hear it may have gone meanwhile: over HTTP/2 this tells, also while nobody reads.
            if let Poll::Ready(Err(gone)) = Pin::new(&mut to).poll_flush(cx) {
                return Poll::Ready(Err(gone));
            }
            let mut room = ReadBuf::new(&mut buffer);
            ready!(Pin::new(&mut from).poll_read(cx, &mut room))?;
            Poll::Ready(Ok(room.filled().len()))
        });
        let n = read.await?;
        if n == 0 {
            return to.shutdown().await;
        }
        clock.moved();
        let written = async {
            to.write_all(&buffer[..n]).await?;
            to.flush().await
        };
        match way {
            Way::There => tokio::time::timeout(TAKEN_WITHIN, written).await??,
            Way::Back(open) => {
                written.await?;
                open.told(n);
            }
        }
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
const ACCEPT: &str = "sec-websocket-accept";

/// RFC 6455 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A backend that takes nothing of what was said for so long is given up: as long as nginx waits.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// Two of these a tunnel; frames of chats and tickers are far smaller.
const TUNNEL_BUFFER_BYTES: usize = 8 * 1024;
