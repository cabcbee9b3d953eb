//! Little of what a program lives by: open files, the processor's time, and in a flood that brings nothing. The gate
//! gets slower, and decides as ever.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::inside::Inside;
use crate::paths::NO_ADMIN;
use crate::support::PATIENCE;
use crate::support::ca::OldCa;
use crate::support::gate::{Gate, Handed, Plan};
use crate::support::ports::free_ports;
use crate::support::program::Start;
use crate::support::raw::Raw;

/// The operator's connection, which stays open.
struct Operator(TcpStream);

impl Operator {
    async fn at(port: u16) -> Self {
        Self(TcpStream::connect(("127.0.0.1", port)).await.unwrap())
    }

    /// One number of all that is counted.
    async fn asks(&mut self, name: &str) -> u64 {
        self.0.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read =
                tokio::time::timeout(PATIENCE, self.0.read(&mut piece)).await.expect("metrics").unwrap();
            assert!(read > 0, "the operator is turned away: {text}");
            text += &String::from_utf8_lossy(&piece[..read]);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
            if body.len() >= length.parse().unwrap() {
                break;
            }
        }
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("portcullis_{name} ")))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Asks until the number is as wanted.
    async fn waits(&mut self, name: &str, wanted: impl Fn(u64) -> bool) -> u64 {
        let begun = std::time::Instant::now();
        loop {
            let number = self.asks(name).await;
            if wanted(number) {
                return number;
            }
            assert!(begun.elapsed() < PATIENCE, "{name} stays {number}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A gate under a program that takes something from it, a foreign certificate, and where its plain listener is.
async fn under(
    words: &[&str],
    port: u16,
    change: impl FnOnce(&mut Plan),
) -> (Inside, crate::support::wire::Identity, SocketAddr) {
    let start = Start { under: words.iter().map(|word| (*word).to_owned()).collect(), ..Start::default() };
    let prepare = async |gate: &Gate, laptop: &Handed| {
        let file = gate.folder.path().join("portcullis.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let listen = format!("[listen]\nops = \"127.0.0.1:{port}\"\n");
        std::fs::write(&file, text.replace("[listen]\n", &listen)).unwrap();
        (OldCa::like(&gate.issuers[0]).leaf(laptop, |_| {}).0, gate.config.listen.plain.unwrap())
    };
    let (inside, (foreign, plain)) = Inside::after(change, start, prepare).await;
    (inside, foreign, plain)
}

/// O-01. A thousand clients under a limit of 256 open files: there are as many as it bears, the operator comes in all
/// the while, and when they are gone others are served. Then the limit falls below what is open.
#[tokio::test(flavor = "multi_thread")]
async fn without_open_files_the_gate_waits_and_goes_on() {
    let port = free_ports();
    let (inside, _, _) = under(&["prlimit", "--nofile=256:4096"], port, |_| {}).await;
    let mut operator = Operator::at(port).await;
    let mut crowd = Vec::new();
    for _ in 0..1000 {
        crowd.push(TcpStream::connect(inside.client.wire.address).await.unwrap());
    }
    let refused = operator.waits("connections_refused_full_total", |refused| refused >= 500).await;
    let open = Operator::at(port).await.asks("connections_open").await;
    println!("of 1 000 connections under 256 open files {open} are open, {refused} were closed at once");
    assert!((1..256).contains(&open), "{open}");
    assert_eq!(operator.asks("accept_errors_total").await, 0);
    drop(crowd);
    operator.waits("connections_open", |open| open == 0).await;
    inside.must_serve_the_honest().await;

    // Nothing left, not even for those whom the gate would take in.
    let pid = inside.program.pid();
    let limit = |files: usize| {
        let arguments = ["--pid".to_owned(), pid.to_string(), format!("--nofile={files}:4096")];
        assert!(Command::new("prlimit").args(arguments).status().unwrap().success());
    };
    limit(std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() + 3);
    let mut crowd = Vec::new();
    for _ in 0..50 {
        crowd.push(TcpStream::connect(inside.client.wire.address).await.unwrap());
    }
    let before = operator.waits("accept_errors_total", |errors| errors > 0).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = operator.asks("accept_errors_total").await;
    // It tries again now and then, and not for all it is worth: that would be tens of thousands.
    assert!(after - before < 500, "{before} and then {after} tries");
    // Without a file, the operator comes in all the same, however often, and whoever else tries meanwhile.
    for _ in 0..COMES_IN {
        assert!(Operator::at(port).await.asks("accept_errors_total").await > 0);
    }
    // Nor does one who comes in and says nothing keep the next out for good.
    let silent = [Operator::at(port).await, Operator::at(port).await];
    Operator::at(port).await.asks("accept_errors_total").await;
    drop(silent);
    drop(crowd);
    limit(256);
    operator.waits("connections_open", |open| open == 0).await;
    inside.must_serve_the_honest().await;
    assert_eq!(operator.asks("panics_total").await, 0);
    println!("{before} and then {after} tries to take somebody in without a file left");
}

/// O-01. Whoever fills the plain listener, which asks for nothing, takes no file from those who come over TLS.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_plain_listener_leaves_files_for_all_others() {
    let port = free_ports();
    let (inside, _, plain) = under(&["prlimit", "--nofile=256:4096"], port, |_| {}).await;
    let mut operator = Operator::at(port).await;
    let mut crowd = Vec::new();
    for n in 0..300_u16 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 1, n.to_be_bytes()[1] % 10 + 1], 0))).unwrap();
        crowd.push(socket.connect(plain).await.unwrap());
    }
    // As many over TLS as there are places for.
    for _ in 0..1000 {
        crowd.push(TcpStream::connect(inside.client.wire.address).await.unwrap());
    }
    operator.waits("connections_refused_full_total", |refused| refused >= 500).await;
    assert_eq!(operator.asks("accept_errors_total").await, 0);
    drop(crowd);
    operator.waits("connections_open", |open| open == 0).await;
    inside.must_serve_the_honest().await;
}

