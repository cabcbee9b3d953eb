//! A client of frames alone, slow in one way or another. Here looks are taken every 20 ms, and who takes nothing is cut after
//! a second.

mod uploads;

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::front::connection::{self, Shared};
use crate::front::limits::Settings;
use crate::front::meters::Meters;
use crate::world::World;

/// The client's side, what serves it, and what ends it in good order.
struct Slow {
    io: DuplexStream,
    served: JoinHandle<()>,
    meters: Arc<Meters>,
    stop: CancellationToken,
}

impl Slow {
    /// Whose windows begin with `window` bytes a stream.
    async fn with_windows_of(window: u32) -> Self {
        let mut slow = Self::silent();
        slow.io.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        // SETTINGS_INITIAL_WINDOW_SIZE; the connection's own window is no limit here.
        slow.io.write_all(&frame(4, 0, 0, &[&[0, 4][..], &window.to_be_bytes()].concat())).await.unwrap();
        slow.io.write_all(&frame(8, 0, 0, &0x7000_0000_u32.to_be_bytes())).await.unwrap();
        slow
    }

    /// Who has said nothing yet. `/big` is answered with a million bytes, and most else with ten.
    fn silent() -> Self {
        Self::of(None)
    }

    /// The same, of a network.
    fn of(network: Option<IpAddr>) -> Self {
        let (io, theirs) = tokio::io::duplex(4096);
        let (meters, stop) = (Arc::new(Meters::default()), CancellationToken::new());
        let shared = Shared {
            settings: Arc::new(Settings { write_stall_ms_max: 1000, ..Settings::default() }),
            meters: Arc::clone(&meters),
            clock: World::real().clock,
            network,
            draining: stop.clone(),
        };
        let another = Arc::new(tokio::sync::Notify::new());
        let handle = move |request: Request<Body>| {
            let another_was_read = Arc::clone(&another);
            async move {
                Response::new(match request.uri().path() {
                    "/big" => Body::from(vec![b'x'; 1_000_000]),
                    // Ten bytes, and many more beside them in memory.
                    "/of-much" => Body::from(Bytes::from_owner(Much::default()).slice(..10)),
                    // Its upload is refused, and what is said of that takes a moment.
                    "/refused" => {
                        drop(request);
                        tokio::time::sleep(MOMENT).await;
                        Body::from("refused")
                    }
                    // The first piece of its upload is read, and no other.
                    "/unread" => {
                        let mut body = request.into_body();
                        let _first = http_body_util::BodyExt::frame(&mut body).await;
                        std::future::pending::<()>().await;
                        drop(body);
                        Body::empty()
                    }
                    // No piece of its upload is read.
                    "/unasked" => std::future::pending().await,
                    // The first piece of its upload is read, and the rest when much of it may be there.
                    "/late" => {
                        let mut body = request.into_body();
                        let first = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap();
                        tokio::time::sleep(MOMENT * 10).await;
                        let rest = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                        Body::from([first.into_data().unwrap(), rest].concat())
                    }
                    "/read" => {
                        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
                        another_was_read.notify_one();
                        Body::from(read.unwrap().len().to_string())
                    }
                    // The first piece of its upload is read, and the rest once another was; says in how many.
                    "/pieces" => {
                        let mut pieces = request.into_body().into_data_stream();
                        let first = pieces.next().await;
                        another_was_read.notified().await;
                        Body::from((usize::from(first.is_some()) + pieces.count().await).to_string())
                    }
                    "/then-nothing" => Body::new(ThenNothing(Some(Bytes::from_static(b"all of it")))),
                    _ => Body::from(vec![b'x'; 10]),
                })
            }
        };
        let served = tokio::spawn(async move {
            connection::serve(theirs, true, (), &CancellationToken::new(), &shared, handle).await;
        });
        Self { io, served, meters, stop }
    }

    async fn asks(&mut self, stream: u32, path: &str) {
        let length = u8::try_from(path.len()).unwrap();
        // GET, https, the path, and an authority, as literals of HPACK.
        let block = [&[0x82, 0x87, 0x04, length], path.as_bytes(), &[0x01, 4], b"bank"].concat();
        self.io.write_all(&frame(1, 5, stream, &block)).await.unwrap();
    }

    /// Takes so much at most, where there is something within a moment.
    async fn takes(&mut self, most: usize) -> usize {
        let mut piece = vec![0; most];
        let read = tokio::time::timeout(MOMENT, self.io.read(&mut piece)).await;
        read.map_or(0, |read| read.unwrap_or(0))
    }

    /// Whether anything was there to be taken.
    fn takes_what_is_there(&mut self) -> bool {
        self.io.read(&mut [0; 4096]).now_or_never().is_some_and(|read| read.is_ok_and(|count| count > 0))
    }

    /// Shows that it is there, by what asks for no answer.
    async fn stirs(&mut self) {
        let _ = self.io.write_all(&frame(8, 0, 0, &1_u32.to_be_bytes())).await;
        while self.takes(4096).await > 0 {}
    }
}

/// A body whose last piece is empty, as those of backends of HTTP/2 are.
struct ThenNothing(Option<Bytes>);

