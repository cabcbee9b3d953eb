//! Crowds that stand still: in the midst of a handshake, or in front of an answer that they hardly take.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::gate::{Gate, PATIENCE, h2_get, read_all};

const BANK: &str = "bank.localhost";

/// T-24. Two hundred who say nothing, half a `ClientHello`, or all of it and not what comes after: all are cut, others
/// are served meanwhile, and each place is given back.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_stands_still_in_its_handshakes_is_cut() {
    let gate = Gate::with(|settings| settings.handshake_ms_max = 2_000);
    let name = ServerName::try_from(BANK).unwrap();
    let mut client = rustls::ClientConnection::new(gate.client().config(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut crowd = tokio::task::JoinSet::new();
    for n in 0..CROWD {
        let said = hello[..[0, hello.len() / 2, hello.len()][n % 3]].to_vec();
        let mut stream = TcpStream::connect(gate.address).await.unwrap();
        stream.write_all(&said).await.unwrap();
        crowd.spawn(async move {
            // What the server says to the hello, and then its end.
            read_all(&mut stream).await;
        });
    }
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
    while let Some(cut) = crowd.join_next().await {
        cut.unwrap();
    }
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
    emptied(&gate).await;
    let metrics = gate.front.metrics();
    assert!(metrics.contains(&format!("outcome=\"slow\",certificate=\"none\"}} {CROWD}\n")), "{metrics}");
    assert_eq!(gate.seen().len(), 2);
}

/// H-14. Who takes an answer byte by byte takes nothing worth waiting for: windows of HTTP/2 of one byte, and a
/// socket with next to no room.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_taken_byte_by_byte_is_cut() {
    let gate = Gate::with(|settings| settings.write_stall_ms_max = 800);
    let io = TokioIo::new(gate.client().alpn(&["h2"]).connect(BANK).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1).initial_connection_window_size(1 << 20);
    let (mut sender, connection) = builder.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut answer = h2_get(&mut sender, "https://bank.localhost/endless").await.unwrap();
    let mut read = 0;
    let cut = async {
        while let Some(Ok(frame)) = answer.body_mut().frame().await {
            read += frame.data_ref().map_or(0, bytes::Bytes::len);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("it is cut");
    assert!(read < 10_000, "{read}");

    let mut stream = gate.client().connect(BANK).await.unwrap();
    SockRef::from(stream.get_ref().0).set_recv_buffer_size(2048).unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await.unwrap();
    let (mut socket, _tls) = stream.into_inner();
    let cut = async {
        let mut byte = [0];
        while gate.front.metrics().contains("connections_open 1\n") {
            let _ = socket.read(&mut byte).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("it is cut");
    emptied(&gate).await;
}

/// H-14. Heads and bodies over HTTP/2 that do not come: nobody waits for them, and others are served.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_never_finishes_its_requests_is_cut() {
    let gate = Arc::new(Gate::with(|settings| {
        settings.header_ms_max = 1_500;
        settings.body_idle_ms_max = 1_500;
    }));
    let mut crowd = tokio::task::JoinSet::new();
    for n in 0..CROWD / 2 {
        let gate = Arc::clone(&gate);
        crowd.spawn(async move {
            if n % 2 == 0 {
                let mut stream = gate.client().connect(BANK).await.unwrap();
                stream.write_all(b"GET / HTTP/1.1\r\nHost: bank.localhost\r\nX-A: ").await.unwrap();
                read_all(&mut stream).await;
            } else {
                let mut sender = gate.client().alpn(&["h2"]).http2(BANK).await;
                let silent = axum::body::Body::from_stream(futures_util::stream::pending::<
                    std::io::Result<bytes::Bytes>,
                >());
                let request = http::Request::post("https://bank.localhost/echo").body(silent).unwrap();
                let answer =
                    tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("an end");
                assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status() == 408));
            }
        });
    }
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
    while let Some(cut) = crowd.join_next().await {
        cut.unwrap();
    }
    emptied(&gate).await;
    assert_eq!(gate.client().get(BANK, BANK, "/").await, Some(200));
}

/// Every place is free again.
async fn emptied(gate: &Gate) {
    let emptied = async {
        while !gate.front.metrics().contains("connections_open 0\n") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, emptied).await.expect("all places are given back");
}

const CROWD: usize = 200;
