//! How long what is switched off goes on: measured at the client's sockets and at the backend, from the
//! moment the command has returned. At most a second each time; the aim is 50 ms.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::domain::certificate::Certificate;
use portcullis::domain::person::Role;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::support::PATIENCE;
use crate::support::backend::ENDLESS;
use crate::support::browser::{Browser, COOKIE, navigation};
use crate::support::desk::staff;
use crate::support::gate::{Gate, Handed};
use crate::support::program::Program;
use crate::support::tunnel::websocket;
use crate::support::wire::whole;

/// T-05, T-06. Two hundred revocations by five ways, each against seven kinds of open connections, with a
/// neighbour on the same site who notices nothing.
#[tokio::test(flavor = "multi_thread")]
async fn revocation_bites_within_a_second() {
    let gate = Gate::open().await;
    let otto = staff(&gate, "otto", "Otto Operator", &[Role::Operator]).await;
    let (mut devices, neighbour) = (Vec::new(), neighbour(&gate, "bank").await);
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    for n in 0..REVOCATIONS {
        let handed = gate.device("bank", "anna", &format!("device {n}")).await;
        devices.push((gate.signed_in("bank", &handed).await, handed));
    }
    let home = gate.device("bank", "anna", "home").await;
    let anna = gate.signed_in("bank", &home).await;
    let program = Program::instead_of(gate).await;
    let mut goes_on = GoesOn::begin(&neighbour).await;
    let mut samples = Samples::default();
    for (n, (browser, handed)) in devices.iter().enumerate() {
        let open = open_all(browser, n as u64).await;
        let way = WAYS[n % WAYS.len()];
        let returned = revoke(&program, (&otto, &anna), handed, n, way).await;
        for (kind, ended) in open {
            let ended = tokio::time::timeout(PATIENCE, ended).await;
            let ended = ended.unwrap_or_else(|_| panic!("{way}: {kind} goes on")).unwrap();
            samples.add(way, kind, ended.saturating_duration_since(returned));
        }
        let last = program.backend.heard_last(n as u64).expect("the upload began");
        samples.add(way, "last byte at the backend", last.saturating_duration_since(returned));
    }
    goes_on.must_go_on().await;
    neighbour.open("/accounts").await.must_say("the bank's own page");
    samples.print("revocation to the end of each connection");
    assert_eq!(samples.count(), REVOCATIONS * (KINDS + 1));
    assert!(samples.max() <= Duration::from_secs(1), "{:?}", samples.max());
}

/// T-06. A whole site, with two hundred connections open.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_site_ends_within_a_second() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let other = neighbour(&gate, "other").await;
    let mut browsers = Vec::new();
    for n in 0..SITE_DEVICES {
        let handed = gate.device("bank", "anna", &format!("device {n}")).await;
        browsers.push(gate.signed_in("bank", &handed).await);
    }
    let program = Program::instead_of(gate).await;
    let mut goes_on = GoesOn::begin(&other).await;
    let mut open = Vec::new();
    for (n, browser) in browsers.iter().enumerate() {
        open.extend(open_all(browser, n as u64).await);
    }
    assert!(open.len() >= 200, "{}", open.len());
    let told = program.json(&["certificate", "revoke", "--tenant", "bank", "--dry-run"]);
    assert_eq!((&told["would_revoke"], &told["sessions"]), (&SITE_DEVICES.into(), &SITE_DEVICES.into()));
    let output = program.cli(&["certificate", "revoke", "--tenant", "bank", "--yes"]);
    let returned = Instant::now();
    assert!(output.status.success(), "{output:?}");
    let mut samples = Samples::default();
    for (kind, ended) in open {
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        let ended = ended.unwrap_or_else(|_| panic!("{kind} goes on")).unwrap();
        samples.add("tenant", kind, ended.saturating_duration_since(returned));
    }
    for n in 0..SITE_DEVICES {
        let last = program.backend.heard_last(n as u64).expect("the upload began");
        samples.add("tenant", "last byte at the backend", last.saturating_duration_since(returned));
    }
    goes_on.must_go_on().await;
    for browser in &browsers {
        assert_eq!(browser.open("/accounts").await.status, 403);
    }
    other.open("/accounts").await.must_say("the bank's own page");
    samples.print("a whole site to the end of each connection");
    assert!(samples.max() <= Duration::from_secs(1), "{:?}", samples.max());
}

