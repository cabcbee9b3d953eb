//! From HTTP/2 to HTTP/1.1: what HTTP/2 can carry and HTTP/1.1 cannot say never becomes a line of its own,
//! a second request or another body.

use crate::frames::*;
use crate::inside::Inside;
use crate::recorder::Seen;
use crate::support::PATIENCE;

/// H-03.
#[tokio::test(flavor = "multi_thread")]
async fn what_http1_cannot_say_is_refused() {
    let inside = Inside::open().await;
    let mut tried = 0;
    for (what, fields) in heads(&inside) {
        inside.recorder.forget();
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&headers(1, &fields, true)).await;
        let heard = h2.listen(1, PATIENCE).await;
        let whole = inside.recorder.whole();
        assert!(heard.refused() || heard.status.is_some(), "{what}: {heard:?}");
        assert_ne!(heard.status, Some(200), "{what}: {whole:?}");
        assert!(inside.recorder.count() == 0, "{what}: {whole:?}");
        tried += 1;
    }
    for (what, fields) in sound_heads(&inside) {
        inside.recorder.forget();
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&headers(1, &fields, true)).await;
        let heard = h2.listen(1, PATIENCE).await;
        assert_eq!(heard.status, Some(200), "{what}: {heard:?}");
        let got = inside.recorder.only_one();
        assert_eq!((got.target.as_str(), got.all("host")), ("/v", vec![inside.host.as_str()]), "{what}");
        assert!(!got.text().contains("evil"), "{what}: {}", got.text());
        tried += 1;
    }
    // Over TLS only one scheme is right, and what is asked for by another is not here (RFC 9110 7.4).
    for scheme in ["http", "HTTPS", "ftp", "", "https://evil.example/", "ht tp", "https\r\nevil: 1"] {
        inside.recorder.forget();
        let mut fields = inside.fields("GET", "/v");
        fields[1].1 = scheme.into();
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&headers(1, &fields, true)).await;
        let heard = h2.listen(1, PATIENCE).await;
        let whole = inside.recorder.whole();
        let right = match scheme {
            "HTTPS" => heard.status == Some(200) && whole.len() == 1,
            "http" | "ftp" | "" => heard.status == Some(421) && whole.is_empty(),
            _ => heard.refused() && whole.is_empty(),
        };
        assert!(right, "{scheme:?}: {:?}, {} reached the backend", heard.status, whole.len());
        tried += 1;
    }
    inside.must_serve_the_honest().await;
    println!("{tried} heads over HTTP/2");
    assert!(tried > 120, "{tried}");
    assert!(!inside.program.log().contains("panicked"), "{}", inside.program.log());
}

