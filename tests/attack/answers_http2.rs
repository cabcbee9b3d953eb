//! A backend of HTTP/2 that answers as it should not, in frames that no library would send: a client of HTTP/1.1
//! gets the right answer, a page that says so or a broken one, and nobody after it gets anything of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::frames::*;
use crate::inside::Inside;

/// What a client may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// This status and this whole body.
    Whole(u16, &'static str),
    /// 502, or an answer that breaks off.
    Nothing,
    /// Either, and in either case nothing of what is odd about it.
    Clean,
}
use Gets::{Clean, Nothing, Whole};

/// What is said on a stream, as frames of stream 1.
struct Case {
    what: String,
    method: &'static str,
    frames: Vec<u8>,
    gets: Gets,
}

fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let mut add = |what: String, method, frames: Vec<u8>, gets| all.push(Case { what, method, frames, gets });
    let ok = || vec![field(":status", "200")];
    let head = |fields: &[Field]| headers(1, fields, false);
    let body = || data(1, b"ok", true);
    for (name, value) in [
        (&b"x-a"[..], &b"a\r\nx-evil: 1"[..]),
        (b"x-a", b"a\nx-evil: 1"),
        (b"x-a", b"a\rx-evil: 1"),
        (b"x-a", b"a\0evil"),
        (b"x-a", b"a\x7fevil"),
        (b"X-Evil", b"1"),
        (b"x evil", b"1"),
        (b"x:evil", b"1"),
        (b"", b"evil"),
        (b"x-a: b\r\nx-evil", b"1"),
        (b":evil", b"1"),
        (b":status", b"200"),
        (b"content-length", b"+2"),
        (b"content-length", b"3"),
        (b"content-length", b"1"),
        (b"content-length", b"99999999999999999999"),
    ] {
        let fields = [ok(), vec![field(name, value)]].concat();
        let what = format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        add(what, "GET", [head(&fields), body()].concat(), Nothing);
    }
    for (name, value) in [
        (":path", "/evil"),
        ("connection", "evil"),
        ("transfer-encoding", "chunked"),
        ("keep-alive", "evil"),
        ("proxy-connection", "evil"),
        ("upgrade", "evil"),
        ("te", "evil"),
    ] {
        let fields = [ok(), vec![field(name, value)]].concat();
        add(format!("{name}: {value}"), "GET", [head(&fields), body()].concat(), Clean);
    }
    for status in ["", "2000", "20", "abc", "099", "-20", "200 OK\r\nx-evil: 1", "101"] {
        add(
            format!(":status {status:?}"),
            "GET",
            [head(&[field(":status", status)]), body()].concat(),
            Nothing,
        );
    }
    add("no status".to_owned(), "GET", [head(&[field("x-a", "b")]), body()].concat(), Nothing);
    let late = [field("x-a", "b"), field(":status", "200")];
    add("the status behind a header".to_owned(), "GET", [head(&late), body()].concat(), Nothing);
    let twice = [ok(), vec![field("content-length", "2"), field("content-length", "6")]].concat();
    add("two lengths".to_owned(), "GET", [head(&twice), data(1, b"okevil", true)].concat(), Nothing);
    let two = [ok(), vec![field("content-length", "2")]].concat();
    add(
        "more than was said".to_owned(),
        "GET",
        [head(&two), data(1, b"ok", false), data(1, b"evil", true)].concat(),
        Clean,
    );
    for (status, method) in [("204", "GET"), ("304", "GET"), ("200", "HEAD")] {
        let frames = [head(&[field(":status", status)]), data(1, b"evil", true)].concat();
        add(format!("{method} {status} with a body"), method, frames, Clean);
    }
    let hint = headers(1, &[field(":status", "103"), field("link", "</a.css>")], false);
    add("a hint".to_owned(), "GET", [hint.clone(), head(&ok()), body()].concat(), Whole(200, "ok"));
    add("hints without end".to_owned(), "GET", [hint.repeat(5_000), head(&ok()), body()].concat(), Clean);
    let last = |fields: &[Field]| [head(&ok()), data(1, b"ok", false), headers(1, fields, true)].concat();
    let ours = [field("set-cookie", "evil=1"), field("portcullis-assertion", "evil"), field("x-a", "b")];
    add("trailers that are ours".to_owned(), "GET", last(&ours), Whole(200, "ok"));
    add("a status behind the body".to_owned(), "GET", last(&[field(":status", "500")]), Clean);
    let says = [
        ok(),
        vec![
            field("set-cookie", "__Host-portcullis=evil; Path=/; Secure"),
            field("portcullis-assertion", "evil"),
            field("alt-svc", "h3=\":evil\""),
        ],
    ];
    add(
        "what the gate alone may say".to_owned(),
        "GET",
        [head(&says.concat()), body()].concat(),
        Whole(200, "ok"),
    );
    let long =
        block(&[ok(), (0..2000).map(|n| field(format!("x-{n}"), "evil".repeat(50))).collect()].concat());
    let mut pieces = long.chunks(16_000).peekable();
    let mut frames = frame(HEADERS, 0, 1, pieces.next().unwrap());
    while let Some(piece) = pieces.next() {
        frames.extend(frame(CONTINUATION, if pieces.peek().is_none() { END_HEADERS } else { 0 }, 1, piece));
    }
    add("a head of 400 kB".to_owned(), "GET", [frames, body()].concat(), Nothing);
    for (what, frames) in [
        ("a reset", frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])),
        ("a body and no head", data(1, b"evil", true)),
        ("a farewell", frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2])),
        ("a push", frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2][..], &block(&ok())].concat())),
        ("a head on a stream that nobody opened", headers(101, &ok(), true)),
        ("a head on an even stream", headers(2, &ok(), true)),
        ("a body on stream 0", data(0, b"evil", true)),
        ("a frame beyond the largest", frame(DATA, 0, 1, &vec![b'e'; 17_000])),
        ("more padding than there is", frame(DATA, PADDED | END_STREAM, 1, &[200, 1, 2])),
        ("a window that grows by nothing", frame(8, 0, 0, &[0; 4])),
        ("a window beyond the largest", frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("settings of odd length", frame(SETTINGS, 0, 0, &[0; 5])),
        ("the rest of no head", frame(CONTINUATION, END_HEADERS, 1, &block(&ok()))),
        (
            "a head that cannot be unpacked",
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0xff, 0xff]),
        ),
        ("HTTP/1.1", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".to_vec()),
    ] {
        add(what.to_owned(), "GET", frames, Nothing);
    }
    all
}