/// A hundred sessions of one person, each with an open tunnel, when the person is locked.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sessions_end_within_a_second() {
    let gate = Gate::open().await;
    gate.person("bank", "anna", "Anna Muster", &[]).await;
    let neighbour = neighbour(&gate, "bank").await;
    let mut browsers = Vec::new();
    for n in 0..10 {
        let handed = gate.device("bank", "anna", &format!("device {n}")).await;
        gate.settle(&handed).await;
        let all = gate.all::<Certificate>().await;
        let certificate = all.into_iter().find(|one| one.serial == handed.serial).unwrap();
        for _ in 0..10 {
            let browser = gate.browser("bank", &handed);
            browser.set_cookie(COOKIE, &gate.session_for(&certificate).await);
            browsers.push(browser);
        }
    }
    let program = Program::instead_of(gate).await;
    let mut goes_on = GoesOn::begin(&neighbour).await;
    let mut open = Vec::new();
    for browser in &browsers {
        open.push(tunnel(browser).await);
    }
    let output = program.cli(&["person", "lock", "bank/anna", "--why", "asked for it", "--yes"]);
    let returned = Instant::now();
    assert!(output.status.success(), "{output:?}");
    let mut samples = Samples::default();
    for ended in open {
        let ended = tokio::time::timeout(PATIENCE, ended).await.expect("the tunnel is cut").unwrap();
        samples.add("lock", "WebSocket", ended.saturating_duration_since(returned));
    }
    goes_on.must_go_on().await;
    for browser in &browsers {
        assert_eq!(browser.open("/accounts").await.status, 403);
    }
    samples.print("a locked person to the end of each of a hundred sessions");
    assert_eq!(samples.count(), 100);
    assert!(samples.max() <= Duration::from_secs(1), "{:?}", samples.max());
}

/// Revokes by one of the ways; when it returned.
async fn revoke(
    program: &Program,
    (otto, anna): (&Browser, &Browser),
    handed: &Handed,
    n: usize,
    way: &str,
) -> Instant {
    match way {
        "settings" => {
            let lost = format!("/.portcullis/settings/certificates/of/{}/lost", handed.serial);
            let form = anna.open(&lost).await.form("/lost");
            let pairs = [form.hidden, vec![("name".to_owned(), format!("device {n}"))]].concat();
            let answer = anna.send(anna.posting(&form.action, &pairs)).await;
            let returned = Instant::now();
            assert_eq!(answer.status, 303, "{}", answer.text());
            returned
        }
        "cli --serial" | "cli --device" => {
            let device = format!("bank/anna/{}", handed.device);
            let what =
                if way == "cli --serial" { ["--serial", &handed.serial] } else { ["--device", &device] };
            let line = [&["certificate", "revoke"], &what[..], &["--reason", "key-compromise", "--yes"]];
            let output = program.cli(&line.concat());
            let returned = Instant::now();
            assert!(output.status.success(), "{output:?}");
            returned
        }
        "console" => {
            let page = otto.open(&format!("/devices/bank/anna/{}/revoke", handed.device)).await;
            page.must_say("1 certificate stops working, for good.");
            page.must_say("1 session ends now");
            let mut pairs = page.form("/revoke").hidden;
            pairs.push(("name".to_owned(), format!("device {n}")));
            pairs.push(("reason".to_owned(), "key-compromise".to_owned()));
            let answer = otto.send(otto.posting(&page.form("/revoke").action, &pairs)).await;
            let returned = Instant::now();
            assert_eq!(answer.status, 303, "{}", answer.text());
            returned
        }
        _ => {
            let body = serde_json::json!({ "serial": handed.serial, "reason": "key-compromise" });
            let request = Request::post("/api/v1/certificates/revoke")
                .header("content-type", "application/json")
                .body(Body::from(body.to_string()))
                .unwrap();
            let answer = otto.send(request).await;
            let returned = Instant::now();
            assert_eq!(answer.status, 200, "{}", answer.text());
            returned
        }
    }
}

