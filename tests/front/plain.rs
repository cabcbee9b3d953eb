//! The plain listener and the operator's.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use portcullis::ca::ocsp;
use portcullis::domain::Time;
use portcullis::front::outside::{Field, Outside, Settings, access_log};
use portcullis::front::{ops, plain};
use portcullis::world::{Clock, HeldClock, World};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::gate::{Gate, read_all};

async fn ask(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (head, body) = head.split_once("\r\n\r\n").unwrap_or((head, ""));
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{body}").as_bytes()).await.unwrap();
    String::from_utf8_lossy(&read_all(&mut stream).await).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn crls_and_cas_are_read_and_everybody_else_is_led_to_tls() {
    let gate = Gate::open();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let clock = Arc::new(HeldClock::at(Time::from_secs(1_795_292_244)));
    let from = clock.now();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let outside = written_to(&log);
    let served = plain::Plain {
        crl: Arc::new(move |id| match id {
            "devices-1" => plain::File::Fresh {
                bytes: Bytes::from_static(b"the list"),
                tag: "7a".to_owned(),
                from,
                until: from.plus(Duration::from_secs(1000)),
            },
            "ended" => plain::File::Ended,
            _ => plain::File::Unknown,
        }),
        ca: Arc::new(|name| (name == "root").then(|| Bytes::from_static(b"the root"))),
        https_port: gate.address.port(),
        ocsp: Arc::new(move |question| ocsp::Answer {
            der: [b"on ", question].concat(),
            kept: (question == b"kept").then(|| (from, from.plus(Duration::from_secs(60)))),
        }),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
        outside: Arc::clone(&outside),
    };
    tokio::spawn(plain::serve(listener, served, gate.front.clone()));

    let crl = ask(address, "GET /crl/devices-1.crl HTTP/1.1\r\nHost: anything").await;
    assert!(crl.contains("200 OK") && crl.contains("the list"), "{crl}");
    for header in [
        "content-type: application/pkix-crl",
        "cache-control: public, max-age=300, no-transform, must-revalidate",
        "expires: Sat, 21 Nov 2026 20:22:24 GMT",
        "last-modified: Sat, 21 Nov 2026 20:17:24 GMT",
        "etag: \"7a\"",
    ] {
        assert!(crl.contains(&format!("{header}\r\n")), "{header}: {crl}");
    }
    for (held, unchanged) in [
        ("If-None-Match: \"7a\"", true),
        ("If-None-Match: \"77\", W/\"7a\"", true),
        ("If-None-Match: *", true),
        ("If-None-Match: \"7\"", false),
        ("If-None-Match: \"7\"\r\nIf-Modified-Since: Sat, 21 Nov 2026 20:17:24 GMT", false),
        ("If-Modified-Since: Sat, 21 Nov 2026 20:17:24 GMT", true),
        ("If-Modified-Since: Sat, 21 Nov 2026 20:17:23 GMT", false),
        ("If-Modified-Since: yesterday", false),
    ] {
        let answer = ask(address, &format!("GET /crl/devices-1.crl HTTP/1.1\r\nHost: x\r\n{held}")).await;
        assert_eq!(answer.contains("304 Not Modified"), unchanged, "{held}: {answer}");
        assert_eq!(answer.contains("the list"), !unchanged, "{held}: {answer}");
        assert!(answer.contains("etag: \"7a\"") && answer.contains("max-age=300"), "{held}: {answer}");
    }
    let post = |kind: &str, body: &str| {
        let length = body.len();
        format!(
            "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let posted = ask(address, &post("application/ocsp-request", "kept")).await;
    assert!(posted.contains("200 OK") && posted.ends_with("on kept"), "{posted}");
    assert!(posted.contains("application/ocsp-response") && posted.contains("no-store"), "{posted}");
    assert!(ask(address, &post("text/plain", "kept")).await.contains(" 415 "));
    let large = "x".repeat(ocsp::BYTES_MAX + 1);
    assert!(ask(address, &post("application/ocsp-request", &large)).await.contains(" 413 "));
    let got = ask(address, "GET /ocsp/a2VwdA%3D%3D HTTP/1.1\r\nHost: x").await;
    assert!(
        got.ends_with("on kept") && got.contains("public, max-age=60,") && got.contains("etag: "),
        "{got}"
    );
    let got = ask(address, "GET /ocsp/b25jZQ== HTTP/1.1\r\nHost: x").await;
    assert!(got.ends_with("on once") && got.contains("no-store") && !got.contains("etag"), "{got}");
    assert!(ask(address, "GET /ocsp/ HTTP/1.1\r\nHost: x").await.contains(" 404 "));
    assert!(ask(address, "PUT /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 0").await.contains(" 405 "));

    // Nobody keeps it beyond its end, and what has ended is not to be had.
    clock.advance(Duration::from_secs(990));
    let crl = ask(address, "GET /crl/devices-1.crl HTTP/1.1\r\nHost: x").await;
    assert!(crl.contains("max-age=10,") && crl.contains("expires: Sat, 21 Nov 2026 20:34:04 GMT"), "{crl}");
    let ended = ask(address, "GET /crl/ended.crl HTTP/1.1\r\nHost: x\r\nIf-None-Match: *").await;
    assert!(ended.contains("503") && ended.contains("no-store"), "{ended}");
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
    assert!(!ask(address, upgrade).await.contains(" 101 "));

    // Each has its line, in which nothing stands that could open a door, nor what a stranger names.
    assert!(
        ask(address, "GET /.portcullis/confirm/secret?s=secret HTTP/1.1\r\nHost: bank.localhost")
            .await
            .contains("308")
    );
    assert!(ask(address, "GET /secret HTTP/1.1\r\nHost: secret.example").await.contains("400"));
    tokio::task::spawn_blocking(move || outside.close()).await.unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(!text.contains("secret") && !text.contains("evil"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let whole =
        ["time", "room", "method", "path", "status", "bytes", "complete", "ms", "address", "protocol"];
    for line in &lines {
        assert!(whole.iter().all(|field| line.get(field).is_some()), "{line}");
        assert_eq!((&line["room"], line.get("tls")), (&json!("plain"), None));
    }
    for (path, status, host) in [
        ("/crl/devices-1.crl", 200, None),
        ("/crl/devices-1.crl", 304, None),
        ("/ca/other.crt", 404, None),
        ("/ocsp", 413, None),
        ("/a", 308, Some("bank.localhost")),
        ("*", 400, None),
    ] {
        let is_it = |line: &&Value| {
            line["path"] == path
                && line["status"] == status
                && line.get("host").and_then(Value::as_str) == host
        };
        assert!(lines.iter().any(|line| is_it(&line)), "{path} {status}: {text}");
    }
}

/// Told of requests, it writes a line of each.
fn written_to(log: &Path) -> Arc<Outside> {
    let to = access_log::To::File(log.to_owned());
    let access_log = Some(access_log::Settings { to, fields: Field::ALL.to_vec() });
    let settings = Settings { access_log, ..Settings::default() };
    Outside::open(settings, World::real()).unwrap().0
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
    assert!(metrics.contains(HANDSHAKE), "{metrics}");
    assert!(metrics.contains("portcullis_more 1\n"), "{metrics}");
    assert!(ask(address, "GET /debug HTTP/1.1\r\nHost: x").await.contains("404"));
    gate.stop.cancel();
    assert!(ask(address, "GET /readyz HTTP/1.1\r\nHost: x").await.contains("closing"));
    end.cancel();
    serving.await.unwrap().unwrap();
}

const HANDSHAKE: &str = "portcullis_tls_handshakes_total{outcome=\"complete\",certificate=\"none\"} 1\n";
