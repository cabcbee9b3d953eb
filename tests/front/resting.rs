//! Connections of HTTP/1.1 that nobody asks anything over: they give their buffers back, and miss nothing.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::gate::{Gate, PATIENCE, read_all, read_answer};

const BANK: &str = "bank.localhost";
const GET: &str = "GET / HTTP/1.1\r\nHost: bank.localhost\r\n\r\n";

/// A connection that has had one answer and rests, and how often any rested by then.
async fn resting(gate: &Gate) -> TlsStream<TcpStream> {
    let mut stream = gate.client().connect(BANK).await.unwrap();
    asks(&mut stream, GET).await;
    rests(gate, 1).await;
    stream
}

async fn asks(stream: &mut TlsStream<TcpStream>, request: &str) {
    stream.write_all(request.as_bytes()).await.unwrap();
    assert!(read_answer(stream).await.starts_with("http/1.1 200"), "{request}");
}

/// Waits until connections have gone to rest so many times.
async fn rests(gate: &Gate, times: u64) {
    let all = async {
        while rested(gate) < times {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("it goes to rest");
}

fn rested(gate: &Gate) -> u64 {
    let text = gate.front.metrics();
    let line = text.lines().find_map(|line| line.strip_prefix("portcullis_connections_rested_total "));
    line.expect("a counter").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_next_is_answered() {
    let gate = Gate::open();
    let mut stream = resting(&gate).await;
    let long = format!("GET / HTTP/1.1\r\nHost: bank.localhost\r\nCookie: {}\r\n\r\n", "c".repeat(3000));
    let upload = "POST /echo HTTP/1.1\r\nHost: bank.localhost\r\nContent-Length: 9\r\n\r\nnine more";
    for (times, request) in [long.as_str(), upload, GET].into_iter().enumerate() {
        asks(&mut stream, request).await;
        rests(&gate, times as u64 + 2).await;
    }
    // In pieces, the first of which wakes it.
    for piece in [&GET[..1], &GET[1..30], &GET[30..]] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(read_answer(&mut stream).await.contains("200 ok"));
    rests(&gate, 5).await;
    // Two at once.
    stream.write_all(format!("{GET}{upload}").as_bytes()).await.unwrap();
    let both = read_answer(&mut stream).await;
    let both = if both.contains("nine more") { both } else { both + &read_answer(&mut stream).await };
    assert!(both.contains("door of") && both.contains("nine more"), "{both}");
    assert_eq!(gate.seen().len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_beginning_of_a_request_is_not_forgotten() {
    let gate = Gate::with(|settings| settings.header_ms_max = 3_000);
    let mut stream = gate.client().connect(BANK).await.unwrap();
    // The second has come in part with the first, and waits in the buffers that are given back.
    stream.write_all(format!("{GET}{}", &GET[..20]).as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.contains("200 ok"));
    rests(&gate, 1).await;
    asks(&mut stream, &GET[20..]).await;
    // And is waited for no longer than any other.
    stream.write_all(format!("{GET}{}", &GET[..20]).as_bytes()).await.unwrap();
    read_all(&mut stream).await;
    assert_eq!(gate.seen().len(), 3);
}

/// What is left of a body that nobody read is never taken for a request.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_body_unread_it_does_not_rest() {
    let gate = Gate::open();
    let mut stream = gate.client().connect(BANK).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: bank.localhost\r\nContent-Length: 100\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.contains("200 ok"));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // It may have been closed.
    drop(stream.write_all(GET.as_bytes()).await);
    read_all(&mut stream).await;
    assert_eq!(gate.seen().len(), 1);
    assert_eq!(rested(&gate), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_as_others_do() {
    // With its certificate.
    let gate = Gate::open();
    let device = gate.device();
    let mut stream = gate.client().showing(&device).connect(BANK).await.unwrap();
    asks(&mut stream, GET).await;
    rests(&gate, 1).await;
    assert_eq!(gate.live.cut(&portcullis::crypto::sha256(&device.der)), 1);
    read_all(&mut stream).await;
    // When its client goes.
    let mut stream = gate.client().connect(BANK).await.unwrap();
    asks(&mut stream, GET).await;
    rests(&gate, 2).await;
    stream.shutdown().await.unwrap();
    read_all(&mut stream).await;
    // When a head that began does not end.
    let gate = Gate::with(|settings| settings.header_ms_max = 300);
    let mut stream = resting(&gate).await;
    stream.write_all(b"GET / HT").await.unwrap();
    read_all(&mut stream).await;
    // With its time.
    let gate = Gate::with(|settings| settings.idle_ms_max = 1_500);
    read_all(&mut resting(&gate).await).await;
    // With the house, saying goodbye.
    let mut gate = Gate::open();
    let mut stream = resting(&gate).await;
    gate.stop.cancel();
    let mut nothing = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut nothing);
    assert_eq!(tokio::time::timeout(PATIENCE, read).await.unwrap().expect("an end in good order"), 0);
    tokio::time::timeout(PATIENCE, gate.running.take().unwrap().finished()).await.expect("all threads end");
}
