//! Cutting one certificate's connections, and closing the house (T-06, O-05).

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gate::{Gate, PATIENCE, h2_get, read_all, read_answer};

const BANK: &str = "bank.localhost";

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_reaches_every_kind_of_connection() {
    let gate = Gate::open();
    let (device, other) = (gate.device(), gate.device());
    let idle_head = b"GET / HTTP/1.1\r\nHost: bank.localhost\r\n\r\n";
    let mut idle = gate.client().showing(&device).connect(BANK).await.unwrap();
    idle.write_all(idle_head).await.unwrap();
    read_answer(&mut idle).await;
    let mut http2 = gate.client().alpn(&["h2"]).showing(&device).http2(BANK).await;
    let mut download = h2_get(&mut http2, "https://bank.localhost/endless").await.unwrap();
    let mut tunnel = gate.client().showing(&device).connect(BANK).await.unwrap();
    let upgrade =
        b"GET /tunnel HTTP/1.1\r\nHost: bank.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    tunnel.write_all(upgrade).await.unwrap();
    assert!(read_answer(&mut tunnel).await.contains("101 switching"));
    tunnel.write_all(b"a").await.unwrap();
    let mut byte = [0];
    tunnel.read_exact(&mut byte).await.unwrap();
    assert_eq!(&byte, b"a");
    let mut spared = gate.client().showing(&other).connect(BANK).await.unwrap();
    spared.write_all(idle_head).await.unwrap();
    read_answer(&mut spared).await;

    assert_eq!(gate.live.count(), 4);
    assert_eq!(gate.live.cut(&portcullis::crypto::sha256(&device.der)), 3);
    read_all(&mut idle).await;
    read_all(&mut tunnel).await;
    let ended = async { while let Some(Ok(_)) = download.body_mut().frame().await {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the download ends");
    spared.write_all(idle_head).await.unwrap();
    assert!(read_answer(&mut spared).await.contains("200 ok"));
    // A client hears the end of its connection a moment before the register does.
    let one_left = async {
        while gate.live.count() > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, one_left).await.expect("the others are gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_lets_what_is_under_way_finish_and_takes_in_nothing_new() {
    let mut gate = Gate::open();
    let mut slow = gate.client().connect(BANK).await.unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await.unwrap();
    let mut http2 = gate.client().alpn(&["h2"]).http2(BANK).await;
    let mut again = http2.clone();
    let slow2 = tokio::spawn(async move { h2_get(&mut http2, "https://bank.localhost/slow").await });
    let mut idle = gate.client().connect(BANK).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    tokio::time::timeout(PATIENCE, async {
        while gate.seen().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();

    gate.stop.cancel();
    read_all(&mut idle).await;
    assert!(String::from_utf8_lossy(&read_all(&mut slow).await).contains("slow but done"));
    assert_eq!(slow2.await.unwrap().unwrap().status(), 200);
    tokio::time::timeout(PATIENCE, gate.running.take().unwrap().finished()).await.expect("all threads end");
    assert!(h2_get(&mut again, "https://bank.localhost/").await.is_err());
    assert!(tokio::net::TcpStream::connect(gate.address).await.is_err());
    assert_eq!(gate.seen().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_is_cut_in_the_end() {
    let mut gate = Gate::with(|settings| settings.drain_ms_max = 400);
    let mut never = gate.client().connect(BANK).await.unwrap();
    never.write_all(b"GET /never HTTP/1.1\r\nHost: bank.localhost\r\n\r\n").await.unwrap();
    let mut tunnel = gate.client().connect(BANK).await.unwrap();
    let upgrade =
        b"GET /tunnel HTTP/1.1\r\nHost: bank.localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    tunnel.write_all(upgrade).await.unwrap();
    assert!(read_answer(&mut tunnel).await.contains("101 switching"));
    gate.stop.cancel();
    tokio::time::timeout(PATIENCE, gate.running.take().unwrap().finished()).await.expect("all threads end");
    read_all(&mut never).await;
    read_all(&mut tunnel).await;
}

#[test]
fn a_taken_port_is_said() {
    let address = "127.0.0.1:0".parse().unwrap();
    let first = portcullis::front::accept::bind(address, 2).unwrap();
    let taken = portcullis::front::accept::bind(first[0].local_addr().unwrap(), 2).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}

/// H-13. Whoever is refused before all was read hears it: a socket that is closed with something unread takes the answer
/// back (RFC 9112 9.6).
#[tokio::test(flavor = "multi_thread")]
async fn who_is_answered_before_all_was_read_hears_the_answer() {
    let gate = Gate::open();
    let piece = [b'x'; 64 * 1024];
    let long = format!("{}\r\n", "y".repeat(64 * 1024));
    for (head, says) in [
        (format!("POST / HTTP/1.1\r\nHost: {BANK}\r\nContent-Length: 4194304\r\n\r\n"), "200 ok"),
        (
            format!("POST / HTTP/1.1\r\nHost: {BANK}\r\nTransfer-Encoding: chunked\r\n\r\n400000\r\n"),
            "200 ok",
        ),
        (format!("GET / HTTP/1.1\r\nHost: {BANK}\r\nX-Long: {long}"), "431"),
    ] {
        let mut stream = gate.client().connect(BANK).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..64 {
            stream.write_all(&piece).await.expect("it listens to the end");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        stream.flush().await.unwrap();
        let answer = String::from_utf8_lossy(&read_all(&mut stream).await).to_ascii_lowercase();
        assert!(answer.starts_with(&format!("http/1.1 {says}")), "{head:.40}: {answer}");
    }
}