/// Opens one connection of each kind, each in use; the tasks end with their connections, and say when.
async fn open_all(browser: &Browser, number: u64) -> Vec<(&'static str, JoinHandle<Instant>)> {
    let mut open = Vec::new();

    let (mut h1, ended) = over_h1(browser).await;
    assert_eq!(whole(h1.send_request(asking_h1(browser, "/accounts")).await.unwrap()).await.status, 200);
    open.push(("HTTP/1.1 kept alive", holding(h1, ended)));

    let (mut h2, ended) = over_h2(browser).await;
    assert_eq!(whole(h2.send_request(asking_h2(browser, "/accounts")).await.unwrap()).await.status, 200);
    open.push(("HTTP/2 kept alive", holding(h2, ended)));

    open.push(("WebSocket", tunnel(browser).await));

    for (kind, path) in [("events over HTTP/1.1", "/ticks"), ("long download", ENDLESS)] {
        let (mut h1, ended) = over_h1(browser).await;
        let mut body = h1.send_request(asking_h1(browser, path)).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().unwrap().is_data());
        open.push((kind, reading(body, h1, ended, kind)));
    }
    let (mut h2, ended) = over_h2(browser).await;
    let mut body = h2.send_request(asking_h2(browser, "/ticks")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    open.push(("events over HTTP/2", reading(body, h2, ended, "events over HTTP/2")));

    // As gRPC does it: one stream of HTTP/2 with messages both ways, and trailers at its end.
    let (mut h2, ended) = over_h2(browser).await;
    let mut call = asking_h2(browser, &format!("/grpc/{number}"));
    *call.method_mut() = http::Method::POST;
    call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    call.headers_mut().insert("te", "trailers".parse().unwrap());
    call.headers_mut().insert("origin", browser.origin().parse().unwrap());
    *call.body_mut() = Body::from_stream(messages());
    let mut body = h2.send_request(call).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().unwrap().is_data());
    open.push(("gRPC, both ways", reading(body, h2, ended, "gRPC, both ways")));
    assert_eq!(open.len(), KINDS);
    open
}

async fn over_h1(browser: &Browser) -> (http1::SendRequest<Body>, JoinHandle<Instant>) {
    let io = TokioIo::new(browser.wire.tls("bank.localhost", "http/1.1").await.unwrap());
    let (sender, connection) = http1::handshake(io).await.unwrap();
    (sender, tokio::spawn(ends(connection)))
}

async fn over_h2(browser: &Browser) -> (http2::SendRequest<Body>, JoinHandle<Instant>) {
    let io = TokioIo::new(browser.wire.tls("bank.localhost", "h2").await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    (sender, tokio::spawn(ends(connection)))
}

/// A connection ends when the gate closes or resets it.
async fn ends<T>(connection: impl Future<Output = T>) -> Instant {
    let _ = connection.await;
    Instant::now()
}

/// Keeps the sender, so that the client does not close by itself.
fn holding<S: Send + 'static>(sender: S, ended: JoinHandle<Instant>) -> JoinHandle<Instant> {
    tokio::spawn(async move {
        let at = ended.await.unwrap();
        drop(sender);
        at
    })
}

/// Reads on until nothing more comes: when the last of body and connection had ended.
fn reading<S: Send + 'static>(
    mut body: hyper::body::Incoming,
    sender: S,
    ended: JoinHandle<Instant>,
    kind: &'static str,
) -> JoinHandle<Instant> {
    tokio::spawn(async move {
        let mut whole = true;
        while let Some(frame) = body.frame().await {
            if frame.is_err() {
                whole = false;
                break;
            }
        }
        let at = Instant::now();
        assert!(!whole, "{kind} was cut, and did not come to its end");
        // The connection too, not the stream alone.
        let at = at.max(ended.await.unwrap());
        drop(sender);
        at
    })
}

