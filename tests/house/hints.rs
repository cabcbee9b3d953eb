//! Early hints (RFC 8297): what a backend says before its answer reaches whoever opens a page, while it is worth something.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use portcullis::domain::route::Route;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

use crate::support::PATIENCE;
use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::{Gate, id};

/// What stands before the answer. It would set a cookie and send the browser elsewhere, if it could.
const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </page.css>; rel=preload; as=style\r\n\
     Content-Security-Policy: style-src 'self'\r\nSet-Cookie: __Host-portcullis=stolen; Path=/; Secure\r\n\
     Portcullis-Subject: eva\r\nLocation: https://evil.example/\r\n\r\n";

/// A backend that says `hints` at once, and answers when it is told to.
struct Slow {
    backend: String,
    go: mpsc::Sender<()>,
}

impl Slow {
    async fn saying(hints: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, mut may) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|n| n > 0) {}
                stream.write_all(hints.as_bytes()).await.unwrap();
                may.recv().await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\npage")
                    .await;
            }
        });
        Self { backend: format!("http://{address}"), go }
    }

    /// One of HTTP/2, which says so many of the same.
    async fn over_http2(hints: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (go, may) = mpsc::channel(1);
        let may = Arc::new(Mutex::new(may));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let may = Arc::clone(&may);
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((_, respond))) = connection.accept().await {
                        tokio::spawn(answer_over_http2(respond, hints, Arc::clone(&may)));
                    }
                });
            }
        });
        Self { backend: format!("h2c://{address}"), go }
    }
}

async fn answer_over_http2(
    mut respond: h2::server::SendResponse<Bytes>,
    hints: usize,
    may: Arc<Mutex<mpsc::Receiver<()>>>,
) {
    let hint = Response::builder().status(103).header("link", "</page.css>; rel=preload; as=style");
    let hint = hint.header("content-security-policy", "style-src 'self'");
    let hint = hint.header("set-cookie", "__Host-portcullis=stolen; Path=/; Secure");
    let hint = hint.header("location", "https://evil.example/").body(()).unwrap();
    for _ in 0..hints {
        let _ = respond.send_informational(hint.clone());
    }
    may.lock().await.recv().await;
    if let Ok(mut page) = respond.send_response(Response::new(()), false) {
        let _ = page.send_data("page".into(), true);
    }
}

/// What came before an answer: for each, its status and the names in its head.
type Before = Vec<(u16, Vec<String>)>;

/// Asks over HTTP/2. The backend answers once `wanted` answers before the answer are there, or none came for a while.
async fn ask(
    client: &Browser,
    slow: &Slow,
    wanted: usize,
    request: Request<axum::body::Body>,
) -> (Before, u16) {
    let mut request = request;
    client.dress(&mut request);
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("https://{}{}", client.host, request.uri().path()).parse().unwrap();
    let stream = client.wire.tls("bank.localhost", "h2").await.unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    let driven = tokio::spawn(connection);
    let (mut answer, _) = h2.send_request(request.map(drop), true).unwrap();
    let mut before = Before::new();
    let patience = if wanted > 0 { PATIENCE } else { Duration::from_millis(500) };
    while let Ok(Some(hint)) =
        tokio::time::timeout(patience, std::future::poll_fn(|cx| answer.poll_informational(cx))).await
    {
        let hint = hint.unwrap();
        before.push((hint.status().as_u16(), hint.headers().keys().map(ToString::to_string).collect()));
        if before.len() == wanted {
            break;
        }
    }
    slow.go.send(()).await.unwrap();
    let status = answer.await.unwrap().status().as_u16();
    driven.abort();
    (before, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_a_page_hears_what_it_will_need_before_it_comes() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    for slow in [Slow::saying(HINT.to_owned()).await, Slow::over_http2(1).await] {
        gate.put(&Route::to(&id("bank"), "portal", "/", slow.backend.clone())).await;
        let (before, status) = ask(&client, &slow, 1, navigation("/accounts")).await;
        let names = ["link", "content-security-policy"].map(str::to_owned).to_vec();
        assert_eq!((before, status), (vec![(103, names)], 200), "{}", slow.backend);

        // A script is told no more than an answer.
        let mut script = navigation("/accounts");
        script.headers_mut().insert("sec-fetch-mode", "cors".parse().unwrap());
        assert_eq!(ask(&client, &slow, 0, script).await, (vec![], 200), "{}", slow.backend);
    }
}

/// H-21: of what a backend says before its answer, what names nothing to load goes no further; and a storm of it is kept
/// nowhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_hint_goes_no_further() {
    let gate = Gate::open().await;
    let (client, _, _) = anna_inside(&gate).await;
    let idle = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n";
    for (slow, wanted, status) in [
        (Slow::saying(idle.to_owned()).await, 0, 200),
        (Slow::saying(format!("{idle}{HINT}{idle}{HINT}")).await, 2, 200),
        (Slow::saying(HINT.repeat(40)).await, 0, 502),
        (Slow::over_http2(40).await, 0, 502),
    ] {
        gate.put(&Route::to(&id("bank"), "portal", "/", slow.backend.clone())).await;
        let (before, answered) = ask(&client, &slow, wanted, navigation("/accounts")).await;
        assert_eq!(answered, status);
        assert!(before.len() <= 8 && (status != 200 || before.len() == wanted), "{before:?}");
        assert!(before.iter().all(|(status, _)| *status == StatusCode::EARLY_HINTS.as_u16()), "{before:?}");
    }
}
