//! Those who stand still, come too often, or send too much (T-24, H-13, H-14).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gate::{Gate, PATIENCE, h2_get, read_all, read_answer, status_of};

const BANK: &str = "bank.localhost";
const HEAD: &str = "GET / HTTP/1.1\r\nHost: bank.localhost\r\n";

/// Waits for the other side to close; fails where it does not.
async fn closes(mut stream: impl AsyncReadExt + Unpin) {
    read_all(&mut stream).await;
}

/// T-24. Whatever it has said by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_stands_still_is_cut() {
    let gate = Gate::with(|settings| settings.handshake_ms_max = 300);
    closes(TcpStream::connect(gate.address).await.unwrap()).await;
    let mut half = TcpStream::connect(gate.address).await.unwrap();
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
    closes(half).await;
    // Others are served while somebody stands still.
    let _still = TcpStream::connect(gate.address).await.unwrap();
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
}

/// H-14. The first head or a later one, byte by byte or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut() {
    let gate = Gate::with(|settings| settings.header_ms_max = 300);
    // No first request, on either protocol.
    closes(gate.client().connect(BANK).await.unwrap()).await;
    closes(gate.client().alpn(&["h2"]).connect(BANK).await.unwrap()).await;
    // Byte by byte, first request and second.
    for before in [0, 1] {
        let mut stream = gate.client().connect(BANK).await.unwrap();
        for _ in 0..before {
            stream.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
            assert!(read_answer(&mut stream).await.contains("door of"));
        }
        let (mut read, mut write) = tokio::io::split(stream);
        let dribble = tokio::spawn(async move {
            for byte in HEAD.bytes().chain(std::iter::repeat_n(b'x', 10_000)) {
                if write.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        read_all(&mut read).await;
        dribble.abort();
    }
    assert_eq!(gate.seen().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_may_rest_longer_than_a_head_may_take_and_then_ends() {
    let gate = Gate::with(|settings| {
        settings.header_ms_max = 300;
        settings.idle_ms_max = 1_500;
    });
    let mut stream = gate.client().connect(BANK).await.unwrap();
    for _ in 0..2 {
        stream.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
        assert!(read_answer(&mut stream).await.contains("door of"));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    closes(stream).await;
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    assert_eq!(h2_get(&mut sender, "https://bank.localhost/").await.unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, async {
        while !sender.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
}

/// H-14. Silence in a body, and one that comes too slowly.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_cut() {
    let gate = Gate::with(|settings| settings.body_idle_ms_max = 300);
    let mut stream = gate.client().connect(BANK).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nHost: bank.localhost\r\nContent-Length: 100\r\n\r\nabc";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_all(&mut stream).await), Some(408));

    // Slower than the least rate, though never still.
    let gate = Gate::with(|settings| {
        settings.body_idle_ms_max = 500;
        settings.body_bytes_per_second_min = 1_000;
    });
    let stream = gate.client().connect(BANK).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    write.write_all(head.as_bytes()).await.unwrap();
    let dribble = tokio::spawn(async move {
        for _ in 0..97 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if write.write_all(b"x").await.is_err() {
                return;
            }
        }
    });
    assert_eq!(status_of(&read_all(&mut read).await), Some(408));
    dribble.abort();
}

/// Who is answered before a short body has come may still send it, and so hears the answer: some clients take a stream
/// that is reset under their upload for a failure, whatever was answered (RFC 9113 8.1). A long body is not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_body_may_come_after_the_answer() {
    let gate = Gate::with(|_| {});
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    for (pieces, taken) in [(10, true), (200, false)] {
        let (answered, wait) = tokio::sync::oneshot::channel::<()>();
        let all_sent = Arc::new(AtomicBool::new(false));
        let sent = Arc::clone(&all_sent);
        let body = async_stream(wait, pieces, sent);
        let request = Request::post("https://bank.localhost/").body(body).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        axum::body::to_bytes(Body::new(response.into_body()), 1 << 16).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        answered.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(all_sent.load(Ordering::SeqCst), taken, "{pieces} pieces");
    }
    assert_eq!(h2_get(&mut sender, "https://bank.localhost/").await.unwrap().status(), 200);
}

/// Pieces of 4 KiB, once it is told to.
fn async_stream(wait: tokio::sync::oneshot::Receiver<()>, pieces: u32, sent: Arc<AtomicBool>) -> Body {
    let first = futures_util::stream::once(async move {
        let _ = wait.await;
        Ok::<_, std::io::Error>(bytes::Bytes::new())
    });
    let piece = |_| Ok(bytes::Bytes::from_static(&[b'x'; 4096]));
    let rest = futures_util::stream::iter((0..pieces).map(piece));
    let end = futures_util::stream::poll_fn(move |_| {
        sent.store(true, Ordering::SeqCst);
        std::task::Poll::Ready(None)
    });
    Body::from_stream(first.chain(rest).chain(end))
}

/// H-14. Over either version of HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_is_cut() {
    let gate = Gate::with(|settings| settings.write_stall_ms_max = 400);
    let mut stream = gate.client().connect(BANK).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await.unwrap();
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    let response = h2_get(&mut sender, "https://bank.localhost/endless").await.unwrap();
    assert!(gate.front.metrics().contains("connections_open 2\n"));
    tokio::time::timeout(PATIENCE, async {
        while !gate.front.metrics().contains("connections_open 0\n") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("both are cut");
    drop((stream, response));
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_have_a_size() {
    let gate = Gate::with(|_| {});
    let many = "x: y\r\n".repeat(101);
    let large = format!("x: {}\r\n", "y".repeat(500_000));
    let long = format!("{}: y\r\n", "x".repeat(70_000));
    let cookies = format!("cookie: {}\r\n", "a=b; ".repeat(20_000));
    let just = format!("x: {}\r\n", "y".repeat(33_000));
    let refused = || {
        let text = gate.front.metrics();
        let name = "portcullis_http_heads_refused_total ";
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse::<usize>().unwrap()
    };
    let mut counted = 0;
    for extra in [many, large, long, cookies, just] {
        let stream = gate.client().connect(BANK).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        let head = format!("{HEAD}{extra}\r\n");
        let send = tokio::spawn(async move {
            let _ = write.write_all(head.as_bytes()).await;
            write
        });
        let answer = read_all(&mut read).await;
        assert!(matches!(status_of(&answer), Some(400 | 431) | None), "{:?}", status_of(&answer));
        send.abort();
        counted += usize::from(status_of(&answer) == Some(431));
        let told = async {
            while refused() < counted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| panic!("{} of {counted}", refused()));
    }
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    let mut request = Request::get("https://bank.localhost/");
    for n in 0..101 {
        request = request.header(format!("x-{n}"), "y");
    }
    let answer = sender.send_request(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), 431);
    assert!(gate.seen().is_empty());
    // A hundred is allowed.
    let mut stream = gate.client().connect(BANK).await.unwrap();
    let head = format!("{HEAD}{}Connection: close\r\n\r\n", "x: y\r\n".repeat(98));
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status_of(&read_all(&mut stream).await), Some(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_connections_than_there_are_places() {
    let gate = Gate::with(|settings| settings.connections_per_address_max = 3);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = gate.client().connect(BANK).await.unwrap();
        stream.write_all(format!("{HEAD}\r\n").as_bytes()).await.unwrap();
        read_answer(&mut stream).await;
        held.push(stream);
    }
    assert!(gate.client().connect(BANK).await.is_err());
    assert!(gate.front.metrics().contains("connections_refused_full_total 1\n"));
    drop(held.pop());
    tokio::time::timeout(PATIENCE, async {
        while gate.client().get(BANK, BANK, "/").await != Some(200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("a place that was given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_ours_costs_one_request() {
    let gate = Gate::with(|_| {});
    assert_eq!(gate.client().get(BANK, BANK, "/panic").await, Some(500));
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    assert_eq!(h2_get(&mut sender, "https://bank.localhost/panic").await.unwrap().status(), 500);
    assert_eq!(h2_get(&mut sender, "https://bank.localhost/").await.unwrap().status(), 200);
    assert!(gate.front.metrics().contains("panics_total 2\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_be_silent_once_its_answer_has_begun() {
    let gate = Gate::with(|settings| settings.body_idle_ms_max = 300);
    let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
    let (say, said) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(1);
    let said = futures_util::stream::unfold(said, |mut said| async move { Some((said.recv().await?, said)) });
    let request = Request::post("https://bank.localhost/both").body(Body::from_stream(said)).unwrap();
    let mut echo = Body::new(sender.send_request(request).await.unwrap().into_body()).into_data_stream();
    for word in ["one", "two"] {
        say.send(Ok(word.into())).await.unwrap();
        assert_eq!(echo.next().await.unwrap().unwrap(), word);
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    say.send(Ok("three".into())).await.unwrap();
    assert_eq!(echo.next().await.unwrap().unwrap(), "three");
}
