//! WebSocket: through, checked, and cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use http::Version;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{Backend, Gate, HOST, OK, Then, exchange, get};
use crate::proxy::Joined;

/// A real WebSocket server that says everything back.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_websocket_goes_through_until_the_permit_ends() {
    let gate = Arc::new(Gate::before(echo().await));
    let front = gate.listen(false).await;
    let mut request = format!("ws://{HOST}/ws/ticker").into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("https://{HOST}").parse().unwrap());
    let stream = TcpStream::connect(front).await.unwrap();
    let (mut socket, answer) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    assert_eq!(answer.status(), 101);
    for text in ["hello", &"x".repeat(1 << 20)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    gate.cancel.cancel();
    let end = tokio::time::timeout(Duration::from_secs(1), socket.next()).await.unwrap();
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
}

/// A time for answers is none for tunnels: of those that say something, nobody knows when they are over.
#[tokio::test]
async fn the_time_of_an_answer_does_not_end_a_tunnel() {
    let mut gate = Gate::before(echo().await);
    gate.route.total_ms_max = 100;
    let front = Arc::new(gate).listen(false).await;
    let mut request = format!("ws://{HOST}/ws/ticker").into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("https://{HOST}").parse().unwrap());
    let stream = TcpStream::connect(front).await.unwrap();
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        socket.send(Message::text("on")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("on"));
    }
}

#[tokio::test]
async fn only_the_doors_own_pages_may_open_one() {
    let gate = Arc::new(Gate::before(echo().await));
    let front = gate.listen(false).await;
    for origin in [
        None,
        Some("https://evil.example"),
        Some("http://bank.localhost:8443"),
        Some("https://bank.localhost"),
        Some("null"),
    ] {
        let mut request = format!("ws://{HOST}/").into_client_request().unwrap();
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        let stream = TcpStream::connect(front).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin:?}"),
            other => panic!("{origin:?}: {other:?}"),
        }
    }
}

fn handshake(changes: &[(&str, &str)]) -> String {
    let mut lines = vec![
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Origin", "https://bank.localhost:8443"),
    ];
    for change in changes {
        lines.retain(|(name, _)| *name != change.0);
        lines.push(*change);
    }
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET /ws HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

#[tokio::test]
async fn a_broken_handshake_reaches_nobody() {
    let backend = Backend::answering(OK, Then::Stay).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    for change in [
        ("Sec-WebSocket-Version", "12"),
        ("Sec-WebSocket-Version", "13\r\nSec-WebSocket-Version: 8"),
        ("Sec-WebSocket-Key", "short"),
        ("Sec-WebSocket-Key", ""),
        ("Content-Length", "3"),
    ] {
        let answer = exchange(front, handshake(&[change]).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{change:?}: {answer}");
    }
    let post = handshake(&[]).replace("GET ", "POST ");
    assert!(exchange(front, post.as_bytes()).await.starts_with("HTTP/1.1 400"));
    assert_eq!(backend.text(), "");
    // Another protocol is not asked for; the request goes on without it.
    let answer = exchange(front, handshake(&[("Upgrade", "h2c")]).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(!backend.text().to_lowercase().contains("upgrade"), "{}", backend.text());
}

#[tokio::test]
async fn nothing_behind_the_handshake_is_forwarded_before_a_101() {
    let backend = Backend::answering(OK, Then::Listen).await;
    let front = Arc::new(Gate::before(backend.address)).listen(false).await;
    let smuggled =
        format!("{}GET /admin HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: evil\r\n\r\n", handshake(&[]));
    let answer = exchange(front, smuggled.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let text = backend.text();
    assert!(!text.contains("evil") && !text.contains("inner"), "{text}");
    // Pipelined requests are requests: each went its own way through the gate.
    assert_eq!(backend.requests(), text.matches("\r\nx-forwarded-for: 192.0.2.7\r\n").count(), "{text}");
}

/// The client's side of a stream of HTTP/2 that says nothing more: whoever reads on hears whether it is reset.
struct HalfClosed {
    ended: bool,
    reset: oneshot::Receiver<()>,
}

impl AsyncRead for HalfClosed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ended {
            self.ended = true;
            return Poll::Ready(Ok(()));
        }
        let _ = ready!(self.reset.poll_unpin(cx));
        Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
    }
}

impl AsyncWrite for HalfClosed {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Takes the handshake of one WebSocket.
async fn taken(listener: TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut head).await.unwrap();
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value)
    });
    let accept = derive_accept_key(key.unwrap().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream
}

