//! The PROXY protocol: a balancer says who its client is, and nobody else does.

use std::net::SocketAddr;

use http::Request;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::gate::{Gate, read_all, read_answer};

const BANK: &str = "bank.localhost";
const BALANCER: &str = "127.0.0.2";

fn gate(change: impl FnOnce(&mut portcullis::front::Settings)) -> Gate {
    Gate::with(|settings| {
        settings.relayed_from = vec![format!("{BALANCER}/32").parse().unwrap()];
        change(settings);
    })
}

/// A connection from there.
async fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

fn header(command: u8, client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, 12]);
    header.extend(client);
    header.extend([127, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb]);
    header
}

/// What a request over a connection is answered after these bytes; empty where it is not.
async fn asked(gate: &Gate, mut stream: TcpStream, before: &[u8]) -> String {
    if stream.write_all(before).await.is_err() {
        return String::new();
    }
    let name = BANK.try_into().unwrap();
    let Ok(mut stream) = TlsConnector::from(gate.client().config()).connect(name, stream).await else {
        return String::new();
    };
    stream.write_all(format!("GET / HTTP/1.1\r\nHost: {BANK}\r\n\r\n").as_bytes()).await.unwrap();
    read_answer(&mut stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_is_whom_the_balancer_names() {
    let gate = gate(|_| {});
    let client = [203, 0, 113, 9];
    let answer = asked(&gate, from(BALANCER, gate.address).await, &header(0x21, client)).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert_eq!(gate.seen()[0].peer.address, "203.0.113.9:54321".parse().unwrap());
    // The balancer looks whether we live: it is its own client.
    let answer = asked(&gate, from(BALANCER, gate.address).await, &header(0x20, client)).await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert_eq!(gate.seen()[1].peer.address.ip().to_string(), BALANCER);
    // From elsewhere nobody says it, and nobody need.
    let answer = asked(&gate, from("127.0.0.3", gate.address).await, b"").await;
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert_eq!(gate.seen()[2].peer.address.ip().to_string(), "127.0.0.3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_from_elsewhere_or_none_from_the_balancer_ends_the_connection() {
    let gate = gate(|_| {});
    let good = header(0x21, [203, 0, 113, 9]);
    for (ip, before) in [
        ("127.0.0.3", good.clone()),
        (BALANCER, vec![]),
        (BALANCER, b"PROXY TCP4 203.0.113.9 127.0.0.1 54321 443\r\n".to_vec()),
        (BALANCER, header(0x22, [203, 0, 113, 9])),
        (BALANCER, header(0x21, [0; 4])),
        (BALANCER, [&good[..], &good[..]].concat()),
    ] {
        let answer = asked(&gate, from(ip, gate.address).await, &before).await;
        assert_eq!(answer, "", "{ip} {before:?}");
    }
    assert!(gate.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_header_is_part_of_the_handshakes_time() {
    let gate = gate(|settings| settings.handshake_ms_max = 300);
    let mut silent = from(BALANCER, gate.address).await;
    read_all(&mut silent).await;
    let mut half = from(BALANCER, gate.address).await;
    half.write_all(&header(0x21, [203, 0, 113, 9])[..20]).await.unwrap();
    read_all(&mut half).await;
    let mut whole = from(BALANCER, gate.address).await;
    whole.write_all(&header(0x21, [203, 0, 113, 9])).await.unwrap();
    read_all(&mut whole).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_by_the_client_behind_the_balancer() {
    let gate = gate(|settings| settings.connections_per_address_max = 2);
    let mut held = Vec::new();
    let mut inside = async |client: [u8; 4]| {
        let mut stream = from(BALANCER, gate.address).await;
        stream.write_all(&header(0x21, client)).await.unwrap();
        let io = TlsConnector::from(gate.client().alpn(&["h2"]).config());
        let stream = io.connect(BANK.try_into().unwrap(), stream).await.ok()?;
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.ok()?;
        tokio::spawn(connection);
        let request = Request::get(format!("https://{BANK}/")).body(axum::body::Body::empty()).unwrap();
        let status = sender.send_request(request).await.ok()?.status();
        held.push(sender);
        Some(status.as_u16())
    };
    for client in [[203, 0, 113, 1], [203, 0, 113, 1], [203, 0, 113, 2], [203, 0, 113, 2]] {
        assert_eq!(inside(client).await, Some(200));
    }
    assert_eq!(inside([203, 0, 113, 1]).await, None, "a third of one client");
    assert_eq!(inside([203, 0, 113, 3]).await, Some(200), "the balancer itself is not counted");
}