/// The backend. Which case is next it is told, for it unpacks no heads.
struct Hostile {
    cases: Vec<Case>,
    /// Beyond all cases: it answers rightly.
    next: AtomicUsize,
    connections: AtomicUsize,
}

impl Hostile {
    async fn attend(&self, mut stream: TcpStream) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let mut unread = Vec::new();
        let mut greeted = false;
        if stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.is_err() {
            return;
        }
        loop {
            let mut piece = [0; 16 * 1024];
            match stream.read(&mut piece).await {
                Ok(n @ 1..) => unread.extend_from_slice(&piece[..n]),
                _ => return,
            }
            if !greeted && unread.len() >= PREFACE.len() {
                unread.drain(..PREFACE.len());
                greeted = true;
            }
            while greeted && unread.len() >= 9 {
                let length = usize::from(unread[1]) << 8 | usize::from(unread[2]);
                if unread.len() < 9 + length {
                    break;
                }
                let (kind, flags, id) = (unread[3], unread[4], unread[5..9].to_vec());
                let payload: Vec<u8> = unread.drain(..9 + length).skip(9).collect();
                let said = match kind {
                    SETTINGS if flags & ACK == 0 => frame(SETTINGS, ACK, 0, &[]),
                    PING if flags & ACK == 0 => frame(PING, ACK, 0, &payload),
                    HEADERS => self.answer(&id),
                    _ => continue,
                };
                if stream.write_all(&said).await.is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, id: &[u8]) -> Vec<u8> {
        match self.cases.get(self.next.load(Ordering::SeqCst)) {
            Some(case) => onto(&case.frames, id),
            None => {
                onto(&[headers(1, &[field(":status", "200")], false), data(1, b"right", true)].concat(), id)
            }
        }
    }
}

/// Frames of stream 1 as frames of this stream.
fn onto(mut frames: &[u8], id: &[u8]) -> Vec<u8> {
    let mut moved = Vec::new();
    while frames.len() >= 9 && !frames.starts_with(b"HTTP") {
        let length = usize::from(frames[0]) << 16 | usize::from(frames[1]) << 8 | usize::from(frames[2]);
        moved.extend_from_slice(&frames[..5]);
        moved.extend_from_slice(if frames[5..9] == [0, 0, 0, 1] { id } else { &frames[5..9] });
        moved.extend_from_slice(&frames[9..9 + length]);
        frames = &frames[9 + length..];
    }
    moved.extend_from_slice(frames);
    moved
}

/// H-21. Each answer to a client of HTTP/1.1, and one rightly answered after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_answer_of_http2_becomes_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cases = cases();
    let (next, connections) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0));
    let hostile = Arc::new(Hostile { cases, next, connections });
    let serving = Arc::clone(&hostile);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = Arc::clone(&serving);
            tokio::spawn(async move { serving.attend(stream).await });
        }
    });
    let inside = Inside::open().await;
    let backend = format!("h2c://{address}");
    inside.program.json(&["route", "set", "bank", "--backend", &backend, "--first-byte-seconds", "3"]);
    let faults = Mutex::new(Vec::new());
    for (n, case) in hostile.cases.iter().enumerate() {
        hostile.next.store(n, Ordering::SeqCst);
        let heard = inside.h1.exchange(inside.last(case.method, "/v", "").as_bytes()).await;
        hostile.next.store(usize::MAX, Ordering::SeqCst);
        let text = heard.text();
        let whole = crate::answers::body_of(&text).filter(|_| heard.ended);
        let right = !text.contains("evil")
            && match case.gets {
                Whole(status, body) => heard.status() == Some(status) && whole.as_deref() == Some(body),
                Nothing => heard.status() == Some(502) || whole.is_none(),
                Clean => true,
            };
        if !right {
            faults.lock().unwrap().push(format!("{}: {text}", case.what));
        }
        let heard = inside.h1.exchange(inside.last("GET", "/fine", "").as_bytes()).await;
        let text = heard.text();
        if crate::answers::body_of(&text).as_deref() != Some("right") {
            faults.lock().unwrap().push(format!("after {}: {text}", case.what));
        }
    }
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{} faults: {}", faults.len(), faults.join("\n"));
    println!(
        "{} hostile answers of HTTP/2 over {} connections: none became another",
        hostile.cases.len(),
        hostile.connections.load(Ordering::SeqCst)
    );
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}