async fn tunnel(browser: &Browser) -> JoinHandle<Instant> {
    let mut socket = websocket(browser).await;
    tokio::spawn(async move {
        while let Some(Ok(_)) = socket.next().await {}
        Instant::now()
    })
}

fn asking_h1(browser: &Browser, path: &str) -> Request<Body> {
    let mut request = navigation(path);
    browser.dress(&mut request);
    request
}

fn asking_h2(browser: &Browser, path: &str) -> Request<Body> {
    let mut request = asking_h1(browser, path);
    *request.uri_mut() = format!("https://{}{path}", browser.host).parse().unwrap();
    request.headers_mut().remove("host");
    request
}

/// A message of gRPC every few milliseconds: not compressed, four bytes long.
fn messages() -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send {
    futures_util::stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Some((Ok(Bytes::from_static(b"\0\0\0\0\x04ping")), ()))
    })
}

async fn neighbour(gate: &Gate, tenant: &str) -> Browser {
    gate.person(tenant, "nora", "Nora Neighbour", &[]).await;
    let handed = gate.device(tenant, "nora", "laptop").await;
    gate.signed_in(tenant, &handed).await
}

/// Somebody's connections that nothing may cut.
struct GoesOn {
    socket: tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<tokio::net::TcpStream>>,
    ticks: hyper::body::Incoming,
    _h1: http1::SendRequest<Body>,
}

impl GoesOn {
    async fn begin(browser: &Browser) -> Self {
        let sni = browser.host.split(':').next().unwrap().to_owned();
        let mut h1 = browser.wire.h1(&sni).await;
        let ticks = h1.send_request(asking_h1(browser, "/ticks")).await.unwrap().into_body();
        Self { socket: websocket(browser).await, ticks, _h1: h1 }
    }

    async fn must_go_on(&mut self) {
        self.socket.send(Message::text("still there")).await.unwrap();
        let echo = tokio::time::timeout(PATIENCE, self.socket.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(echo, Message::text("still there"));
        for _ in 0..10 {
            let tick = tokio::time::timeout(PATIENCE, self.ticks.frame()).await.unwrap();
            assert!(tick.unwrap().unwrap().is_data());
        }
    }
}

/// Latencies, by way and kind.
#[derive(Clone, Default)]
struct Samples(Arc<Mutex<Vec<(String, String, Duration)>>>);

impl Samples {
    fn add(&mut self, way: &str, kind: &str, took: Duration) {
        self.0.lock().unwrap().push((way.to_owned(), kind.to_owned(), took));
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn max(&self) -> Duration {
        self.0.lock().unwrap().iter().map(|(_, _, took)| *took).max().unwrap()
    }

    fn print(&self, what: &str) {
        let all = self.0.lock().unwrap();
        println!("{what}, in milliseconds after the command's return:");
        let line = |name: &str, mut took: Vec<Duration>| {
            took.sort();
            let at = |share: f64| took[((took.len() - 1) as f64 * share).ceil() as usize].as_secs_f64() * 1e3;
            let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
            println!("  {name:<26} n {:>5}  p50 {p50:>7.2}  p99 {p99:>7.2}  max {max:>7.2}", took.len());
        };
        let mut names: Vec<&String> = all.iter().flat_map(|(way, kind, _)| [way, kind]).collect();
        names.sort();
        names.dedup();
        for name in names {
            let of = all.iter().filter(|(way, kind, _)| way == name || kind == name);
            line(name, of.map(|(_, _, took)| *took).collect());
        }
        line("all", all.iter().map(|(_, _, took)| *took).collect());
    }
}

const WAYS: [&str; 5] = ["settings", "cli --serial", "cli --device", "console", "api"];
const REVOCATIONS: usize = 200;
const KINDS: usize = 7;
const SITE_DEVICES: usize = 30;
