//! Many at once over few connections to a backend, and half of them give up on the way: nobody ever gets a byte
//! that was meant for another, and no backend hears two as one.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::inside::Inside;
use crate::limits::resident_bytes;
use crate::peers::{Make, Peer};
use crate::support::PATIENCE;

/// Answers with the token it was asked with, over and over.
#[derive(Clone, Default)]
struct Echo {
    /// Requests in which two tokens met.
    mixed: Arc<Mutex<Vec<String>>>,
    heard: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl Echo {
    async fn start(&self, h2: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                this.connections.fetch_add(1, Ordering::SeqCst);
                let (io, echo) = (TokioIo::new(stream), this.clone());
                let service = service_fn(move |request| {
                    let echo = echo.clone();
                    async move { Ok::<_, Infallible>(echo.answer(request).await) }
                });
                tokio::spawn(async move {
                    let _ = match h2 {
                        true => {
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                                .serve_connection(io, service)
                                .await
                        }
                        false => {
                            hyper::server::conn::http1::Builder::new().serve_connection(io, service).await
                        }
                    };
                });
            }
        });
        format!("{}://{address}", if h2 { "h2c" } else { "http" })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let Some(number) = path.strip_prefix("/token/").and_then(|number| number.parse::<usize>().ok())
        else {
            return Response::new(Body::from(format!("the bank's own page at {path}")));
        };
        self.heard.fetch_add(1, Ordering::SeqCst);
        let token = token(number);
        let header = request.headers().get("x-token").map(|value| value.as_bytes().to_vec());
        let mut body = request.into_body();
        let mut got = Vec::new();
        while let Some(Ok(frame)) = body.frame().await {
            got.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        if header.as_deref() != Some(token.as_bytes()) || !only(&token, &got) {
            self.mixed.lock().unwrap().push(format!("{path}: {header:?}"));
        }
        tokio::time::sleep(Duration::from_micros(dice(number, 1) as u64 % 3_000)).await;
        let pieces =
            (0..dice(number, 2) % 12).map(move |_| Ok::<_, Infallible>(Bytes::from(token.repeat(200))));
        Response::new(Body::from_stream(futures_util::stream::iter(pieces)))
    }
}

fn token(number: usize) -> String {
    format!("<{number:08}>")
}

/// Whether there is nothing in it but this token, the last perhaps cut off.
fn only(token: &str, got: &[u8]) -> bool {
    got.chunks(token.len()).all(|piece| token.as_bytes().starts_with(piece))
}

/// A number that is another for each request and the same each time.
fn dice(number: usize, salt: usize) -> usize {
    let mixed = (number * 8 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40
}

/// How a request is made: 1 to 3 are given up.
fn manner(number: usize) -> usize {
    dice(number, 3) % 8
}

/// Pieces of its body.
fn length(number: usize) -> usize {
    dice(number, 4) % 4
}

/// A client's connection.
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Sender {
    async fn open(inside: &Inside, h2: bool) -> Self {
        match h2 {
            true => Self::Http2(inside.client.wire.h2("bank.localhost").await),
            false => Self::Http1(inside.client.wire.h1("bank.localhost").await),
        }
    }

    async fn send(&mut self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

/// How many answers were whole, how many had anything foreign in them, and how many were lost that nobody gave up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    whole: usize,
    foreign: usize,
    lost: usize,
}

/// One request; whether it was heard to its end, and whether anything foreign was in it.
async fn one(inside: &Inside, sender: &mut Sender, h2: bool, number: usize) -> (bool, bool) {
    let own = token(number);
    let how = manner(number);
    let length = length(number);
    let pieces: Vec<Result<Bytes, std::io::Error>> =
        (0..length).map(|_| Ok(Bytes::from(own.repeat(500)))).collect();
    let body = match (length, how) {
        (0, _) => Body::empty(),
        // Breaks off on the way up.
        (_, 1) => Body::from_stream(
            futures_util::stream::iter(pieces)
                .chain(futures_util::stream::once(async { Err(std::io::Error::other("enough")) })),
        ),
        _ => Body::from_stream(futures_util::stream::iter(pieces)),
    };
    let uri = if h2 { format!("https://{}/token/{number}", inside.host) } else { format!("/token/{number}") };
    let mut request = Request::builder().method(if length == 0 { "GET" } else { "POST" }).uri(uri);
    if !h2 {
        request = request.header("host", &inside.host);
    }
    let request = request.header("cookie", &inside.cookie).header("x-token", &own).body(body).unwrap();
    let answer = sender.send(request);
    let answer = match how {
        // Gives up before the answer.
        2 => tokio::time::timeout(Duration::from_micros(dice(number, 5) as u64 % 4_000), answer).await,
        _ => Ok(tokio::time::timeout(PATIENCE, answer).await.expect("an answer in time")),
    };
    let Ok(Ok(answer)) = answer else { return (false, false) };
    if answer.status() != 200 {
        return (false, false);
    }
    let (mut body, mut got) = (answer.into_body(), Vec::new());
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.expect("more, or the end") {
        let Ok(frame) = frame else { return (false, !only(&own, &got)) };
        got.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        // Gives up in the midst of it.
        if how == 3 {
            return (false, !only(&own, &got));
        }
    }
    (true, !only(&own, &got))
}

/// So many requests over one version of HTTP.
async fn crowd(inside: &Arc<Inside>, h2: bool, next: &Arc<AtomicUsize>, requests: usize) -> Count {
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let (inside, next) = (Arc::clone(inside), Arc::clone(next));
        clients.spawn(async move {
            let mut sender = Sender::open(&inside, h2).await;
            let mut count = Count::default();
            for _ in 0..requests / CLIENTS {
                if sender.is_closed() {
                    sender = Sender::open(&inside, h2).await;
                }
                let number = next.fetch_add(1, Ordering::SeqCst);
                let (heard, not_mine) = one(&inside, &mut sender, h2, number).await;
                count.whole += usize::from(heard);
                count.foreign += usize::from(not_mine);
                count.lost += usize::from(
                    !heard
                        && (length(number) == 0 || manner(number) != 1)
                        && !matches!(manner(number), 2 | 3),
                );
                // Over HTTP/1.1, who gives up has left.
                if !heard && !h2 {
                    sender = Sender::open(&inside, h2).await;
                }
            }
            count
        });
    }
    let all = clients.join_all().await;
    all.into_iter().fold(Count::default(), |sum, one| Count {
        whole: sum.whole + one.whole,
        foreign: sum.foreign + one.foreign,
        lost: sum.lost + one.lost,
    })
}

/// H-22. Ten thousand requests over both versions of HTTP on either side, each with a token of its own in its
/// head, its body and its answer.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_what_was_meant_for_another() {
    let next = Arc::new(AtomicUsize::new(0));
    for backend_h2 in [false, true] {
        let echo = Echo::default();
        let url = echo.start(backend_h2).await;
        let inside = Arc::new(Inside::with(|plan| plan.backend = Some(url)).await);
        for h2 in [false, true] {
            let Count { whole, foreign, lost } = crowd(&inside, h2, &next, REQUESTS / 4).await;
            println!(
                "{} requests of {} to a backend of {}: {whole} answers whole, the rest given up, over {} connections; {foreign} foreign tokens",
                REQUESTS / 4,
                if h2 { "HTTP/2" } else { "HTTP/1.1" },
                if backend_h2 { "HTTP/2" } else { "HTTP/1.1" },
                echo.connections.load(Ordering::SeqCst),
            );
            assert_eq!((foreign, lost), (0, 0));
            assert!(whole > REQUESTS / 8 && whole < REQUESTS / 4, "{whole}");
            assert_eq!(*echo.mixed.lock().unwrap(), Vec::<String>::new());
        }
        assert!(echo.heard.load(Ordering::SeqCst) > REQUESTS / 4);
        inside.must_serve_the_honest().await;
        assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
    }
    assert_eq!(next.load(Ordering::SeqCst), REQUESTS);
}

