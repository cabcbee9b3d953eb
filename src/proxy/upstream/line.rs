//! One request's connection to a backend: one of its own where HTTP/1.1 is spoken, a seat in one that many
//! share where it is HTTP/2. Knows neither where connections come from nor where they go.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use http::header::{HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::backend::Backend;
use crate::proxy::body::Upload;
use crate::proxy::h1::Wire;

/// What one request goes over.
pub(in crate::proxy) enum Line {
    Own(Own),
    Seat(Seat),
}

/// A connection of HTTP/1.1, one request's alone. Dropped, it is closed at once, whatever it carried.
pub(in crate::proxy) struct Own {
    pub(in crate::proxy) wire: Wire,
    pub(in crate::proxy) backend: Backend,
}

/// A place in a shared connection, for one request; dropped, its stream is reset where it is not at its end.
pub(in crate::proxy) struct Seat {
    link: Arc<Link>,
}

/// A connection of HTTP/2. It ends when nobody knows it any more and its last stream is over.
pub(super) struct Link {
    sender: http2::SendRequest<Upload>,
    scheme: Scheme,
    streams: AtomicUsize,
    /// Requests so far.
    begun: AtomicUsize,
    started: Instant,
    left_ms: AtomicU64,
    told: Arc<Told>,
}

/// What its driver knows.
struct Told {
    /// As many streams as the backend takes, and we give.
    most: AtomicUsize,
    answered: AtomicBool,
    look: Notify,
}

/// Why a shared connection brought no answer.
pub(in crate::proxy) struct Unanswered {
    pub(in crate::proxy) error: hyper::Error,
    /// The request, where nothing of it was sent: whoever takes it next may speak HTTP/1.1.
    pub(in crate::proxy) unsent: Option<Request<Upload>>,
}

impl Unanswered {
    fn of(mut error: TrySendError<Request<Upload>>) -> Self {
        let unsent = error.take_message().map(as_it_was);
        Self { error: error.into_error(), unsent }
    }
}

impl Seat {
    /// Sends a request; the answer's head comes first, its body after.
    pub(in crate::proxy) fn send(
        &mut self,
        request: Request<Upload>,
    ) -> impl Future<Output = Result<Response<Incoming>, Unanswered>> + use<> {
        let request = as_http2(request, &self.link.scheme);
        let answer = self.link.sender.clone().try_send_request(request);
        let told = Arc::clone(&self.link.told);
        async move {
            let answer = answer.await;
            // Whoever answers has said before how many streams it takes.
            if !told.answered.swap(true, Ordering::Relaxed) {
                told.look.notify_one();
            }
            answer.map_err(Unanswered::of)
        }
    }
}

impl Link {
    /// Over a socket, once it is open.
    ///
    /// # Errors
    /// hyper's.
    pub(super) async fn over<I>(io: I, tls: bool) -> Result<Arc<Self>, hyper::Error>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = builder().handshake(TokioIo::new(io)).await?;
        let told = Arc::new(Told {
            most: AtomicUsize::new(STREAMS_MAX),
            answered: AtomicBool::new(false),
            look: Notify::new(),
        });
        let driver = Arc::clone(&told);
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            loop {
                let step = poll_fn(|cx| {
                    let polled = connection.as_mut().poll(cx);
                    let most = connection.current_max_send_streams().min(STREAMS_MAX);
                    driver.most.store(most, Ordering::Relaxed);
                    polled
                });
                tokio::select! {
                    biased;
                    () = driver.look.notified() => {}
                    ended = step => {
                        if let Err(error) = ended {
                            tracing::debug!(%error, "a backend's connection ended");
                        }
                        return;
                    }
                }
            }
        });
        let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
        let (streams, begun, left_ms) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicU64::new(0));
        Ok(Arc::new(Self { sender, scheme, streams, begun, started: Instant::now(), left_ms, told }))
    }

    /// A seat, where one is free and the connection is open as far as can be known.
    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let free = self.streams.load(Ordering::Relaxed) < self.told.most.load(Ordering::Relaxed);
        let fresh = self.begun.load(Ordering::Relaxed) < REQUESTS_MAX;
        (free && fresh && !self.sender.is_closed()).then(|| self.seat_anyway())
    }

    /// A seat for whoever opened the connection.
    pub(super) fn seat_anyway(self: &Arc<Self>) -> Seat {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Seat { link: Arc::clone(self) }
    }

    /// For how long nobody has been using it.
    pub(super) fn idle(&self) -> Duration {
        if self.streams.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.started.elapsed().saturating_sub(Duration::from_millis(self.left_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let ms = u64::try_from(self.link.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.link.left_ms.store(ms, Ordering::Relaxed);
        self.link.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The request in the manner of HTTP/2 (RFC 9113 8.3): what stood in the first line and in `Host` stands in
/// the target, its body needs no coding, and what follows the body may follow.
fn as_http2(mut request: Request<Upload>, scheme: &Scheme) -> Request<Upload> {
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    // It is this gate that takes trailers, whatever its client does with them.
    headers.insert(TE, HeaderValue::from_static("trailers"));
    let authority = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    if let Some(authority) = authority {
        let mut target = http::uri::Parts::default();
        target.scheme = Some(scheme.clone());
        target.authority = Some(authority);
        target.path_and_query = request.uri().path_and_query().cloned();
        if let Ok(target) = Uri::from_parts(target) {
            *request.uri_mut() = target;
            request.headers_mut().remove(HOST);
        }
    }
    *request.version_mut() = Version::HTTP_2;
    request.body_mut().with_trailers();
    request
}

/// What [`as_http2`] did, undone: HTTP/1.1 says the host in a header, and by a coding that a body of unknown length follows.
fn as_it_was(mut request: Request<Upload>) -> Request<Upload> {
    let body = request.body();
    let chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
    let target = request.uri();
    let host = target.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let path = target.path_and_query().cloned().map(Uri::from);
    let headers = request.headers_mut();
    headers.remove(TE);
    if chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let (Some(host), Some(path)) = (host, path) {
        headers.insert(HOST, host);
        *request.uri_mut() = path;
    }
    *request.version_mut() = Version::HTTP_11;
    request
}

/// nginx says goodbye after 1 000, and what is on its way then is lost where it can't be sent twice: we go first.
pub(in crate::proxy) const REQUESTS_MAX: usize = 900;

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWERED_WITHIN);
    builder
}

/// Whether a backend said that it did nothing about a request: it refused the stream, or was closing the
/// connection (RFC 9113 8.7).
pub(in crate::proxy) fn refused(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote()
                && (error.is_go_away() || error.reason() == Some(h2::Reason::REFUSED_STREAM));
        }
        source = error.source();
    }
    false
}

