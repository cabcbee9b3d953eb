//! The beginning of a connection, cut up, blown up or in another protocol: the same door under the same
//! rules, or none.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::inside::Inside;
use crate::support::PATIENCE;
use crate::support::raw::Raw;

/// How a hello is sent.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Bytes of the message in each record.
    record: usize,
    /// Bytes in each write.
    write: usize,
}

impl Inside {
    /// Says hello in pieces, then asks; the answer, or why there is none.
    fn say_hello(
        &self,
        sni: &str,
        config: ClientConfig,
        cut: Cut,
        change: &dyn Fn(&mut Vec<u8>),
        request: &str,
    ) -> Result<String, String> {
        let name = ServerName::try_from(sni.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(self.client.wire.address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        let mut hello = message_of(&sent);
        change(&mut hello);
        let mut bytes = Vec::new();
        for piece in hello.chunks(cut.record) {
            bytes.extend_from_slice(&[22, 3, 1]);
            bytes.extend_from_slice(&u16::try_from(piece.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(piece);
        }
        for piece in bytes.chunks(cut.write) {
            socket.write_all(piece).map_err(|error| error.to_string())?;
        }
        let mut tls = rustls::Stream::new(&mut client, &mut socket);
        tls.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let read = tls.read_to_end(&mut answer);
        match (read, answer.is_empty()) {
            (Err(error), true) => Err(error.to_string()),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }
}

/// The message in these records.
fn message_of(mut records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    while let Some(head) = records.get(..5) {
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        message.extend_from_slice(&records[5..5 + length]);
        records = &records[5 + length..];
    }
    message
}

/// T-21. Records of one byte, TCP of one byte, a hello as large as one may be; with a certificate, without,
/// and for a name that is no door.
#[tokio::test(flavor = "multi_thread")]
async fn a_hello_in_pieces_meets_the_same_door() {
    let inside = Inside::open().await;
    let wire = &inside.client.wire;
    let request = inside.last("GET", "/v", "Accept: application/json\r\n");
    let stranger = format!(
        "GET /v HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
        inside.host
    );
    let mut tried = 0;
    for large in [false, true] {
        let dressed = |mut config: ClientConfig| {
            if large {
                config.alpn_protocols.extend((0..220_u8).map(|n| vec![n; 255]));
            }
            config
        };
        for cut in [
            Cut { record: 1, write: 6 },
            Cut { record: 1, write: 60_000 },
            Cut { record: 7, write: 1 },
            Cut { record: 400, write: 11 },
            Cut { record: 16_000, write: 1 },
            Cut { record: 16_384, write: 60_000 },
        ] {
            inside.recorder.forget();
            let what = format!("{cut:?}, large: {large}");
            let same = |_: &mut Vec<u8>| {};
            let mine = dressed(wire.config(&["http/1.1"]));
            if large && cut.record < 100 {
                // More in heads of records than anybody holds for a hello: the end, not another door.
                for sni in ["bank.localhost", "phone.localhost", "nobody.localhost"] {
                    let config = dressed(wire.config(&["http/1.1"]));
                    let answer = inside.say_hello(sni, config, cut, &same, &request);
                    assert!(answer.is_err(), "{what}: {answer:?}");
                    tried += 1;
                }
                assert_eq!(inside.recorder.count(), 0, "{what}");
                continue;
            }
            let answer = inside.say_hello("bank.localhost", mine, cut, &same, &request);
            assert!(
                answer.as_ref().is_ok_and(|text| text.contains("the bank's own page at /v")),
                "{what}: {answer:?}"
            );
            assert_eq!(inside.recorder.count(), 1, "{what}");
            let nobodys = dressed(wire.bare().config(&["http/1.1"]));
            let answer = inside.say_hello("bank.localhost", nobodys, cut, &same, &stranger);
            assert!(answer.as_ref().is_ok_and(|text| text.contains("no-certificate")), "{what}: {answer:?}");
            let elsewhere = dressed(wire.config(&["http/1.1"]));
            let answer = inside.say_hello("phone.localhost", elsewhere, cut, &same, &request);
            assert!(answer.as_ref().is_ok_and(|text| text.starts_with("HTTP/1.1 421")), "{what}: {answer:?}");
            for nowhere in ["nobody.localhost", "127.0.0.1"] {
                let config = dressed(wire.config(&["http/1.1"]));
                let answer = inside.say_hello(nowhere, config, cut, &same, &request);
                assert!(
                    answer.as_ref().is_err_and(|why| why.contains("UnrecognisedName")),
                    "{what}: {answer:?}"
                );
            }
            assert_eq!(inside.recorder.count(), 1, "{what}");
            tried += 5;
        }
    }
    assert_eq!(tried, 9 * 5 + 3 * 3);
    inside.must_serve_the_honest().await;
}

/// T-21. Hellos that are none.
#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_cannot_be_read_meets_no_door() {
    let inside = Inside::open().await;
    let request = inside.last("GET", "/v", "");
    let cut = Cut { record: 16_000, write: 60_000 };
    type Change = Box<dyn Fn(&mut Vec<u8>)>;
    let named = |with: &'static [u8]| -> Change {
        Box::new(move |hello| {
            let at = hello.windows(14).position(|part| part == b"bank.localhost").expect("a name");
            hello[at..at + with.len()].copy_from_slice(with);
        })
    };
    let changes: Vec<(&str, Change)> = vec![
        ("NUL in the name", named(b"bank\0localhost")),
        ("a blank in the name", named(b"bank localhost")),
        ("a slash in the name", named(b"bank/localhost")),
        ("a name of high bytes", named(b"\xff\xfe\xff\xfe")),
        ("an empty label", named(b"bank..ocalhost")),
        ("a length beyond the message", Box::new(|hello| hello[1] = 1)),
        ("a length of nothing", Box::new(|hello| hello[1..4].fill(0))),
        ("another message", Box::new(|hello| hello[0] = 2)),
        (
            "cut in half",
            Box::new(|hello| {
                hello.truncate(hello.len() / 2);
                let length = u32::try_from(hello.len() - 4).unwrap().to_be_bytes();
                hello[1..4].copy_from_slice(&length[1..]);
            }),
        ),
        (
            "more than 64 KiB",
            Box::new(|hello| {
                hello.resize(80_000, 0);
                hello[1..4].copy_from_slice(&[1, 0x38, 0x7c]);
            }),
        ),
        ("more behind it", Box::new(|hello| hello.extend_from_slice(&[0; 100]))),
        ("twice", Box::new(|hello| hello.extend(hello.clone()))),
    ];
    for (what, change) in &changes {
        let config = inside.client.wire.config(&["http/1.1"]);
        // One that waits for more is told that there is none.
        let answer = if what.contains("beyond") {
            continue_without(&inside, config, change.as_ref())
        } else {
            inside.say_hello("bank.localhost", config, cut, change.as_ref(), &request)
        };
        assert!(answer.is_err(), "{what}: {answer:?}");
        assert_eq!(inside.recorder.count(), 0, "{what}");
    }
    inside.must_serve_the_honest().await;
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// Sends a hello that promises more, and ends.
fn continue_without(
    inside: &Inside,
    config: ClientConfig,
    change: &dyn Fn(&mut Vec<u8>),
) -> Result<String, String> {
    let name = ServerName::try_from("bank.localhost").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut sent = Vec::new();
    client.write_tls(&mut sent).unwrap();
    let mut hello = message_of(&sent);
    change(&mut hello);
    let mut socket = TcpStream::connect(inside.client.wire.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = u16::try_from(hello.len()).unwrap().to_be_bytes();
    socket.write_all(&[&[22, 3, 1], &length[..], &hello].concat()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    // An alert at most.
    if answer.is_empty() || answer[0] == 21 { Err("an alert".to_owned()) } else { Ok(format!("{answer:?}")) }
}

/// T-22. What is agreed on in the handshake is what is spoken.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_protocol_that_was_agreed_on_is_spoken() {
    let inside = Inside::open().await;
    let wire = &inside.client.wire;
    let long = "x".repeat(255);
    for alpn in [
        &["acme-tls/1"][..],
        &["http/1.0"],
        &["http/0.9"],
        &["spdy/3"],
        &["h3"],
        &["h2c"],
        &["H2"],
        &["smtp", "ftp"],
        &[&long],
    ] {
        let error = Raw::new(wire, "bank.localhost", alpn).open().await.map(drop).unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{alpn:?}: {error}");
    }
    let request = inside.last("GET", "/v", "");
    for alpn in [&[][..], &["http/1.1"], &["acme-tls/1", "http/1.1"], &[&long, "http/1.1"]] {
        inside.recorder.forget();
        let heard = Raw::new(wire, "bank.localhost", alpn).exchange(request.as_bytes()).await;
        assert_eq!((heard.status(), inside.recorder.count()), (Some(200), 1), "{alpn:?}: {}", heard.text());
    }
    inside.recorder.forget();
    let settings = crate::frames::frame(crate::frames::SETTINGS, 0, 0, &[]);
    let fields = inside.fields("GET", "/v");
    let in_http2 = [crate::frames::PREFACE, &settings, &crate::frames::headers(1, &fields, true)].concat();
    let heard = inside.h2.exchange(request.as_bytes()).await;
    assert!(heard.ended && !heard.text().contains("200 OK"), "{heard:?}");
    for alpn in [&["http/1.1"][..], &[]] {
        let heard = Raw::new(wire, "bank.localhost", alpn).exchange(&in_http2).await;
        assert!(heard.ended && heard.status() != Some(200), "{heard:?}");
    }
    assert_eq!(inside.recorder.count(), 0);
    inside.must_serve_the_honest().await;
}

/// What a page of an attacker could make a browser send, had it been led here instead of to a server of mail
/// or files, and the reverse (ALPACA): nothing goes on and nothing comes back that was sent.
const OTHER_PROTOCOLS: [&str; 8] = [
    "EHLO <script>alert(1)</script>\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
    "USER anna\r\nPASS <script>alert(1)</script>\r\nSTOR x\r\n",
    "a1 LOGIN anna <script>alert(1)</script>\r\na2 SELECT INBOX\r\n",
    "HELP <script>alert(1)</script>\r\nRETR 1\r\nQUIT\r\n",
    "SSH-2.0-<script>alert(1)</script>\r\n",
    "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /v HTTP/1.1\r\n",
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x50\x01\x1b",
    "<script>alert(1)</script>",
];

/// T-22. Inside TLS, and on the port of TLS without it.
#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_get_nothing_out_of_it() {
    let inside = Inside::open().await;
    for said in OTHER_PROTOCOLS {
        for raw in [&inside.h1, &inside.h2] {
            let mut line = raw.open().await.unwrap();
            line.send(format!("{said}\r\n\r\n").as_bytes()).await;
            let _ = line.stream.shutdown().await;
            let heard = line.listen(PATIENCE).await;
            assert!(heard.ended && !heard.text().contains("script"), "{said:?}: {heard:?}");
            assert!(matches!(heard.status(), None | Some(400 | 505)), "{said:?}: {}", heard.text());
        }
        let plain = inside.last("GET", "/v", "");
        for bytes in [said, plain.as_str()] {
            let mut stream = tokio::net::TcpStream::connect(inside.client.wire.address).await.unwrap();
            stream.write_all(bytes.as_bytes()).await.unwrap();
            let _ = stream.shutdown().await;
            let mut heard = Vec::new();
            let read = stream.read_to_end(&mut heard);
            let _ = tokio::time::timeout(PATIENCE, read).await.expect("the end of it");
            let alert = heard.is_empty() || heard[0] == 21;
            assert!(alert && heard.len() <= 7, "{bytes:?}: {heard:?}");
        }
    }
    // SSL 2.0 says hello in another way.
    let mut stream = tokio::net::TcpStream::connect(inside.client.wire.address).await.unwrap();
    stream.write_all(&[0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, 1, 0, 0x80]).await.unwrap();
    let _ = stream.shutdown().await;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the end of it");
    assert!(heard.is_empty() || heard[0] == 21, "{heard:?}");
    assert_eq!(inside.recorder.count(), 0);
    inside.must_serve_the_honest().await;
}