/// Whichever room refuses them, strangers have so many lines a minute: a disk is not filled by them.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_do_not_fill_the_log() {
    let inside = Inside::open().await;
    for (door, request) in [
        ("bank", "GET / HTTP/1.1"),
        ("start", "POST /.well-known/est/simpleenroll HTTP/1.1\r\nContent-Length: 0"),
    ] {
        let raw = Raw::new(&inside.client.wire.bare(), &format!("{door}.localhost"), &["http/1.1"]);
        let mut line = raw.open().await.unwrap();
        for _ in 0..200 {
            line.send(format!("{request}\r\nHost: {}\r\n\r\n", inside.program.host(door)).as_bytes()).await;
            let answer = line.answer().await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 40"), "{answer}");
        }
    }
    let log = inside.program.log();
    let refused = |line: &&str| line.contains("request refused") || line.contains("no certificate by EST");
    let lines = log.lines().filter(refused).count();
    // A minute may end meanwhile.
    assert!((60..=120).contains(&lines), "{lines} lines: {log}");
}

/// T-25. Handshakes that end in nothing, many at a time, while somebody is signed in.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_bad_certificates_disturbs_no_session() {
    let port = free_ports();
    let (inside, foreign, _) = under(&["nice", "-n", "0"], port, |_| {}).await;
    let mut operator = Operator::at(port).await;
    let foreign = inside.showing(&foreign);
    let mut session = inside.h1.open().await.unwrap();
    for round in 0..10 {
        let mut flood = tokio::task::JoinSet::new();
        for n in 0..40 {
            let raw = foreign.clone();
            // Without the cookie: shown with another certificate, it would be a stolen one.
            let request =
                format!("GET /flood HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", inside.host);
            let address = inside.client.wire.address;
            flood.spawn(async move {
                if n % 2 == 0 {
                    return raw.exchange(request.as_bytes()).await.status();
                }
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(&[22, 3, 1, 0, 4, 1, 0, 0, 0, 22, 3, 1]).await;
                None
            });
        }
        session.send(format!("GET /{round} HTTP/1.1\r\n{}\r\n", inside.lines()).as_bytes()).await;
        let answer = session.answer().await.unwrap();
        assert!(answer.ends_with(&format!("the bank's own page at /{round}")), "{answer}");
        while let Some(status) = flood.join_next().await {
            assert!(matches!(status.unwrap(), None | Some(403)));
        }
    }
    drop(session);
    let whole = inside.recorder.whole();
    assert!(whole.iter().all(|got| got.target != "/flood"), "{whole:?}");
    operator.waits("connections_open", |open| open == 0).await;
    assert_eq!(operator.asks("panics_total").await, 0);
    inside.must_serve_the_honest().await;
}