/// An error with all that led to it, each once: hyper says no more than that there was one.
pub(in crate::proxy) struct Whole<'a>(pub(in crate::proxy) &'a dyn std::error::Error);

impl std::fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        let (mut source, mut other_protocol) = (self.0.source(), false);
        while let Some(error) = source {
            let more = error.to_string();
            // Some errors name their source in their own words.
            if !said.contains(&more) {
                said = format!("{said}: {more}");
            }
            other_protocol |= error.downcast_ref().is_some_and(is_other_protocol);
            source = error.source();
        }
        f.write_str(&said)?;
        if other_protocol {
            f.write_str(
                "; does it speak HTTP/2? `h2c://` and `unix+h2c:` are for backends that do, `http://` and `unix:` \
                 for those of HTTP/1.1",
            )?;
        }
        Ok(())
    }
}

/// Whether it is what an answer of HTTP/1.1 looks like to whoever awaits frames.
fn is_other_protocol(error: &h2::Error) -> bool {
    let reasons = [h2::Reason::FRAME_SIZE_ERROR, h2::Reason::PROTOCOL_ERROR];
    error.is_library() && error.reason().is_some_and(|reason| reasons.contains(&reason))
}

/// What RFC 9113 6.5.2 recommends as the least; beyond it a second connection is opened.
const STREAMS_MAX: usize = 100;

/// What one client that reads slowly can make us hold, and a download's speed at 1 ms of way: 256 MB/s.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// All streams' windows together: clients that read slowly take nothing from the others.
const CONNECTION_WINDOW_BYTES: u32 = 100 * STREAM_WINDOW_BYTES;

/// What may lie ready of one upload.
const SEND_BUFFER_BYTES_MAX: usize = 128 * 1024;

/// As much as over HTTP/1.1 at least.
const HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;

/// A backend that went away without a word is found while requests wait for it.
const PING_EVERY: Duration = Duration::from_secs(20);
const PING_ANSWERED_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Method;

    use super::*;
    use crate::proxy::ours::Ours;

    /// What a shared connection gives back unsent can go over one of HTTP/1.1, whole.
    #[tokio::test]
    async fn what_was_not_sent_is_as_it_was() {
        let sized = || Body::from("sized");
        let unsized_body = || {
            let pieces = [Ok::<_, std::io::Error>("uns"), Ok("ized")];
            Body::from_stream(futures_util::stream::iter(pieces))
        };
        for (method, body, coding, written) in [
            (Method::GET, Body::empty(), None, "\r\n\r\n"),
            (Method::POST, sized(), None, "content-length: 5\r\n\r\nsized"),
            (Method::POST, unsized_body(), Some("chunked"), "\r\n\r\n3\r\nuns\r\n4\r\nized\r\n0\r\n\r\n"),
        ] {
            let (here, there) = tokio::io::duplex(64 * 1024);
            let link = Link::over(here, true).await.unwrap_or_else(|error| panic!("{error}"));
            // It is closed, and nobody has noticed yet.
            drop(there);
            let mut request = Request::builder().method(method).uri("/transfer?to=bern").header("x", "y");
            request = request.header("host", "bank.example:8443");
            if let Some(coding) = coding {
                request = request.header("transfer-encoding", coding);
            }
            let request = request.body(Upload::new(body, None, None, Duration::from_secs(9))).unwrap();
            let unanswered = link.seat_anyway().send(request).await.expect_err("no answer");
            let request = unanswered.unsent.expect("nothing of it was sent");
            assert_eq!(
                (request.uri(), request.version()),
                (&Uri::from_static("/transfer?to=bern"), Version::HTTP_11)
            );
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let (head, upload) = request.into_parts();
            let mut exchange = Wire::new(Box::new(ours), false, 0).begin(&head, &Ours::default(), upload);
            let mut heard = Vec::new();
            while !heard.ends_with(written.as_bytes()) {
                let mut piece = [0; 1024];
                tokio::select! {
                    biased;
                    _ = poll_fn(|cx| exchange.poll_answer(cx, None)) => panic!("nobody answers"),
                    read = tokio::io::AsyncReadExt::read(&mut theirs, &mut piece) => heard.extend(&piece[..read.unwrap()]),
                }
            }
            let heard = String::from_utf8(heard).unwrap();
            assert!(heard.starts_with(&format!("{} /transfer?to=bern HTTP/1.1\r\n", head.method)), "{heard}");
            assert_eq!(heard.matches("host: bank.example:8443\r\n").count(), 1, "{heard}");
            assert!(heard.contains("x: y\r\n") && !heard.contains("te: "), "{heard}");
        }
    }
}