/// Heads that no request of HTTP/1.1 has.
fn heads(inside: &Inside) -> Vec<(String, Vec<Field>)> {
    let plain = || inside.fields("GET", "/v");
    let mut all: Vec<(String, Vec<Field>)> = Vec::new();
    let mut add = |what: String, fields: Vec<Field>| all.push((what, fields));
    let ends: [&[u8]; 8] = [b"\r\n", b"\n", b"\r", b"\0", b"\r\n\r\n", b"\x0b", b"\x7f", b"\r\n "];
    for end in ends {
        let evil = [b"x", end, b"evil: 1", end, end, b"GET /evil HTTP/1.1"].concat();
        let text = String::from_utf8_lossy(end).escape_debug().to_string();
        add(format!("{text} in a value"), [plain(), vec![field("x-a", &evil)]].concat());
        add(format!("{text} in a cookie"), [plain(), vec![field("cookie", &evil)]].concat());
        add(format!("{text} in a name"), [plain(), vec![(evil.clone(), b"1".to_vec())]].concat());
        for (place, name) in PSEUDO.iter().enumerate() {
            let mut fields = plain();
            let mut value = fields[place].1.clone();
            value.extend_from_slice(&evil);
            fields[place].1 = value;
            add(format!("{text} in {name}"), fields);
        }
    }
    for path in [
        "/v /evil",
        "/v HTTP/1.1",
        "",
        "v",
        "*",
        "https://evil.example/v",
        "//evil.example/v",
        "\\v",
        "/v\t",
        " /v",
        "/\u{80}",
    ] {
        add(format!(":path {path:?}"), inside.fields("GET", path));
    }
    for method in ["", "GET ", "G ET", "GET /evil HTTP/1.1\r\nX:", "CONNECT", "TRACE", "GE(T", "GET,POST"] {
        add(format!(":method {method:?}"), inside.fields(method, "/v"));
    }
    for authority in [
        "",
        "evil.example",
        "evil.example:443",
        "bank.localhost, evil.example",
        "bank.localhost/evil",
        "user@bank.localhost",
        "bank.localhost ",
        "bank.localhost:1",
        "bank.localhost.",
        "127.0.0.1",
        "other.localhost",
        "bank.localhost:99999",
        "bank.localhost#evil",
        "bank.localhost?evil",
        "[::1]",
    ] {
        let mut fields = plain();
        fields[2].1 = authority.into();
        add(format!(":authority {authority:?}"), fields);
    }
    for (place, name) in PSEUDO.iter().enumerate() {
        let mut twice = plain();
        let again = twice[place].clone();
        twice.insert(place, again);
        add(format!("{name} twice"), twice);
        let mut late = plain();
        let moved = late.remove(place);
        late.push(moved);
        add(format!("{name} behind a header"), late);
        if *name != ":authority" {
            let mut without = plain();
            without.remove(place);
            add(format!("no {name}"), without);
        }
    }
    for (name, value) in [
        ("Cookie", "a=1"),
        ("X-A", "b"),
        ("", "evil"),
        (":evil", "1"),
        (":status", "200"),
        (":protocol", "websocket"),
        ("x a", "b"),
        ("x:a", "b"),
        ("x\u{e9}", "b"),
        ("transfer-encoding", "chunked"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "upgrade"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
        ("proxy-connection", "close"),
        ("te", "gzip"),
        ("host", "evil.example"),
        ("host", "other.localhost"),
        ("content-length", "5"),
        ("content-length", "-1"),
    ] {
        add(format!("{name:?}: {value:?}"), [plain(), vec![field(name, value)]].concat());
    }
    all
}

/// Odd, and of one meaning: these arrive as one clean request.
fn sound_heads(inside: &Inside) -> Vec<(String, Vec<Field>)> {
    let plain = || inside.fields("GET", "/v");
    let with = |name: &str, value: &str| [plain(), vec![field(name, value)]].concat();
    let mut all = vec![
        ("plain".to_owned(), plain()),
        ("te: trailers".to_owned(), with("te", "trailers")),
        ("host as :authority".to_owned(), with("host", &inside.host)),
        ("content-length: 0".to_owned(), with("content-length", "0")),
        ("an empty value".to_owned(), with("x-a", "")),
        ("x-forwarded-host".to_owned(), with("x-forwarded-host", "evil")),
    ];
    // A fragment is cut off before anybody looks: rules and backend see the same.
    all.push(("a fragment".to_owned(), inside.fields("GET", "/v#evil")));
    let mut split = plain();
    let cookie = split.pop().unwrap();
    split.extend([field("cookie", "a=1"), cookie, field("cookie", "b=2")]);
    all.push(("three cookies".to_owned(), split));
    all
}

/// H-03. Blocks in pieces, and pieces out of order.
#[tokio::test(flavor = "multi_thread")]
async fn header_blocks_in_pieces_are_one_head_or_an_end() {
    let inside = Inside::open().await;
    let whole = block(&inside.fields("GET", "/v"));
    for size in [1, 7, whole.len() / 3, whole.len() - 1] {
        inside.recorder.forget();
        let mut pieces: Vec<&[u8]> = whole.chunks(size).collect();
        let (first, last) = (pieces.remove(0), pieces.pop().unwrap());
        let mut frames = frame(HEADERS, END_STREAM, 1, first);
        for piece in pieces {
            frames.extend(frame(CONTINUATION, 0, 1, piece));
        }
        frames.extend(frame(CONTINUATION, END_HEADERS, 1, last));
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&frames).await;
        let heard = h2.listen(1, PATIENCE).await;
        if size <= 7 {
            // So many pieces that it is an attack (RUSTSEC-2024-0332).
            assert!(heard.refused() && inside.recorder.count() == 0, "{size}: {heard:?}");
        } else {
            assert_eq!(heard.status, Some(200), "{size}: {heard:?}");
            assert_eq!(inside.recorder.only_one().target, "/v");
        }
    }
    let half = &whole[..whole.len() / 2];
    for (what, frames) in [
        (
            "another stream between",
            [frame(HEADERS, END_STREAM, 1, half), headers(3, &inside.fields("GET", "/evil"), true)].concat(),
        ),
        ("data between", [frame(HEADERS, 0, 1, half), data(1, b"evil", true)].concat()),
        ("a ping between", [frame(HEADERS, END_STREAM, 1, half), frame(PING, 0, 0, &[0; 8])].concat()),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &whole)),
        ("an even stream", headers(2, &inside.fields("GET", "/evil"), true)),
        ("stream 0", headers(0, &inside.fields("GET", "/evil"), true)),
        ("a frame of 1 MiB", frame(HEADERS, END_STREAM | END_HEADERS, 1, &vec![0; 1 << 20])),
        ("a block that breaks off", frame(HEADERS, END_STREAM | END_HEADERS, 1, half)),
        ("padding beyond the frame", frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, &[255, 0, 0])),
        ("an index beyond the table", frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff, 0xff, 0xff, 0x7f])),
        (
            "a table larger than allowed",
            frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x3f, 0xe1, 0xff, 0xff, 0x7f]),
        ),
    ] {
        inside.recorder.forget();
        let mut h2 = H2::open(&inside.h2).await;
        h2.send(&frames).await;
        let heard = h2.listen(1, PATIENCE).await;
        assert!(heard.goaway.is_some() || heard.closed || heard.reset.is_some(), "{what}: {heard:?}");
        let seen = inside.recorder.seen();
        assert!(!seen.iter().any(|seen| matches!(seen, Seen::Whole(_))), "{what}: {seen:?}");
    }
    inside.must_serve_the_honest().await;
}

const PSEUDO: [&str; 4] = [":method", ":scheme", ":authority", ":path"];