/// H-22. The same where nginx or HAProxy shares a connection of HTTP/2 among them: those who give up end nobody else's
/// requests with it.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_loses_by_those_who_give_up() {
    for make in [Make::Nginx, Make::Haproxy] {
        let echo = Echo::default();
        let Some(peer) = Peer::before(make, &echo.start(false).await) else { continue };
        let inside = Arc::new(Inside::with(|plan| plan.backend = Some(peer.urls[1].clone())).await);
        let next = Arc::new(AtomicUsize::new(0));
        for h2 in [false, true] {
            let count = crowd(&inside, h2, &next, REQUESTS / 8).await;
            println!(
                "{} requests of {} to {make:?} over HTTP/2: {count:?}",
                REQUESTS / 8,
                if h2 { "HTTP/2" } else { "HTTP/1.1" }
            );
            assert_eq!((count.foreign, count.lost), (0, 0), "{}", inside.program.log());
        }
        assert_eq!(*echo.mixed.lock().unwrap(), Vec::<String>::new());
    }
}

/// O-03. The same again and again: neither memory nor open files grow by it. Two hours of it are in `benches/load`.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_give_up_leave_nothing_behind() {
    let echo = Echo::default();
    let url = echo.start(false).await;
    let inside = Arc::new(Inside::with(|plan| plan.backend = Some(url)).await);
    let next = Arc::new(AtomicUsize::new(0));
    let pid = inside.program.pid();
    let files = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let mut before = (0, 0);
    for round in 0..ROUNDS {
        for h2 in [false, true] {
            let count = crowd(&inside, h2, &next, REQUESTS / 20).await;
            assert_eq!((count.foreign, count.lost), (0, 0));
        }
        if round == ROUNDS / 3 {
            before = (resident_bytes(pid), files());
        }
    }
    let grown = resident_bytes(pid).saturating_sub(before.0);
    println!(
        "{} requests: memory grew by {} KiB, {} files were open and {} are",
        next.load(Ordering::SeqCst),
        grown / 1024,
        before.1,
        files()
    );
    assert!(grown < GROWN_BYTES_MAX, "memory grew by {grown} bytes");
    // Connections to the backend that are kept, and clients' that are about to close.
    assert!(files() < before.1 + FILES_MORE_MAX, "{} files were open, {} are", before.1, files());
    inside.must_serve_the_honest().await;
}

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 25;
const ROUNDS: usize = 9;

/// What an allocator may keep; two KiB for each request would show.
const GROWN_BYTES_MAX: u64 = 8 << 20;

/// As many as are kept for one backend by two cores.
const FILES_MORE_MAX: usize = 128;
