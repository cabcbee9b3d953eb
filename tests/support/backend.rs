//! A backend that writes down every byte it gets (the first mebibyte of them), and does by path what
//! a test needs of it.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A running backend.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    /// Bytes of bodies that `/up` has read.
    pub(crate) uploaded: Arc<AtomicU64>,
    /// Requests of `/late`, or `/late?MILLISECONDS`, that wait.
    pub(crate) late: Arc<AtomicU64>,
    /// WebSockets that are open.
    pub(crate) sockets: Arc<AtomicU64>,
    /// When something last came in the body of `/grpc/NUMBER`.
    heard: Arc<Mutex<HashMap<u64, Instant>>>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let this = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            uploaded: Arc::default(),
            late: Arc::default(),
            sockets: Arc::default(),
            heard: Arc::default(),
        };
        let backend = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let backend = backend.clone();
                let io = Recorder { stream, received: Arc::clone(&backend.received) };
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let backend = backend.clone();
                        async move { Ok::<_, std::convert::Infallible>(backend.answer(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(io), service)
                        .with_upgrades();
                    let _ = connection.await;
                });
            }
        });
        this
    }

    /// All that arrived, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }

    /// How many bytes arrived.
    pub(crate) fn bytes(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    pub(crate) fn forget(&self) {
        self.received.lock().unwrap().clear();
    }

    /// When something last came in the body of `/grpc/NUMBER`.
    pub(crate) fn heard_last(&self, number: u64) -> Option<Instant> {
        self.heard.lock().unwrap().get(&number).copied()
    }

    /// A header of the last request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let start = format!("{}: ", name.to_ascii_lowercase());
        let line = text.lines().rev().find(|line| line.to_ascii_lowercase().starts_with(&start))?;
        Some(line[start.len()..].trim().to_owned())
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/up" => {
                let mut body = request.into_body();
                let mut length = 0;
                while let Some(Ok(frame)) = body.frame().await {
                    let read = frame.data_ref().map_or(0, |data| data.len() as u64);
                    length += read;
                    self.uploaded.fetch_add(read, Ordering::SeqCst);
                }
                Response::new(Body::from(length.to_string()))
            }
            "/down" => {
                let pieces = request.uri().query().unwrap().parse::<u64>().unwrap() / PIECE.len() as u64;
                let stream = futures_util::stream::iter(0..pieces)
                    .map(|_| Ok::<_, io::Error>(Bytes::from_static(&PIECE)));
                Response::new(Body::from_stream(stream))
            }
            "/late" => {
                let wanted = request.uri().query().and_then(|query| query.parse().ok());
                self.late.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(wanted.unwrap_or(1500))).await;
                self.late.fetch_sub(1, Ordering::SeqCst);
                Response::new(Body::from("late, but whole"))
            }
            "/never" => std::future::pending().await,
            "/ticks" => {
                let ticks = futures_util::stream::unfold(0, |n| async move {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some((Ok::<_, io::Error>(Bytes::from(format!("data: {n}\n\n"))), n + 1))
                });
                let mut response = Response::new(Body::from_stream(ticks));
                response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
                response
            }
            "/ws" => self.upgrade(request),
            path if path.starts_with("/grpc/") => {
                let number: u64 = path["/grpc/".len()..].parse().unwrap();
                let heard = Arc::clone(&self.heard);
                let echo = futures_util::stream::unfold(request.into_body(), move |mut body| {
                    let heard = Arc::clone(&heard);
                    async move {
                        // A call that breaks off is answered to no good end.
                        let Ok(frame) = body.frame().await? else {
                            return Some((Err(io::Error::from(io::ErrorKind::BrokenPipe)), body));
                        };
                        heard.lock().unwrap().insert(number, Instant::now());
                        Some((Ok(frame.into_data().unwrap_or_default()), body))
                    }
                });
                let mut response = Response::new(Body::from_stream(echo));
                response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
                response
            }
            _ => {
                let mut response = Response::new(Body::from(format!("the bank's own page at {path}")));
                let headers = response.headers_mut();
                headers.insert("content-type", "text/plain".parse().unwrap());
                headers.append("set-cookie", "theirs=1; Path=/".parse().unwrap());
                headers.append("set-cookie", "__Host-portcullis=theirs; Path=/; Secure".parse().unwrap());
                response
            }
        }
    }

    fn upgrade(&self, request: Request<Incoming>) -> Response<Body> {
        let Some(key) = request.headers().get("sec-websocket-key") else {
            let mut response = Response::new(Body::from("no WebSocket"));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            return response;
        };
        let accept = derive_accept_key(key.as_bytes());
        let sockets = Arc::clone(&self.sockets);
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(request).await.unwrap();
            let io = TokioIo::new(upgraded);
            let mut socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            sockets.fetch_add(1, Ordering::SeqCst);
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                    break;
                }
            }
            sockets.fetch_sub(1, Ordering::SeqCst);
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().unwrap());
        headers.insert("upgrade", "websocket".parse().unwrap());
        headers.insert("sec-websocket-accept", accept.parse().unwrap());
        response
    }
}

/// A download that nobody reads to its end, however long the test takes: a pebibyte.
pub(crate) const ENDLESS: &str = "/down?1125899906842624";

/// A stream that writes down what it reads.
struct Recorder {
    stream: TcpStream,
    received: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let mut received = self.received.lock().unwrap();
        let room = KEPT_BYTES_MAX.saturating_sub(received.len());
        let new = &buffer.filled()[before..];
        received.extend_from_slice(&new[..new.len().min(room)]);
        result
    }
}

impl AsyncWrite for Recorder {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

const KEPT_BYTES_MAX: usize = 1 << 20;