impl hyper::body::Body for ThenNothing {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.0.take().map(|mut piece| {
            let all = piece.split_to(piece.len());
            self.0 = (!all.is_empty()).then_some(piece);
            Ok(Frame::data(all))
        });
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// As a backend's answer lies in what was read at once.
struct Much([u8; 64 * 1024]);

/// How many there are.
static MUCH: AtomicUsize = AtomicUsize::new(0);

impl Default for Much {
    fn default() -> Self {
        MUCH.fetch_add(1, Ordering::SeqCst);
        Self([b'x'; 64 * 1024])
    }
}

impl AsRef<[u8]> for Much {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Much {
    fn drop(&mut self) {
        MUCH.fetch_sub(1, Ordering::SeqCst);
    }
}

const MOMENT: Duration = Duration::from_millis(50);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// H-14: our PINGs lie behind what it has not read yet, and it is as honest as one that reads fast.
#[tokio::test]
async fn who_takes_a_long_answer_slowly_is_not_gone() {
    let mut slow = Slow::with_windows_of(0x7fff_ffff).await;
    slow.asks(1, "/big").await;
    for turn in 0..50 {
        assert!(slow.takes(1024).await > 0, "turn {turn}");
        tokio::time::sleep(MOMENT).await;
        assert!(!slow.served.is_finished(), "turn {turn}");
    }
}

#[tokio::test]
async fn an_answer_whose_last_piece_is_empty_has_its_end() {
    let mut quick = Slow::with_windows_of(65_535).await;
    quick.asks(1, "/then-nothing").await;
    let mut got = Vec::new();
    while quick.io.read_buf(&mut got).now_or_never().is_none_or(|read| read.unwrap() > 0) {
        // DATA of stream 1, empty, with END_STREAM.
        if got.windows(9).any(|head| head == [0, 0, 0, 0, 1, 0, 0, 0, 1]) {
            return;
        }
        assert!(got.len() < 1000, "{got:?}");
        tokio::task::yield_now().await;
    }
    panic!("{got:?}");
}

#[tokio::test]
async fn who_takes_all_and_says_nothing_is_gone_in_the_end() {
    let mut slow = Slow::with_windows_of(65_535).await;
    slow.asks(1, "/").await;
    while slow.takes(4096).await > 0 {}
    tokio::time::timeout(Duration::from_secs(10), slow.served).await.unwrap().unwrap();
}

/// H-14: room for a kilobyte and a half at a time is no standing still, though it is long before there is room for a
/// whole piece of the answer.
#[tokio::test]
async fn who_makes_little_room_at_a_time_is_not_cut() {
    let mut slow = Slow::with_windows_of(16_384).await;
    slow.asks(1, "/big").await;
    for turn in 0..60 {
        slow.io.write_all(&frame(8, 0, 1, &1500_u32.to_be_bytes())).await.unwrap();
        while slow.takes(4096).await > 0 {}
        assert!(!slow.served.is_finished(), "turn {turn}");
        tokio::time::sleep(MOMENT).await;
    }
    assert_eq!(slow.meters.cut_slow.get(), 0);
}

/// H-14: an answer that waits for room is under way until all of it has some, however short it is.
#[tokio::test]
async fn who_makes_no_room_is_cut_however_short_the_answer() {
    let mut slow = Slow::with_windows_of(1).await;
    slow.asks(1, "/short").await;
    for _ in 0..300 {
        if slow.served.is_finished() {
            break;
        }
        slow.stirs().await;
    }
    assert_eq!((slow.served.is_finished(), slow.meters.cut_slow.get()), (true, 1));
}

/// O-05: a client that sleeps holds no stop.
#[tokio::test]
async fn who_does_not_answer_a_goodbye_is_not_waited_for() {
    let mut slow = Slow::with_windows_of(65_535).await;
    slow.asks(1, "/").await;
    while slow.takes(4096).await > 0 {}
    slow.stop.cancel();
    for _ in 0..300 {
        if slow.served.is_finished() {
            return;
        }
        slow.stirs().await;
    }
    panic!("it is waited for");
}

/// Who is refused is not told to send what was refused.
#[tokio::test]
async fn who_is_refused_is_not_told_to_go_on() {
    let (client, connection) = h2::client::handshake(Slow::silent().io).await.unwrap();
    tokio::spawn(connection);
    for (path, told) in [("/read", true), ("/refused", false)] {
        let mut client = client.clone().ready().await.unwrap();
        let post = Request::post(format!("https://bank{path}")).header("expect", "100-continue");
        let (mut answer, mut body) = client.send_request(post.body(()).unwrap(), false).unwrap();
        let before = std::future::poll_fn(|cx| answer.poll_informational(cx)).await;
        assert_eq!(before.is_some(), told, "{path}");
        if told {
            body.send_data(Bytes::from_static(b"body"), true).unwrap();
        }
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

/// A client that makes no room for the last ten bytes of an answer makes us keep ten.
#[tokio::test]
async fn a_short_piece_that_waits_keeps_nothing_else() {
    let mut slow = Slow::with_windows_of(1).await;
    for stream in [1, 3, 5] {
        slow.asks(stream, "/of-much").await;
    }
    while slow.takes(4096).await > 0 {}
    assert!(!slow.served.is_finished());
    assert_eq!(MUCH.load(Ordering::SeqCst), 0);
    // The rest of it is right.
    for stream in [1, 3, 5] {
        slow.io.write_all(&frame(8, 0, stream, &9_u32.to_be_bytes())).await.unwrap();
    }
    let mut got = Vec::new();
    let rest = |got: &[u8]| {
        got.windows(18).filter(|piece| piece[..5] == [0, 0, 9, 0, 1] && piece[9..] == [b'x'; 9]).count()
    };
    while rest(&got) < 3 {
        let read = tokio::time::timeout(Duration::from_secs(10), slow.io.read_buf(&mut got)).await;
        assert!(read.unwrap().unwrap() > 0, "{got:?}");
    }
}
