//! Connections of HTTP/2 to a backend, each driven by a task of its own and shared by many requests. Knows nothing of what
//! is sent over them.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use http::uri::Scheme;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep};

use super::uploads::{Outflow, Uploads};

/// A connection of HTTP/2. It ends when nobody knows it any more and its last stream is over.
pub(super) struct Link {
    sender: SendRequest<Bytes>,
    pub(super) scheme: Scheme,
    /// Requests so far.
    begun: AtomicUsize,
    started: Instant,
    left_ms: AtomicU64,
    known: Arc<Known>,
    uploads: Arc<Uploads>,
}

/// What its driver knows too.
#[derive(Default)]
struct Known {
    streams: AtomicUsize,
    /// Whether the backend said anything lately, and whether anything new was asked of it.
    heard: AtomicBool,
    asked: AtomicBool,
    /// Whether it was given up because it said nothing.
    silent: AtomicBool,
}

/// A place in a shared connection, for one request; dropped, its stream is reset where it is not at its end.
pub(in crate::proxy) struct Seat {
    pub(super) link: Arc<Link>,
    pub(super) sender: SendRequest<Bytes>,
}

impl Link {
    /// Over a socket, once it is open.
    ///
    /// # Errors
    /// h2's.
    pub(super) async fn over<I>(io: I, tls: bool) -> Result<Arc<Self>, h2::Error>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self::looked_at_every(LOOKED_AT_EVERY, io, tls).await
    }

    async fn looked_at_every<I>(every: Duration, io: I, tls: bool) -> Result<Arc<Self>, h2::Error>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, mut connection) = builder().handshake(io).await?;
        let known = Arc::new(Known::default());
        let (mut pulse, told) = (Pulse::new(connection.ping_pong(), every), Arc::clone(&known));
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            let ended = std::future::poll_fn(|cx| {
                if pulse.poll_gone(&told, cx).is_ready() {
                    told.silent.store(true, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
                connection.as_mut().poll(cx)
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a backend's connection ended");
            }
        });
        let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
        let (begun, left_ms) = (AtomicUsize::new(0), AtomicU64::new(0));
        let (started, uploads) = (Instant::now(), Arc::default());
        Ok(Arc::new(Self { sender, scheme, begun, started, left_ms, known, uploads }))
    }

    /// A seat, where one is free and the connection is open as far as can be known.
    pub(super) fn seat(self: &Arc<Self>) -> Option<Seat> {
        let most = self.sender.current_max_send_streams().min(STREAMS_MAX);
        let free = self.known.streams.load(Ordering::Relaxed) < most;
        let fresh = self.begun.load(Ordering::Relaxed) < REQUESTS_MAX;
        (free && fresh && !self.is_closed()).then(|| self.seat_anyway())
    }

    /// Whether uploads over it wait and have had no room for long: it is given nobody else. Some backends read nothing at all
    /// of a connection until those are read.
    pub(super) fn is_stuck(&self) -> bool {
        self.uploads.are_stuck(Instant::now)
    }

    /// Whether nobody is given it any more, nor has it: the room that those who gave up had filled may never come back.
    pub(super) fn is_spent(&self) -> bool {
        self.known.streams.load(Ordering::Relaxed) == 0 && self.is_stuck()
    }

    /// Whether uploads over it wait for room.
    pub(super) fn has_uploads_waiting(&self) -> bool {
        self.uploads.are_waiting()
    }

    /// A seat for whoever opened the connection.
    pub(super) fn seat_anyway(self: &Arc<Self>) -> Seat {
        self.known.streams.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.known.asked.store(true, Ordering::Relaxed);
        Seat { link: Arc::clone(self), sender: self.sender.clone() }
    }

    /// For how long nobody has been using it.
    pub(super) fn idle(&self) -> Duration {
        if self.known.streams.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.started.elapsed().saturating_sub(Duration::from_millis(self.left_ms.load(Ordering::Relaxed)))
    }

    pub(super) fn is_closed(&self) -> bool {
        let ready = self.sender.clone().poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Err(_)))
    }

    /// The backend said something.
    pub(super) fn heard(&self) {
        self.known.heard.store(true, Ordering::Relaxed);
    }

    /// Whether it was given up because the backend said nothing.
    pub(super) fn was_silent(&self) -> bool {
        self.known.silent.load(Ordering::Relaxed)
    }
}

impl Seat {
    /// For a request with a body.
    pub(super) fn outflow(&self) -> Outflow {
        self.link.uploads.begin()
    }