/// Asks for one as a client of HTTP/2 does.
async fn asked(gate: &Gate) -> Joined {
    let mut request = get("/ws");
    *request.version_mut() = Version::HTTP_2;
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    request.headers_mut().insert("origin", format!("https://{HOST}").parse().unwrap());
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    gate.forward(request).await.unwrap().extensions_mut().remove().unwrap()
}

/// As RFC 8441 5 has it: what the client ends is ended, what it breaks off is broken off.
#[tokio::test]
async fn a_backend_is_told_how_its_client_went() {
    for broken_off in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::before(listener.local_addr().unwrap());
        let backend = tokio::spawn(async move { taken(listener).await.read(&mut [0]).await });
        let (reset, is_reset) = oneshot::channel();
        asked(&gate).await.give(Box::new(HalfClosed { ended: broken_off, reset: is_reset }), ());
        if broken_off {
            reset.send(()).unwrap();
            let heard = backend.await.unwrap().map_err(|error| error.kind());
            assert_eq!(heard, Err(io::ErrorKind::ConnectionReset));
        } else {
            assert_eq!(backend.await.unwrap().unwrap(), 0);
        }
    }
}

/// A client that only listens may go without a word on what it sends, and a backend may end what its client ended: the
/// tunnel is over, and holds neither the backend nor the stream any more.
#[tokio::test]
async fn a_half_closed_tunnel_ends_with_its_stream_or_its_backend() {
    for client_goes in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::before(listener.local_addr().unwrap());
        let (heard_end, has_heard_end) = oneshot::channel();
        let (close, closes) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let mut stream = taken(listener).await;
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "the client says nothing more");
            heard_end.send(()).unwrap();
            let _ = closes.await;
        });
        let (reset, is_reset) = oneshot::channel();
        let held = Arc::new(());
        let lasts = Arc::downgrade(&held);
        asked(&gate).await.give(Box::new(HalfClosed { ended: false, reset: is_reset }), held);
        has_heard_end.await.unwrap();
        assert!(lasts.upgrade().is_some(), "the backend may still say something");
        if client_goes {
            reset.send(()).unwrap();
        } else {
            drop(close);
        }
        let over = async {
            while lasts.upgrade().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let over = tokio::time::timeout(Duration::from_secs(10), over).await;
        assert!(over.is_ok(), "the client goes: {client_goes}");
    }
}

/// The client's side of a stream of HTTP/2 that has much to say, and is reset: nobody reads on meanwhile, so that whoever
/// writes hears it.
struct Gone {
    reset: oneshot::Receiver<()>,
}

impl AsyncRead for Gone {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        buf.initialize_unfilled();
        buf.advance(buf.remaining());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gone {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.reset.poll_unpin(cx) {
            Poll::Ready(_) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// H-14: a client that has gone leaves nothing open behind a backend that reads nothing.
#[tokio::test]
async fn a_tunnel_ends_with_its_stream_also_where_its_backend_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gate = Gate::before(listener.local_addr().unwrap());
    let backend = tokio::spawn(taken(listener));
    let (reset, is_reset) = oneshot::channel();
    let held = Arc::new(());
    let lasts = Arc::downgrade(&held);
    asked(&gate).await.give(Box::new(Gone { reset: is_reset }), held);
    let _reads_nothing = backend.await.unwrap();
    // Until all that lies between is full.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(lasts.upgrade().is_some());
    reset.send(()).unwrap();
    let over = async {
        while lasts.upgrade().is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), over).await.is_ok());
}
