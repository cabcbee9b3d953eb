//! Behind a balancer of the PROXY protocol the client's own address is the one that counts, everywhere.

use axum::body::Body;
use http::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use portcullis::audit::Event;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::support::browser::{Browser, navigation};
use crate::support::desk::*;
use crate::support::gate::Gate;
use crate::support::program::Program;
use crate::support::wire::{Answer, whole};

/// One request through the balancer, whose client has this address.
async fn relayed(client: &Browser, address: [u8; 4], mut request: Request<Body>) -> Answer {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut stream = socket.connect(client.wire.address).await.unwrap();
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(address);
    header.extend([127, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb]);
    stream.write_all(&header).await.unwrap();
    let config = std::sync::Arc::new(client.wire.config(&["http/1.1"]));
    let stream =
        TlsConnector::from(config).connect("bank.localhost".try_into().unwrap(), stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client.dress(&mut request);
    whole(sender.send_request(request).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_and_the_trail_are_told_the_clients_address() {
    let gate = Gate::with(|plan| plan.balancers = vec!["127.0.0.2/32"]).await;
    let (client, _, _) = anna_inside(&gate).await;
    let mut request = navigation("/accounts");
    request.headers_mut().insert("x-forwarded-for", "6.6.6.6".parse().unwrap());
    gate.backend.forget();
    assert_eq!(relayed(&client, [203, 0, 113, 9], request).await.status, 200);
    assert_eq!(gate.backend.header("x-forwarded-for").as_deref(), Some("203.0.113.9"));
    assert!(gate.backend.header("forwarded").unwrap().contains("for=203.0.113.9;"));
    assert!(!gate.backend.text().contains("6.6.6.6"));

    // What the route does not allow is refused, and written down.
    let mut worker = navigation("/sw.js");
    worker.headers_mut().insert("service-worker", "script".parse().unwrap());
    assert_eq!(relayed(&client, [203, 0, 113, 10], worker).await.status, 403);
    let trail = gate.trail().await;
    let refused = trail.iter().rev().find(|line| line.what == Event::RequestRefused).expect("a line");
    assert_eq!(refused.whence.as_deref(), Some("203.0.113.10"));
}

/// Whoever set up the balancer finds in the log what it should send, and which setting is meant: once, however many
/// clients meet it.
#[tokio::test(flavor = "multi_thread")]
async fn a_balancer_that_says_it_otherwise_is_told_in_the_log() {
    for (sent, why) in [
        (&b"PROXY TCP4 203.0.113.9 127.0.0.1 54321 443\r\n"[..], "begins with version 1"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03and so on", "begins with TLS"),
    ] {
        let gate = Gate::open().await;
        let file = gate.config.file.clone();
        let written = std::fs::read_to_string(&file).unwrap();
        let with = written.replacen("[listen]\n", "[listen]\nproxy_protocol_from = [\"127.0.0.2/32\"]\n", 1);
        assert_ne!(with, written);
        std::fs::write(&file, with).unwrap();
        let program = Program::instead_of(gate).await;
        for _ in 0..3 {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let mut stream = socket.connect(program.wire.address).await.unwrap();
            stream.write_all(sent).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
            assert_eq!(rest, b"");
        }
        let log = program.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("proxy_protocol_from")).collect();
        assert_eq!(lines.len(), 1, "{log}");
        let told = ["WARN", "127.0.0.2", why, "send-proxy-v2"].iter().all(|word| lines[0].contains(word));
        assert!(told, "{lines:?}");
    }
}

/// Each balancer that speaks otherwise is told of, though another was just told of; and so is one that the settings do not
/// name, whose header is taken for a client's first bytes.
#[tokio::test(flavor = "multi_thread")]
async fn each_balancer_is_told_of_and_one_that_is_not_named_too() {
    let gate = Gate::open().await;
    let file = gate.config.file.clone();
    let written = std::fs::read_to_string(&file).unwrap();
    let named = "[listen]\nproxy_protocol_from = [\"127.0.0.2/32\", \"127.0.0.3/32\"]\n";
    std::fs::write(&file, written.replacen("[listen]\n", named, 1)).unwrap();
    let program = Program::instead_of(gate).await;
    let (old, new) =
        (&b"PROXY TCP4 203.0.113.9 127.0.0.1 54321 443\r\n"[..], &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..]);
    let new = [new, &[203, 0, 113, 9, 127, 0, 0, 1, 0xd4, 0x31, 0x01, 0xbb], b"\x16\x03\x01"].concat();
    let says = async |from: &str, sent: &[u8]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        let mut stream = socket.connect(program.wire.address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    for _ in 0..2 {
        says("127.0.0.2", old).await;
        says("127.0.0.3", old).await;
        says("127.0.0.4", old).await;
        says("127.0.0.5", &new).await;
        // Whoever speaks no TLS at all is no balancer.
        says("127.0.0.6", b"GET / HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await;
    }
    let log = program.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("proxy_protocol_from")).collect();
    let of = |address: &str| lines.iter().filter(|line| line.contains(address)).count();
    assert_eq!([2, 3, 4, 5, 6].map(|n| of(&format!("127.0.0.{n}:"))), [1, 1, 1, 1, 0], "{log}");
    assert!(lines.iter().all(|line| line.contains("WARN")), "{lines:?}");
    let unnamed = lines.iter().find(|line| line.contains("127.0.0.5")).unwrap();
    assert!(unnamed.contains("is not named"), "{unnamed}");
}