    /// Whether the connection lay idle before: its backend may have closed it meanwhile.
    pub(super) fn is_first_for_a_while(&self) -> bool {
        self.link.known.streams.load(Ordering::Relaxed) == 1 && self.link.begun.load(Ordering::Relaxed) > 1
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let ms = u64::try_from(self.link.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.link.left_ms.store(ms, Ordering::Relaxed);
        self.link.known.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Asks a backend that says nothing while requests wait for it whether it is still there: once, and again where more was
/// asked of it meanwhile. Servers of gRPC end a connection on which they are asked for no reason four times within minutes,
/// with all that is on it.
struct Pulse {
    pings: Option<PingPong>,
    next: Pin<Box<Sleep>>,
    every: Duration,
    quiet: u32,
    /// Looks since it was asked last, as long as nothing has happened since.
    known_to_be_there: Option<u32>,
    waits: bool,
}

impl Pulse {
    fn new(pings: Option<PingPong>, every: Duration) -> Self {
        Self {
            pings,
            next: Box::pin(tokio::time::sleep(every)),
            every,
            quiet: 0,
            known_to_be_there: None,
            waits: false,
        }
    }

    /// Ready once a question was not answered.
    fn poll_gone(&mut self, known: &Known, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        loop {
            if self.waits && pings.poll_pong(cx).is_ready() {
                (self.waits, self.quiet, self.known_to_be_there) = (false, 0, Some(0));
            }
            ready!(self.next.as_mut().poll(cx));
            if self.waits {
                return Poll::Ready(());
            }
            let waited_for = known.streams.load(Ordering::Relaxed) > 0;
            let heard = known.heard.swap(false, Ordering::Relaxed);
            let asked = known.asked.swap(false, Ordering::Relaxed);
            self.quiet = if waited_for && !heard { self.quiet + 1 } else { 0 };
            let there = self.known_to_be_there.filter(|looks| !heard && !asked && *looks < BELIEVED_FOR);
            self.known_to_be_there = there.map(|looks| looks + 1);
            self.waits =
                self.quiet >= QUIET_MAX && there.is_none() && pings.send_ping(Ping::opaque()).is_ok();
            self.next.as_mut().reset(Instant::now() + self.every);
        }
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS_MAX)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(HEADER_LIST_BYTES_MAX);
    builder
}

/// nginx says goodbye after 1 000, and what is on its way then is lost where it can't be sent twice: we go first.
pub(in crate::proxy) const REQUESTS_MAX: usize = 900;

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

/// A backend that went away without a word is found while requests wait for it: after two such looks it is asked, and has
/// until the next to answer.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
const QUIET_MAX: u32 = 2;

/// Looks: somewhat more than the five minutes within which servers of gRPC count.
const BELIEVED_FOR: u32 = 31;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use http::Request;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::super::stream::{Broken, Stream};
    use super::*;
    use crate::proxy::body::Upload;

    const LOOK: Duration = Duration::from_millis(200);

    /// A backend that says nothing, except that it is there where it `answers`; it counts how often it was asked.
    async fn works(mut io: DuplexStream, answers: bool, asked: Arc<AtomicUsize>) {
        let mut heard = Vec::new();
        io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        while io.read_buf(&mut heard).await.is_ok_and(|count| count > 0) {
            // PING of eight bytes.
            while let Some(at) = heard.windows(9).position(|head| *head == [0, 0, 8, 6, 0, 0, 0, 0, 0]) {
                if heard.len() < at + 17 {
                    break;
                }
                let mut pong: Vec<u8> = heard.drain(..at + 17).skip(at).collect();
                pong[4] = 1;
                asked.fetch_add(1, Ordering::SeqCst);
                if answers {
                    io.write_all(&pong).await.unwrap();
                }
            }
        }
    }

    async fn begun(link: &Arc<Link>) -> Stream {
        let request = Request::get("/").header("host", "bank").body(Upload::none()).unwrap();
        let begun = link.seat_anyway().begin(request, true).await;
        begun.unwrap_or_else(|unanswered| panic!("{}", unanswered.error))
    }

    #[tokio::test]
    async fn a_backend_that_says_nothing_is_given_up_where_it_does_not_say_that_it_is_there() {
        let (ours, theirs) = duplex(64 * 1024);
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(works(theirs, false, Arc::clone(&asked)));
        let link = Link::looked_at_every(LOOK, ours, false).await.unwrap();
        // Nobody waits for it yet.
        tokio::time::sleep(LOOK * 4).await;
        assert!(!link.is_closed());
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        let mut stream = begun(&link).await;
        let answer = poll_fn(|cx| stream.poll_answer(cx, None)).await;
        assert!(matches!(answer, Err(Broken::Silent)), "{answer:?}");
        assert!(link.is_closed());
    }

    /// Servers of gRPC end a connection that asks too often.
    #[tokio::test]
    async fn a_backend_that_works_long_is_asked_once_and_once_more_for_each_request_that_comes() {
        let (ours, theirs) = duplex(64 * 1024);
        let asked = Arc::new(AtomicUsize::new(0));
        tokio::spawn(works(theirs, true, Arc::clone(&asked)));
        let link = Link::looked_at_every(LOOK, ours, false).await.unwrap();
        let mut streams = Vec::new();
        for requests in 1..=2 {
            streams.push(begun(&link).await);
            while asked.load(Ordering::SeqCst) < requests {
                tokio::time::sleep(LOOK / 4).await;
            }
            tokio::time::sleep(LOOK * 10).await;
            assert_eq!(asked.load(Ordering::SeqCst), requests);
            assert!(!link.is_closed());
        }
    }
}
