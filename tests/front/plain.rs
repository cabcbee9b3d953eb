//! The plain listener and the operator's.

use std::sync::Arc;

use bytes::Bytes;
use portcullis::front::{ops, plain};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, read_all};

async fn ask(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    String::from_utf8_lossy(&read_all(&mut stream).await).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn crls_and_cas_are_read_and_everybody_else_is_led_to_tls() {
    let gate = Gate::open();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let served = plain::Plain {
        crl: Arc::new(|id| (id == "devices-1").then(|| Bytes::from_static(b"the list"))),
        ca: Arc::new(|name| (name == "root").then(|| Bytes::from_static(b"the root"))),
        https_port: gate.address.port(),
        crl_seconds_max: 600,
    };
    tokio::spawn(plain::serve(listener, served, gate.front.clone()));

    let crl = ask(address, "GET /crl/devices-1.crl HTTP/1.1\r\nHost: anything").await;
    assert!(crl.contains("200 OK") && crl.contains("the list"), "{crl}");
    assert!(crl.contains("application/pkix-crl") && crl.contains("max-age=600"), "{crl}");
    assert!(ask(address, "GET /ca/root.crt HTTP/1.1\r\nHost: x").await.contains("the root"));
    for missing in ["/crl/devices-2.crl", "/ca/other.crt"] {
        assert!(ask(address, &format!("GET {missing} HTTP/1.1\r\nHost: x")).await.contains("404"));
    }
    assert!(ask(address, "POST /ca/root.crt HTTP/1.1\r\nHost: x").await.contains("405"));

    let to = format!("https://bank.localhost:{}/a?b=c", gate.address.port());
    let led = ask(address, "GET /a?b=c HTTP/1.1\r\nHost: bank.localhost:80").await;
    assert!(led.contains("308") && led.contains(&format!("location: {to}\r\n")), "{led}");
    for bad in [
        "GET /a HTTP/1.1\r\nHost: evil.example",
        "GET http://evil.example/ HTTP/1.1\r\nHost: bank.localhost",
        "GET / HTTP/1.1\r\nHost: bank.localhost@evil.example",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1",
        "GET / HTTP/1.0",
    ] {
        let answer = ask(address, bad).await;
        assert!(answer.contains("400") && !answer.contains("location"), "{bad}: {answer}");
    }
    // No HTTP/2 without TLS, however it is asked for (H-20).
    let upgrade = "GET / HTTP/1.1\r\nHost: bank.localhost\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk";
    assert!(!ask(address, upgrade).await.contains("101"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_sees_health_readiness_and_numbers() {
    let gate = Gate::open();
    assert!(ops::bind("0.0.0.0:0".parse().unwrap()).is_err());
    let listener = ops::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let told = ops::Ops {
        ready: Arc::new(|| Err("the store has not been heard from".to_owned())),
        metrics: Arc::new(|| "portcullis_more 1\n".to_owned()),
    };
    let end = CancellationToken::new();
    let serving = tokio::spawn(ops::serve(listener, told, gate.front.clone(), end.clone()));
    assert!(ask(address, "GET /healthz HTTP/1.1\r\nHost: x").await.contains("200 OK"));
    let ready = ask(address, "GET /readyz HTTP/1.1\r\nHost: x").await;
    assert!(ready.contains("503") && ready.contains("the store"), "{ready}");
    gate.client().get("bank.localhost", "bank.localhost", "/").await;
    let metrics = ask(address, "GET /metrics HTTP/1.1\r\nHost: x").await;
    assert!(metrics.contains("portcullis_handshakes_total 1\n"), "{metrics}");
    assert!(metrics.contains("portcullis_more 1\n"), "{metrics}");
    assert!(ask(address, "GET /debug HTTP/1.1\r\nHost: x").await.contains("404"));
    gate.stop.cancel();
    assert!(ask(address, "GET /readyz HTTP/1.1\r\nHost: x").await.contains("closing"));
    end.cancel();
    serving.await.unwrap().unwrap();
}