/// Processes that do nothing but work.
struct Busy(Vec<Child>);

impl Busy {
    fn start() -> Self {
        let work =
            || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn().unwrap();
        Self((0..2 * std::thread::available_parallelism().unwrap().get()).map(|_| work()).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// O-10. Last in line for a processor that others keep busy, and with little memory beyond what it has: whoever is
/// answered gets the answer that they would have got.
#[tokio::test(flavor = "multi_thread")]
async fn starved_it_decides_as_ever() {
    let change = |plan: &mut Plan| plan.portal = NO_ADMIN.to_owned();
    let (inside, foreign, _) = under(&["nice", "-n", "19"], free_ports(), change).await;
    let _busy = Busy::start();
    // To open its keys it needs more for a moment.
    let pid = inside.program.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let data =
        status.lines().find_map(|line| line.strip_prefix("VmData:")?.trim().strip_suffix(" kB")).unwrap();
    let data = format!("--data={}", (data.parse::<u64>().unwrap() + MEMORY_MORE_KIB) * 1024);
    assert!(Command::new("prlimit").args(["--pid", &pid.to_string(), &data]).status().unwrap().success());
    let foreign = inside.showing(&foreign);
    let without_cookie = format!("GET /v HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", inside.host);
    let mut all = Vec::new();
    for n in 0..ROUNDS {
        let two_ends = "Content-Length: 1\r\nTransfer-Encoding: x\r\n";
        all.extend([
            ("somebody signed in", &inside.h1, inside.last("GET", &format!("/right/{n}"), ""), vec![200]),
            ("a path that is denied", &inside.h1, inside.last("GET", "/admin", ""), vec![403]),
            ("nobody signed in", &inside.h1, without_cookie.clone(), vec![303, 401]),
            ("a foreign certificate", &foreign, without_cookie.clone(), vec![403]),
            ("two ends", &inside.h1, inside.last("POST", "/v", two_ends), vec![400]),
        ]);
    }
    let counts = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (answered, late) = (&counts.0, &counts.1);
    futures_util::stream::iter(&all)
        .for_each_concurrent(AT_ONCE, |(kind, raw, request, right)| async move {
            let heard = raw.exchange(request.as_bytes()).await;
            match heard.status() {
                Some(status) => {
                    assert!(right.contains(&status), "{kind}: {}", heard.text());
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                // A handshake that could not be done in time is none.
                None => {
                    late.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
        .await;
    let (answered, late) = (counts.0.into_inner(), counts.1.into_inner());
    println!("{answered} of {} answered, each rightly, {late} cut", all.len());
    assert!(answered > all.len() / 2, "{answered}");
    let mut targets: Vec<String> = inside.recorder.whole().into_iter().map(|got| got.target).collect();
    let arrived = targets.len();
    targets.sort_unstable();
    targets.dedup();
    assert_eq!(targets.len(), arrived, "a request arrived twice");
    assert!(targets.iter().all(|target| target.starts_with("/right/")), "{targets:?}");
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// Often enough that somebody tries in the moment in which the operator's file is nobody's.
const COMES_IN: usize = 500;

const ROUNDS: usize = 40;
const AT_ONCE: usize = 16;

/// Beyond what it has when it is up.
const MEMORY_MORE_KIB: u64 = 64 * 1024;
