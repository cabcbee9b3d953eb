//! WebSockets: only what is asked for rightly is joined, and nothing passes before the backend has said yes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use crate::inside::Inside;
use crate::support::PATIENCE;
use crate::support::raw::Line;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

impl Inside {
    /// With the backend that speaks WebSocket at `/ws`.
    async fn with_websockets() -> Self {
        let this = Self::with(|plan| plan.backend = None).await;
        this.program.backend.forget();
        this
    }

    fn handshake(&self, path: &str, lines: &str) -> String {
        format!("GET {path} HTTP/1.1\r\n{}{lines}\r\n", self.lines())
    }

    fn origin(&self) -> String {
        format!("Origin: https://{}\r\n", self.host)
    }
}

/// H-04. A backend that answers 200 to a handshake gets nothing of what was written behind it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_before_a_101() {
    let inside = Inside::open().await;
    let mut tried = 0;
    for upgrade in
        ["websocket", "WebSocket", "websocket, h2c", "h2c, websocket", "h2c", "websocket/13", "TLS/1.0"]
    {
        for connection in ["Upgrade", "keep-alive, Upgrade", "upgrade", "Upgrade, X-Forwarded-For", "close"] {
            for behind in [
                "GET /smuggled HTTP/1.1\r\nHost: inner\r\n\r\n".to_owned(),
                format!("GET /smuggled HTTP/1.1\r\nHost: {}\r\n\r\n", inside.host),
                "\u{1}\u{2}hello".to_owned(),
            ] {
                let lines = format!(
                    "Connection: {connection}\r\nUpgrade: {upgrade}\r\n{KEY}{VERSION}{}",
                    inside.origin()
                );
                inside.recorder.forget();
                let mut line = inside.h1.open().await.unwrap();
                let bytes = inside.handshake("/ws", &lines) + &behind;
                line.send(bytes.as_bytes()).await;
                let answer = line.answer().await.expect("an answer");
                let heard = answer + &line.listen(SILENCE).await.text();
                drop(line);
                let got = inside.recorder.only_one();
                assert!(heard.starts_with("HTTP/1.1 200 "), "{upgrade} {connection}: {heard}");
                assert!(!heard.contains("at /smuggled"), "{upgrade} {connection}: {heard}");
                assert_eq!((got.target.as_str(), got.body.len()), ("/ws", 0), "{upgrade} {connection}");
                // Asked for at the backend only where all of it was right.
                let asked = got.all("upgrade");
                assert!(asked.is_empty() || asked == ["websocket"], "{asked:?}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 105);
    inside.must_serve_the_honest().await;
}

/// H-04. With a 101 what was written early arrives, and behind it only what the two sides say.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_101_the_bytes_are_the_tunnels() {
    let inside = Inside::with_websockets().await;
    let mut line = inside.h1.open().await.unwrap();
    let lines = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}{VERSION}{}", inside.origin());
    let early = text_frame("early");
    line.send(&[inside.handshake("/ws", &lines).as_bytes(), &early].concat()).await;
    let heard = hear(&mut line, b"early").await;
    assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
    let text = inside.program.backend.text();
    assert_eq!(text.matches(" HTTP/1.1\r\n").count(), 1, "{text}");
}

/// H-05. Whatever is wrong with the handshake, no backend hears of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_handshake_reaches_nobody() {
    let inside = Inside::with_websockets().await;
    let (origin, up) = (inside.origin(), "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    let mut cases: Vec<(String, u16)> = Vec::new();
    for version in ["", "0", "7", "8", "12", "14", "13, 8", "8, 13", "013", "13.0", "x"] {
        cases.push((format!("{up}{KEY}Sec-WebSocket-Version: {version}\r\n{origin}"), 400));
    }
    cases.push((format!("{up}{KEY}{origin}"), 400));
    cases.push((format!("{up}{KEY}{VERSION}{VERSION}{origin}"), 400));
    for key in [
        "",
        "short",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZTEx",
        "!!!!",
        "dGhlIHNhbXBsZSBub25jZQ==x",
    ] {
        cases.push((format!("{up}Sec-WebSocket-Key: {key}\r\n{VERSION}{origin}"), 400));
    }
    cases.push((format!("{up}{VERSION}{origin}"), 400));
    cases.push((format!("{up}{KEY}{KEY}{VERSION}{origin}"), 400));
    cases.push((format!("{up}{KEY}{VERSION}{origin}Content-Length: 3\r\n"), 400));
    cases.push((format!("{up}{KEY}{VERSION}{origin}Transfer-Encoding: chunked\r\n"), 400));
    for foreign in [
        "https://evil.example".to_owned(),
        "https://other.localhost".to_owned(),
        "https://bank.localhost".to_owned(),
        format!("http://{}", inside.host),
        format!("https://{}.evil.example", inside.host),
        format!("https://evil.example/{}", inside.host),
        format!("https://{}/", inside.host),
        format!("https://x.{}", inside.host),
        format!("https://{} https://evil.example", inside.host),
        "null".to_owned(),
        "file://".to_owned(),
        String::new(),
    ] {
        cases.push((format!("{up}{KEY}{VERSION}Origin: {foreign}\r\n"), 403));
    }
    cases.push((format!("{up}{KEY}{VERSION}"), 403));
    cases.push((format!("{up}{KEY}{VERSION}{origin}{origin}"), 403));
    for (lines, status) in &cases {
        let mut line = inside.h1.open().await.unwrap();
        line.send((inside.handshake("/ws", lines) + "0\r\n\r\n").as_bytes()).await;
        let heard = line.answer().await.unwrap_or_default();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{lines:?}: {heard}");
    }
    for line in ["POST /ws HTTP/1.1", "GET /ws HTTP/1.0", "PUT /ws HTTP/1.1"] {
        let bytes = format!("{line}\r\n{}{up}{KEY}{VERSION}{origin}\r\n", inside.lines());
        let heard = inside.h1.exchange(bytes.as_bytes()).await;
        assert_eq!(heard.status(), Some(400), "{line}: {}", heard.text());
    }
    // No session: signing in comes first.
    let bytes = format!("GET /ws HTTP/1.1\r\nHost: {}\r\n{up}{KEY}{VERSION}{origin}\r\n", inside.host);
    let mut line = inside.h1.open().await.unwrap();
    line.send(bytes.as_bytes()).await;
    let heard = line.answer().await.unwrap_or_default();
    assert!(!heard.starts_with("HTTP/1.1 101") && !heard.starts_with("HTTP/1.1 200"), "{heard}");
    let text = inside.program.backend.text();
    assert_eq!(text, "", "{} handshakes", cases.len());
    assert!(cases.len() >= 35, "{}", cases.len());
}

/// H-05. Frames are the backend's affair: what breaks it ends that tunnel and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn broken_frames_end_their_own_tunnel() {
    let inside = Inside::with_websockets().await;
    let stream = inside.client.wire.tls("bank.localhost", "http/1.1").await.unwrap();
    let uri = format!("wss://{}/ws", inside.host);
    let request = http::Request::get(uri)
        .header("host", &inside.host)
        .header("origin", inside.client.origin())
        .header("cookie", &inside.cookie)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let (mut bystander, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let sockets = || inside.program.backend.sockets.load(Ordering::SeqCst);
    let lines = format!("Connection: Upgrade\r\nUpgrade: websocket\r\n{KEY}{VERSION}{}", inside.origin());
    let masked = |head: &[u8], body: &[u8]| [head, &[0; 4], body].concat();
    for (what, frame) in [
        ("unmasked", vec![0x81, 5, b'h', b'e', b'l', b'l', b'o']),
        ("a length of 2^63", masked(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], b"x")),
        ("a length of 1 GiB", masked(&[0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0], b"x")),
        ("a ping in pieces", masked(&[0x09, 0x85], b"hello")),
        ("a ping of 126 bytes", masked(&[0x89, 0xfe, 0, 126], &[0; 126])),
        ("a reserved kind", masked(&[0x83, 0x85], b"hello")),
        ("reserved bits", masked(&[0xf1, 0x85], b"hello")),
        ("a continuation of nothing", masked(&[0x80, 0x85], b"hello")),
        ("text that is none", masked(&[0x81, 0x82], &[0xc0, 0xaf])),
    ] {
        let mut line = inside.h1.open().await.unwrap();
        line.send(inside.handshake("/ws", &lines).as_bytes()).await;
        let heard = hear(&mut line, b"\r\n\r\n").await;
        assert!(heard.starts_with("HTTP/1.1 101 "), "{heard}");
        line.send(&frame).await;
        let heard = line.listen(PATIENCE).await;
        assert!(heard.ended, "{what}: the tunnel goes on");
        assert!(!heard.text().contains("hello"), "{what}: {heard:?}");
    }
    let closed = async {
        while sockets() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, closed).await.expect("the backend's tunnels end");
    bystander.send(Message::text("still here")).await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, bystander.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(echo, Message::text("still here"));
    inside.must_serve_the_honest().await;
}

/// Reads until these bytes are there.
async fn hear(line: &mut Line, what: &[u8]) -> String {
    while !line.unread.windows(what.len()).any(|part| part == what) {
        let more = tokio::time::timeout(PATIENCE, line.more()).await.expect("an answer in time");
        assert!(more, "it ended: {}", String::from_utf8_lossy(&line.unread));
    }
    let heard = String::from_utf8_lossy(&line.unread).into_owned();
    line.unread.clear();
    heard
}

fn text_frame(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

const SILENCE: Duration = Duration::from_millis(150);
